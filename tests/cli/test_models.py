"""`vedette models`, as a person or a program uses it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from shell import vedette
from shipped import shipped_in, stand_in, vedette_with
from tiny_onnx import build_person_detector, write_no_onnx
from vedette.detectors.catalog import ShippedModel


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return build_person_detector(tmp_path / "shop.onnx")


@pytest.fixture
def shipped(tmp_path: Path) -> ShippedModel:
    return shipped_in(tmp_path / "shipped")


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
        (["show", "unicorn"], 2, "no model 'unicorn'; see vedette models list"),
        (["show", "yolox-nano", "--card"], 2, "model 'yolox-nano' has no model card"),
        (["show", "yolox-nano", "--card", "--json"], 2, "ask for one of them"),
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


def test_the_list_shows_what_comes_with_vedette_and_what_it_is_for(
    cache: Path, shipped: ShippedModel
) -> None:
    told = vedette_with(shipped, "models", "list", cache_dir=cache)
    rows = json.loads(vedette_with(shipped, "models", "list", "--json", cache_dir=cache).out)

    (line,) = [line for line in told.out.splitlines() if line.startswith(shipped.name)]
    assert "shipped" in line
    assert "person, vehicle" in line
    assert "Apache-2.0" in line
    assert shipped.note[:20] in line
    (row,) = [row for row in rows if row["name"] == shipped.name]
    assert row["state"] == "shipped"
    assert row["path"] == str(shipped.path)


def test_show_tells_all_of_a_model_and_prints_its_model_card(
    cache: Path, shipped: ShippedModel
) -> None:
    page = shipped.folder / "MODEL_CARD.md"

    told = vedette_with(shipped, "models", "show", shipped.name, cache_dir=cache)
    row = json.loads(
        vedette_with(shipped, "models", "show", shipped.name, "--json", cache_dir=cache).out
    )
    card = vedette_with(shipped, "models", "show", shipped.name, "--card", cache_dir=cache)

    assert (told.code, card.code) == (0, 0)
    for words in ("shipped", "person, vehicle", "Apache-2.0", str(shipped.path), str(page)):
        assert words in told.out, words
    assert row["model_card"] == row["card"] == str(page)
    assert card.out == page.read_text(encoding="utf-8")


def test_show_tells_of_a_model_from_where_on_each_label_counts(cache: Path, model: Path) -> None:
    model.with_suffix(".toml").write_text("label_confidence = [0.42, 0.38]")
    vedette("models", "add", model, "--name", "shop", cache_dir=cache)

    own = vedette("models", "show", "shop", cache_dir=cache)
    to_pull = vedette("models", "show", "yolox-nano", cache_dir=cache)

    assert "person from 0.42, vehicle from 0.38" in own.out
    assert "card.toml" in own.out
    assert "to be pulled" in to_pull.out
    assert "from 0.5" in to_pull.out
    assert "not here" in to_pull.out


def test_what_comes_with_vedette_needs_no_pull_and_cannot_be_removed(
    cache: Path, shipped: ShippedModel
) -> None:
    pulled = vedette_with(shipped, "models", "pull", shipped.name, cache_dir=cache)
    removed = vedette_with(shipped, "models", "remove", shipped.name, cache_dir=cache)

    assert pulled.code == 0
    assert "nothing to pull" in pulled.out
    assert removed.code == 2
    assert "comes with Vedette and stays" in removed.sentence()
    assert shipped.path.is_file()


def test_a_damaged_shipped_model_is_named_in_the_list_and_when_it_is_pulled(
    cache: Path, tmp_path: Path
) -> None:
    broken = stand_in(tmp_path / "broken")
    broken.path.write_bytes(b"broken")

    rows = json.loads(vedette_with(broken, "models", "list", "--json", cache_dir=cache).out)
    pulled = vedette_with(broken, "models", "pull", broken.name, cache_dir=cache)

    assert {row["name"]: row["state"] for row in rows}[broken.name] == "damaged"
    assert pulled.code == 2
    assert "install Vedette anew" in pulled.sentence()
