"""A box goes around what is seen of somebody behind something."""

from __future__ import annotations

import numpy as np
import pytest

from vedette.training.hiding import COVERED, cover_one, cut_hidden
from vedette.training.pictures import DOUBTFUL_FROM, OBJECT_FROM, Boxes

SURE = 0.9
BLUE, RED = (255, 0, 0), (0, 0, 255)


def boxes(*sides: tuple[float, float, float, float]) -> Boxes:
    return np.array([[*one, SURE, 0] for one in sides], np.float32)


@pytest.mark.parametrize(
    ("by", "seen"),
    [
        ((90, 140, 210, 230), (100, 100, 200, 140)),  # A table before the legs.
        ((90, 90, 210, 130), (100, 130, 200, 200)),
        ((60, 90, 150, 210), (150, 100, 200, 200)),
        ((160, 90, 250, 210), (100, 100, 160, 200)),
        ((105, 150, 195, 230), (100, 100, 200, 150)),  # Slivers beside it tell nobody.
        ((120, 140, 180, 230), (100, 100, 200, 200)),  # Something thin, before the middle.
        ((110, 120, 190, 150), (100, 100, 200, 200)),  # Held in front.
        ((300, 300, 400, 400), (100, 100, 200, 200)),
    ],
)
def test_a_box_ends_where_what_hides_it_begins(
    by: tuple[int, int, int, int], seen: tuple[int, int, int, int]
) -> None:
    (left,) = cut_hidden(boxes((100, 100, 200, 200)), by)

    assert tuple(left[:4]) == seen
    assert left[4] == pytest.approx(SURE)


def test_of_whom_little_is_seen_nobody_is_sure_and_whom_nobody_sees_is_gone() -> None:
    (doubtful,) = cut_hidden(boxes((100, 100, 200, 200)), (90, 125, 210, 230))
    gone = cut_hidden(boxes((100, 100, 200, 200)), (90, 105, 210, 230))

    assert DOUBTFUL_FROM < doubtful[4] < OBJECT_FROM
    assert tuple(doubtful[:4]) == (100, 100, 200, 125)
    assert len(gone) == 0


def test_what_is_covered_is_labelled_as_it_is_seen() -> None:
    from_below = 0
    for number in range(200):
        canvas = np.full((240, 320, 3), 114, np.uint8)
        canvas[60:180, 120:180] = BLUE
        (box,) = cover_one(
            np.random.default_rng(number), canvas, boxes((120, 60, 180, 180)), sure=0.5,
            filling=lambda height, width: np.full((height, width, 3), RED, np.float32),
        )  # fmt: skip

        rows, columns = np.nonzero((canvas == BLUE).all(axis=2))
        seen = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        assert np.abs(box[:4] - seen).max() <= 1, number
        left = (box[2] - box[0]) * (box[3] - box[1]) / (60 * 120)
        assert 1 - COVERED[1] - 0.02 <= left <= 1 - COVERED[0] + 0.02
        from_below += box[3] < 180

    assert 120 < from_below < 160


def test_whom_nobody_is_sure_of_is_not_covered() -> None:
    canvas = np.full((240, 320, 3), 114, np.uint8)
    unsure = boxes((120, 60, 180, 180))
    unsure[:, 4] = 0.4

    kept = cover_one(
        np.random.default_rng(1), canvas, unsure, sure=0.5,
        filling=lambda height, width: np.zeros((height, width, 3), np.float32),
    )  # fmt: skip

    assert (canvas == 114).all()
    assert tuple(kept[0, :4]) == (120, 60, 180, 180)
