"""Plain geometry of boxes, on arrays."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Float = npt.NDArray[np.float64]


def overlap(a_xyxy: Float, b_xyxy: Float) -> Float:
    """Give intersection over union of every box of one set with every box of another.

    Args:
        a_xyxy: (A, 4).
        b_xyxy: (B, 4).

    Returns:
        (A, B) in [0, 1]; 0 for two boxes of no area.
    """
    low = np.maximum(a_xyxy[:, None, :2], b_xyxy[None, :, :2])
    high = np.minimum(a_xyxy[:, None, 2:], b_xyxy[None, :, 2:])
    side = np.maximum(high - low, 0.0)
    shared = side[..., 0] * side[..., 1]
    union = _area(a_xyxy)[:, None] + _area(b_xyxy)[None, :] - shared
    return np.asarray(shared / np.maximum(union, np.finfo(np.float64).tiny))


def centred(xyxy: Float) -> Float:
    """Give (N, 4) boxes as centre x, centre y, width, height."""
    size = xyxy[:, 2:] - xyxy[:, :2]
    return np.concatenate([xyxy[:, :2] + size / 2, size], axis=1)


def cornered(box: Float) -> Float:
    """Give (N, 4) corners of boxes given as centre x, centre y, width, height."""
    half = box[:, 2:] / 2
    return np.concatenate([box[:, :2] - half, box[:, :2] + half], axis=1)


def bottom_centre(xyxy: Float) -> Float:
    """Give (N, 2): where an object stands."""
    return np.stack([(xyxy[:, 0] + xyxy[:, 2]) / 2, xyxy[:, 3]], axis=1)


def _area(xyxy: Float) -> Float:
    return np.asarray((xyxy[:, 2] - xyxy[:, 0]) * (xyxy[:, 3] - xyxy[:, 1]))
