"""What a person is shown at the end: the sheet of changes, and the words of the verdict."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from training.yard import true_boxes, yard_picture
from vedette.cli.train_told import shown
from vedette.training.judging import Judged
from vedette.training.sheet import contact_sheet

NONE = np.empty((0, 6), np.float32)


def judged(found: np.ndarray) -> Judged:
    return Judged(found, NONE, NONE)


def test_the_sheet_shows_the_pictures_that_changed_most_first(tmp_path: Path) -> None:
    pictures = [yard_picture(number) for number in range(3)]
    all_found = [true_boxes(number) for number in range(3)]
    # The first picture is seen as before, the second lost one object, the third all four.
    after = [judged(all_found[0]), judged(all_found[1][1:]), judged(NONE)]

    differ = contact_sheet(
        pictures, [judged(one) for one in all_found], after, tmp_path / "changes.png",
        count_from=0.5,
    )  # fmt: skip

    sheet = cv2.imread(str(tmp_path / "changes.png"))
    assert differ == 2
    # Two rows of before and after, 480 x 300 each with a line of words above.
    assert sheet.shape == (2 * 324, 2 * 480, 3)
    picture = cv2.resize(pictures[2], (480, 270), interpolation=cv2.INTER_AREA)
    unmarked = np.abs(sheet[24:294, 480:].astype(int) - picture).max()
    marked = np.abs(sheet[24:294, :480].astype(int) - picture).max()
    assert unmarked < 3
    assert marked > 60


def test_weak_detections_are_no_change(tmp_path: Path) -> None:
    weak = true_boxes(0)
    weak[:, 4] = 0.3

    differ = contact_sheet(
        [yard_picture(0)], [judged(weak)], [judged(NONE)], tmp_path / "changes.png", count_from=0.5
    )

    assert differ == 0
    assert not (tmp_path / "changes.png").exists()


def figure(ap50: float) -> dict[str, dict[str, float]]:
    return {"person": {"ap50": ap50, "uncertainty": 0.02, "objects": 90}}


@pytest.mark.parametrize(
    ("gain", "ap50", "verdict"),
    [
        ("better", 0.6, "better on the held-out pictures"),
        ("unclear", 0.51, "no clear gain"),
        ("worse", 0.3, "do not use it"),
        ("worse", 0.01, "finds hardly anything yet"),
    ],
)
def test_the_last_lines_say_whether_to_use_it_and_how(gain: str, ap50: float, verdict: str) -> None:
    lines = shown(
        {
            "name": "gate", "model": "out/gate.onnx", "size_bytes": 2_960_000, "card": "out/C.md",
            "curve": "out/curve.png", "judged": {}, "gain": gain,
            "held_out": {"before": figure(0.5), "after": figure(ap50)},
            "pictures": {"held_out": 40, "learnt_from": 160},
        }
    )  # fmt: skip

    assert verdict in lines
    assert "before     person AP50 0.500 ± 0.020 (90)" in lines
    assert lines.endswith("try it     vedette run SOURCE --detector out/gate.onnx")
