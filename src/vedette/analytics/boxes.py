"""Plain geometry of boxes: on Python's floats, for a picture holds few of them.

A numpy call costs what a dozen additions cost, and three times that when inference has just swept
the processor's caches.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

# x_min, y_min, x_max, y_max.
Corners = tuple[float, float, float, float]

# From here on one numpy call is faster than Python's loop.
LOOP_PAIRS_MAX = 1000
# The smallest area to divide by; what is smaller overlaps nothing.
TINY = float(np.finfo(np.float64).tiny)


def overlap(one: Corners, other: Corners) -> float:
    """Give intersection over union, in [0, 1]; 0 for two boxes of no area."""
    left, top, right, bottom = one
    other_left, other_top, other_right, other_bottom = other
    # Not min and max: a call costs more than all the rest of a line.
    width = (right if right < other_right else other_right) - (
        left if left > other_left else other_left
    )
    height = (bottom if bottom < other_bottom else other_bottom) - (
        top if top > other_top else other_top
    )
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    own_area = (right - left) * (bottom - top)
    other_area = (other_right - other_left) * (other_bottom - other_top)
    return shared / max(own_area + other_area - shared, TINY)


def touching(some: Sequence[Corners], others: Sequence[Corners]) -> list[tuple[int, int]]:
    """Give the places (in `some`, in `others`) of all pairs that share area, in rising order."""
    if len(some) * len(others) > LOOP_PAIRS_MAX:
        return _touching_among_many(some, others)
    return [
        (at, other_at)
        for at, (left, top, right, bottom) in enumerate(some)
        for other_at, (other_left, other_top, other_right, other_bottom) in enumerate(others)
        if left < other_right and other_left < right and top < other_bottom and other_top < bottom
    ]


def _touching_among_many(
    some: Sequence[Corners], others: Sequence[Corners]
) -> list[tuple[int, int]]:
    left, top, right, bottom = np.array(some).T[:, :, None]
    other_left, other_top, other_right, other_bottom = np.array(others).T[:, None, :]
    touch = (left < other_right) & (other_left < right)
    touch &= (top < other_bottom) & (other_top < bottom)
    at, other_at = touch.nonzero()
    return list(zip(at.tolist(), other_at.tolist(), strict=True))
