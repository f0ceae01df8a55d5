"""Detections played back from a file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pictures import ArrayFrame, grey_picture
from vedette.detectors.scripted import read_script
from vedette.domain.errors import BadInput


def found(label: str, confidence: float, *box: float) -> dict[str, object]:
    return {
        "label": label,
        "confidence": confidence,
        **dict(zip(("x1", "y1", "x2", "y2"), box, strict=True)),
    }


def script(folder: Path, *rows: object) -> Path:
    path = folder / "script.jsonl"
    path.write_text("".join(json.dumps(row) + "\n\n" for row in rows), encoding="utf-8")
    return path


def test_each_frame_gets_its_line_and_others_nothing(tmp_path: Path) -> None:
    person, car = found("person", 0.4, 1, 2, 3, 4), found("car", 0.9, 5, 6, 7, 8)
    detector = read_script(script(tmp_path, {"frame": 3, "objects": [person, car]}))
    frames = [ArrayFrame(grey_picture(64, 48), number=number) for number in (2, 3)]

    before, there = detector.detect(frames)

    assert detector.labels == ("car", "person")
    assert len(before) == 0
    assert there.xyxy.tolist() == [[5, 6, 7, 8], [1, 2, 3, 4]]
    assert there.class_id.tolist() == [0, 1]


@pytest.mark.parametrize(
    "row",
    [
        {"objects": []},
        {"frame": -1, "objects": []},
        {"frame": 1, "objects": [{"label": "person"}]},
        {"frame": 1, "objects": [found("person", 2.0, 1, 2, 3, 4)]},
        {"frame": 1, "objects": [found("person", 0.5, 1, 2, float("nan"), 4)]},
        [1],
    ],
)
def test_a_line_that_cannot_be_is_named(tmp_path: Path, row: object) -> None:
    with pytest.raises(BadInput, match=r"script\.jsonl, line 3"):
        read_script(script(tmp_path, {"frame": 0, "objects": []}, row))


def test_a_missing_script_is_told(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot be read"):
        read_script(tmp_path / "none.jsonl")
