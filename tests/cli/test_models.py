"""`vedette models`, as a person or a program uses it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from shell import vedette
from tiny_onnx import build_person_detector, write_no_onnx


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return build_person_detector(tmp_path / "shop.onnx")


def test_the_list_shows_what_can_be_pulled_with_size_and_licence(cache: Path) -> None:
    told = vedette("models", "list", cache_dir=cache)

    assert told.code == 0
    (line,) = [line for line in told.out.splitlines() if line.startswith("yolox-nano")]
    assert "to be pulled" in line
    assert "Apache-2.0" in line
    assert "3.7" in line
    assert "person, bicycle, car … (80)" in line


def test_an_added_model_is_listed_used_by_name_and_removed(cache: Path, model: Path) -> None:
    added = vedette("models", "add", model, "--name", "shop", cache_dir=cache)
    listed = json.loads(vedette("models", "list", "--json", cache_dir=cache).out)
    removed = vedette("models", "remove", "shop", "--json", cache_dir=cache)
    after = json.loads(vedette("models", "list", "--json", cache_dir=cache).out)

    assert (added.code, removed.code) == (0, 0)
    assert "finds person, vehicle" in added.out
    assert "vedette run VIDEO --detector shop" in added.out
    assert listed[0]["name"] == "shop"
    assert listed[0]["state"] == "installed"
    assert listed[0]["labels"] == ["person", "vehicle"]
    assert listed[0]["size_bytes"] == model.stat().st_size
    assert json.loads(removed.out) == {"name": "shop", "state": "removed"}
    assert "shop" not in [row["name"] for row in after]


def test_add_answers_a_program_with_one_object(cache: Path, model: Path) -> None:
    told = vedette("models", "add", model, "--json", cache_dir=cache)

    row = json.loads(told.out)
    assert row["family"] == "yolox"
    assert Path(row["path"]).is_file()


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["pull", "unicorn"], 2, "no model 'unicorn' in the catalog; it has yolox-s"),
        (["remove", "yolox-nano"], 2, "vedette models pull yolox-nano"),
        (["add", "none.onnx"], 2, "none.onnx: no such file"),
        (["add", "{folder}/letter.onnx"], 3, "not an ONNX model"),
        (["add", "{folder}/shop.onnx", "--card", "{folder}/bad.toml"], 2, "'height' must be"),
        (["add", "{folder}/shop.onnx", "--name", "a/b"], 2, "--name a/b"),
    ],
)
def test_mistakes_are_told_in_one_sentence(
    cache: Path, model: Path, tmp_path: Path, words: list[str], code: int, sentence: str
) -> None:
    write_no_onnx(tmp_path / "letter.onnx")
    (tmp_path / "bad.toml").write_text("height = 1")

    told = vedette("models", *[w.format(folder=tmp_path) for w in words], cache_dir=cache)

    assert told.code == code
    assert sentence in told.sentence()
    assert told.out == ""


def test_no_network_leaves_nothing_and_says_how_to_add_by_hand(cache: Path) -> None:
    told = vedette(
        "models", "pull", "yolox-nano", cache_dir=cache,
        VEDETTE_MODELS_URL="http://ann:secret@127.0.0.1:9/m", http_proxy="",
    )  # fmt: skip

    assert told.code == 3
    assert "vedette models add FILE --name yolox-nano" in told.sentence()
    assert "licence Apache-2.0" in told.out
    assert "secret" not in told.out + told.err
    assert [path for path in cache.rglob("*") if path.is_file()] == []
