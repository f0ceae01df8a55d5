"""Overlap of boxes, by hand."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from vedette.analytics.boxes import Corners, overlap, touching


def drawn(seed: int, count: int) -> list[Corners]:
    rng = np.random.default_rng(seed)
    low = rng.integers(0, 100, (count, 2))
    sides = rng.integers(0, 30, (count, 2))
    return [
        (float(x), float(y), float(x + width), float(y + height))
        for (x, y), (width, height) in zip(low.tolist(), sides.tolist(), strict=True)
    ]


def test_overlap_is_shared_area_by_united_area() -> None:
    # 10 × 10 and 10 × 10, shifted by 5 in x: 50 shared, 150 united. The third touches, no more.
    one = (0.0, 0.0, 10.0, 10.0)

    assert overlap(one, (5, 0, 15, 10)) == 50 / 150
    assert overlap(one, (0, 0, 10, 10)) == 1.0
    assert overlap(one, (10, 0, 20, 10)) == 0.0
    assert overlap(one, (2, 2, 4, 7)) == 10 / 100


def test_boxes_of_no_area_overlap_nothing() -> None:
    point = (3.0, 3.0, 3.0, 3.0)

    assert overlap(point, point) == 0.0


@given(st.integers(0, 2**32 - 1))
def test_overlap_is_symmetric(seed: int) -> None:
    one, other = drawn(seed, 2)

    assert overlap(one, other) == overlap(other, one)


@given(st.integers(0, 2**32 - 1), st.sampled_from([1, 5, 40]))
def test_those_that_touch_are_those_that_overlap_however_many_there_are(
    seed: int, count: int
) -> None:
    some, others = drawn(seed, count), drawn(seed + 1, count + 2)

    expected = [
        (at, other_at)
        for at, one in enumerate(some)
        for other_at, other in enumerate(others)
        if overlap(one, other) > 0
    ]
    flat = {
        at for at, (left, top, right, bottom) in enumerate(some) if left == right or top == bottom
    }
    flat_others = {
        at for at, (left, top, right, bottom) in enumerate(others) if left == right or top == bottom
    }
    assert expected == [
        (at, other_at)
        for at, other_at in touching(some, others)
        if at not in flat and other_at not in flat_others
    ]
