"""From boxes of several looks at one picture to its detections: every object once.

An object on a seam is seen whole by another tile or by the look at the whole picture, and in part
by a tile whose inner edge cuts it. So a whole box wins over whatever it covers of cut ones, and
only where nobody saw the whole are the parts put together.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from vedette.detectors.nms import DETECTIONS_MAX
from vedette.domain.detection import Detections, Float32, Int32, no_detections

# Two whole boxes of one class and of different looks that overlap more are one object. On 79
# labelled pictures 0.45 to 0.55 give the same within 0.005 AP50.
IOU_MAX = 0.5
# A cut box of which whole boxes of another look hold more is a part of their object. 0.3 and 0.5
# give the same there; 0.85 leaves twice as many false people.
COVERED_MAX = 0.5
# Two parts are of one object if along the seam they share more of their length than this.
SHARED_MIN = 0.5
# Of all looks together only the strongest boxes are compared: a model gone wild costs milliseconds.
CANDIDATES_MAX = 1000

Bools = npt.NDArray[np.bool_]


class Look(NamedTuple):
    """What was found in one look, in source pixels.

    `cut` is bool (N, 4): whether the box's left, top, right, bottom is at an inner edge of its
    tile, where the tile ends and the picture goes on.
    """

    found: Detections
    cut: Bools


class _Boxes(NamedTuple):
    """Boxes of all looks, strongest first: xyxy, score, class_id as in `Detections`."""

    xyxy: Float32
    score: Float32
    class_id: Int32
    cut: Bools
    look: npt.NDArray[np.intp]

    def take(self, at: npt.NDArray[np.intp] | Bools) -> _Boxes:
        return _Boxes(self.xyxy[at], self.score[at], self.class_id[at], self.cut[at], self.look[at])


def joined(looks: Sequence[Look], labels: tuple[str, ...]) -> Detections:
    """Give every object once, sorted by confidence; scores and labels are those of its look.

    Args:
        looks: One or more; the same looks in another order give the same boxes.
        labels: The detector's.
    """
    boxes = _sorted(looks)
    is_cut = np.asarray(boxes.cut.any(axis=1), np.bool_)
    whole, cut = boxes.take(~is_cut), boxes.take(is_cut)
    whole = whole.take(_once(whole))
    cut = cut.take(~_explained(cut, whole))
    parts = _put_together(cut)
    xyxy = np.concatenate([whole.xyxy, parts.xyxy])
    score = np.concatenate([whole.score, parts.score])
    class_id = np.concatenate([whole.class_id, parts.class_id])
    if not len(score):
        return no_detections(labels)
    order = _strongest_first(xyxy, score, class_id)[:DETECTIONS_MAX]
    return Detections(xyxy[order], score[order], class_id[order], labels)


def _sorted(looks: Sequence[Look]) -> _Boxes:
    number = [np.full(len(one.found), place, np.intp) for place, one in enumerate(looks)]
    boxes = _Boxes(
        np.concatenate([one.found.xyxy for one in looks]),
        np.concatenate([one.found.confidence for one in looks]),
        np.concatenate([one.found.class_id for one in looks]),
        np.concatenate([one.cut for one in looks]),
        np.concatenate(number),
    )
    return boxes.take(_strongest_first(boxes.xyxy, boxes.score, boxes.class_id)[:CANDIDATES_MAX])


def _strongest_first(xyxy: Float32, score: Float32, class_id: Int32) -> npt.NDArray[np.intp]:
    # Equal scores are put in order of their boxes, so that nothing hangs on the order of looks.
    keys = (class_id, *(xyxy[:, side] for side in (3, 2, 1, 0)), -score)
    order: npt.NDArray[np.intp] = np.lexsort(keys)
    return order


def _once(whole: _Boxes) -> Bools:
    """Tell which whole boxes no stronger one of another look doubles."""
    common, area = _common(whole.xyxy, whole.xyxy), _area(whole.xyxy)
    doubles = common > IOU_MAX * (area[:, None] + area - common)
    doubles &= whole.class_id[:, None] == whole.class_id
    doubles &= whole.look[:, None] != whole.look
    kept = np.ones(len(whole.score), np.bool_)
    for at in range(len(kept)):
        if kept[at]:
            kept[at + 1 :] &= ~doubles[at, at + 1 :]
    return kept


def _explained(cut: _Boxes, whole: _Boxes) -> Bools:
    """Tell which cut boxes lie mostly within a whole one of another look.

    Whatever its label: half a bus is easily taken for a car.
    """
    covered = _common(cut.xyxy, whole.xyxy) > COVERED_MAX * _area(cut.xyxy)[:, None]
    explained: Bools = (covered & (cut.look[:, None] != whole.look)).any(axis=1)
    return explained


def _put_together(cut: _Boxes) -> _Boxes:
    """Give one box per group of parts: all they span, with the score of the strongest."""
    linked = _linked(cut)
    free = np.ones(len(cut.score), np.bool_)
    xyxy, strongest = cut.xyxy.copy(), []
    for first in range(len(free)):
        if not free[first]:
            continue
        free[first] = False
        group = [first]
        for part in group:  # It grows while we go: a part's parts belong to it too.
            more = np.flatnonzero(linked[part] & free)
            free[more] = False
            group += more.tolist()
        xyxy[first, :2] = cut.xyxy[group, :2].min(axis=0)
        xyxy[first, 2:] = cut.xyxy[group, 2:].max(axis=0)
        strongest.append(first)
    return cut._replace(xyxy=xyxy).take(np.array(strongest, np.intp))


def _linked(cut: _Boxes) -> Bools:
    """Tell which cut boxes are parts of one object: doubles, or facing across a seam."""
    common, area = _common(cut.xyxy, cut.xyxy), _area(cut.xyxy)
    doubles = common > IOU_MAX * (area[:, None] + area - common)
    left, top, right, bottom = cut.cut.T
    beside, above = right[:, None] & left, bottom[:, None] & top
    facing = ((beside | beside.T) & (_shared(cut.xyxy, 1) > SHARED_MIN)) | (
        (above | above.T) & (_shared(cut.xyxy, 0) > SHARED_MIN)
    )
    linked: Bools = doubles | (facing & (common > 0))
    linked &= cut.class_id[:, None] == cut.class_id
    linked &= cut.look[:, None] != cut.look
    return linked


def _shared(xyxy: Float32, axis: int) -> Float32:
    """Give intersection over union of all pairs' stretches along one axis (0: x, 1: y)."""
    low, high = xyxy[:, axis], xyxy[:, axis + 2]
    inner = np.minimum(high[:, None], high) - np.maximum(low[:, None], low)
    outer = np.maximum(high[:, None], high) - np.minimum(low[:, None], low)
    shared: Float32 = np.maximum(inner, 0) / np.maximum(outer, np.float32(1e-6))
    return shared


def _area(xyxy: Float32) -> Float32:
    area: Float32 = (xyxy[:, 2] - xyxy[:, 0]) * (xyxy[:, 3] - xyxy[:, 1])
    return area


def _common(ones: Float32, others: Float32) -> Float32:
    """Give the area that each of `ones` has in common with each of `others`."""
    low = np.maximum(ones[:, None, :2], others[None, :, :2])
    high = np.minimum(ones[:, None, 2:], others[None, :, 2:])
    sides = np.maximum(high - low, 0)
    common: Float32 = sides[..., 0] * sides[..., 1]
    return common
