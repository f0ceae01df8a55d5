"""`vedette run --tiles` as a person uses it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from shell import vedette
from tiny_onnx import build_person_detector

# Each starts the program a few times, which takes a second or two each on a machine at rest.

STREET = "synthetic://street?people=3&vehicles=1&seed=5&seconds=2&fps=10&width=640&height=360"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return build_person_detector(tmp_path / "tiny.onnx")


def test_rows_do_not_depend_on_how_many_threads_look(model: Path, tmp_path: Path) -> None:
    rows = []
    for workers, tiles in (("1", ["--tiles", "2x2"]), ("3", ["--tiles", "2x2"]), ("2", [])):
        out = tmp_path / f"{workers}.jsonl"
        told = vedette(
            "run", STREET, "--detector", model, "--predictions", out, *tiles,
            cache_dir=tmp_path / "cache", VEDETTE_WORKERS=workers,
        )  # fmt: skip
        assert told.code == 0, told.err
        rows.append(out.read_bytes())

    assert rows[0] == rows[1]
    assert rows[0].count(b"\n") == rows[2].count(b"\n") == 20
    assert rows[0] != rows[2]


def test_the_summary_tells_what_tiles_cost(model: Path, tmp_path: Path) -> None:
    words = ("run", STREET, "--detector", model, "--limit", "4f")

    text = vedette(*words, "--tiles", "3x2", cache_dir=tmp_path / "cache")
    machine = vedette(*words, "--tiles", "3x2", "--json", cache_dir=tmp_path / "cache")
    without = vedette(*words, "--json", cache_dir=tmp_path / "cache")

    told = r"tiles 3x2: 7 looks per frame; tiles took [6-9]\d % of the detector's time"
    assert re.search(told, text.out), text.out
    assert "enlarged 1.8 times" in text.err
    tiles = json.loads(machine.out)["tiles"]
    assert (tiles["grid"], tiles["looks_per_frame"]) == ("3x2", 7)
    assert 0.6 < tiles["time_share"] < 0.95
    assert json.loads(without.out)["tiles"] is None


@pytest.mark.parametrize(
    ("tiles", "detector", "what"),
    [
        ("2", "tiny", "write columns x rows, such as 2x2"),
        ("9x9", "tiny", "at most 16"),
        ("1x1", "tiny", "one tile is the whole picture"),
        ("2x2", "motion", "motion detector looks at whole pictures only"),
        ("4x4", "tiny", "enlarged 2.3 times"),
        ("1x2", "tiny", "no larger than in one look"),
    ],
)
def test_tiles_that_cannot_be_are_the_callers_mistake(
    tiles: str, detector: str, what: str, model: Path, tmp_path: Path
) -> None:
    out = tmp_path / "rows.jsonl"

    told = vedette(
        "run", STREET, "--detector", model if detector == "tiny" else detector,
        "--tiles", tiles, "--predictions", out, cache_dir=tmp_path / "cache",
    )  # fmt: skip

    assert told.code == 2, told.err
    assert what in told.sentence()
    assert not out.exists()
