"""Overlap of boxes, by hand."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from vedette.analytics.boxes import bottom_centre, centred, cornered, overlap


def test_overlap_is_shared_area_by_united_area() -> None:
    # 10 × 10 and 10 × 10, shifted by 5 in x: 50 shared, 150 united. The third touches, no more.
    a = np.array([[0.0, 0, 10, 10]])
    b = np.array([[5.0, 0, 15, 10], [0, 0, 10, 10], [10, 0, 20, 10], [2, 2, 4, 7]])

    assert overlap(a, b).tolist() == [[50 / 150, 1.0, 0.0, 10 / 100]]


def test_boxes_of_no_area_overlap_nothing() -> None:
    point = np.array([[3.0, 3, 3, 3]])

    assert overlap(point, point).tolist() == [[0.0]]


@given(st.integers(0, 2**32 - 1))
def test_overlap_is_symmetric_and_does_not_depend_on_what_else_is_there(seed: int) -> None:
    rng = np.random.default_rng(seed)
    low = rng.uniform(0, 100, (7, 2))
    boxes = np.concatenate([low, low + rng.uniform(1, 80, (7, 2))], axis=1)

    whole = overlap(boxes, boxes)

    assert (whole == whole.T).all()
    assert (whole[2:5, 1:3] == overlap(boxes[2:5], boxes[1:3])).all()
    assert (np.diag(whole) > 1 - 1e-12).all()


def test_corners_become_a_centre_with_a_size_and_back() -> None:
    corners = np.array([[10.0, 20, 30, 80]])

    assert centred(corners).tolist() == [[20, 50, 20, 60]]
    assert cornered(centred(corners)).tolist() == corners.tolist()
    assert bottom_centre(corners).tolist() == [[20, 80]]
