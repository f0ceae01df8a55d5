"""From raw boxes to detections: the last, shared steps of every family."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from vedette.detectors.letterbox import Letterbox
from vedette.domain.detection import Detections, Float32, Int32, no_detections

# A crowd of more boxes than a person can count on one picture is noise or a mistake in the card.
DETECTIONS_MAX = 300
# Of boxes above the floor only the best go into suppression, so that a model gone wild costs
# milliseconds and not seconds. A street at score >= 0.01 has some hundreds.
CANDIDATES_MAX = 3000
# Boxes compared with each other at once: one step for an ordinary picture, some hundred kB at most.
BLOCK = 128


class RawBoxes(NamedTuple):
    """Boxes of one picture as the model gave them, in no order.

    xyxy float32 (N, 4) in pixels of the model's input; score float32 (N,) in [0, 1]; class_id
    int32 (N,).
    """

    xyxy: Float32
    score: Float32
    class_id: Int32


def finished(
    raw: RawBoxes, letterbox: Letterbox, labels: tuple[str, ...], *, nms_iou: float
) -> Detections:
    """Suppress doubles, go back to source pixels, clip and sort."""
    if not len(raw.score):
        return no_detections(labels)
    order = _strongest_first(raw)
    xyxy, score, class_id = raw.xyxy[order], raw.score[order], raw.class_id[order]
    if nms_iou < 1:
        kept = suppressed(xyxy, class_id, iou_max=nms_iou)
        xyxy, score, class_id = xyxy[kept], score[kept], class_id[kept]
    source = letterbox.to_source(xyxy)
    # A box found wholly in the padding has nothing left of it.
    real = (source[:, 2] > source[:, 0]) & (source[:, 3] > source[:, 1])
    best = np.flatnonzero(real)[:DETECTIONS_MAX]
    return Detections(source[best], score[best], class_id[best], labels)


def suppressed(xyxy: Float32, class_id: Int32, *, iou_max: float) -> npt.NDArray[np.intp]:
    """Give the places of boxes that no stronger box of their class covers, order kept.

    Args:
        xyxy: (N, 4), strongest first.
        class_id: (N,).
        iou_max: Of two boxes with more intersection over union than this, the later one goes.

    Source: greedy suppression as in the Pascal VOC development kit, per class.
    """
    sides = np.ascontiguousarray(xyxy.T)
    waiting = np.arange(len(xyxy))
    kept: list[int] = []
    while len(waiting):
        block, waiting = waiting[:BLOCK], waiting[BLOCK:]
        doubles = _doubles(sides, class_id, block, block, iou_max)
        gone = np.zeros(len(block), np.bool_)
        best = []
        for at in range(len(block)):
            if not gone[at]:
                best.append(at)
                gone |= doubles[at]
        kept += block[best].tolist()
        if len(waiting):
            doubles = _doubles(sides, class_id, block[best], waiting, iou_max)
            waiting = waiting[~doubles.any(axis=0)]
    return np.array(kept, dtype=np.intp)


def _doubles(
    sides: Float32,
    class_id: Int32,
    strong: npt.NDArray[np.intp],
    weak: npt.NDArray[np.intp],
    iou_max: float,
) -> npt.NDArray[np.bool_]:
    """Tell which of `weak` each of `strong` covers: (strong, weak)."""
    x1, y1, x2, y2 = sides[:, strong, None]
    other_x1, other_y1, other_x2, other_y2 = sides[:, None, weak]
    width = np.minimum(x2, other_x2) - np.maximum(x1, other_x1)
    height = np.minimum(y2, other_y2) - np.maximum(y1, other_y1)
    common = np.maximum(width, 0) * np.maximum(height, 0)
    area, other_area = (x2 - x1) * (y2 - y1), (other_x2 - other_x1) * (other_y2 - other_y1)
    # common / union > iou_max, without dividing: a box of no area has no union.
    covered = common > iou_max * (other_area + area - common)
    doubles: npt.NDArray[np.bool_] = covered & (class_id[strong, None] == class_id[weak])
    return doubles


def _strongest_first(raw: RawBoxes) -> npt.NDArray[np.intp]:
    # Equal scores are put in order of their boxes: the answer must not hang on the model's order.
    keys = (*(raw.xyxy[:, side] for side in (3, 2, 1, 0)), -raw.score)
    order: npt.NDArray[np.intp] = np.lexsort(keys)[:CANDIDATES_MAX]
    return order
