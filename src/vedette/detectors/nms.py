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
# Up to here plain floats are faster than arrays: a picture of a street has some two dozen boxes.
LOOP_MAX = 64


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
    order = _best_of_few(raw, nms_iou) if len(raw.score) <= LOOP_MAX else _best(raw, nms_iou)
    source = letterbox.to_source(raw.xyxy[order])
    # A box found wholly in the padding has nothing left of it.
    real = source[:, 2:] > source[:, :2]
    if len(order) > DETECTIONS_MAX or not real.all():
        best = np.flatnonzero(real.all(axis=1))[:DETECTIONS_MAX]
        source, order = source[best], order[best]
    return Detections(source, raw.score[order], raw.class_id[order], labels)


def _best(raw: RawBoxes, nms_iou: float) -> npt.NDArray[np.intp]:
    """Give the places of the boxes that no stronger one covers, strongest first."""
    # Equal scores are put in order of their boxes: the answer must not hang on the model's order.
    x1, y1, x2, y2 = raw.xyxy.T
    order: npt.NDArray[np.intp] = np.lexsort((y2, x2, y1, x1, -raw.score))[:CANDIDATES_MAX]
    if nms_iou >= 1:
        return order
    return order[suppressed(raw.xyxy[order], raw.class_id[order], iou_max=nms_iou)]


def _best_of_few(raw: RawBoxes, nms_iou: float) -> npt.NDArray[np.intp]:
    """Give what `_best` gives, on plain floats."""
    boxes, scores, class_id = raw.xyxy.tolist(), raw.score.tolist(), raw.class_id.tolist()
    order = sorted(range(len(scores)), key=lambda at: (-scores[at], boxes[at]))
    if nms_iou < 1:
        kept = _suppressed_one_by_one(
            [boxes[at] for at in order], [class_id[at] for at in order], nms_iou
        )
        order = [order[at] for at in kept]
    return np.array(order, dtype=np.intp)


def suppressed(xyxy: Float32, class_id: Int32, *, iou_max: float) -> npt.NDArray[np.intp]:
    """Give the places of boxes that no stronger box of their class covers, order kept.

    Args:
        xyxy: (N, 4), strongest first.
        class_id: (N,).
        iou_max: Of two boxes with more intersection over union than this, the later one goes.

    Source: greedy suppression as in the Pascal VOC development kit, per class.
    """
    # Worked out in float64 either way, so that it does not matter how many there are.
    if len(xyxy) > LOOP_MAX:
        return np.array(_suppressed_by_blocks(xyxy, class_id, iou_max), dtype=np.intp)
    kept = _suppressed_one_by_one(xyxy.tolist(), class_id.tolist(), iou_max)
    return np.array(kept, dtype=np.intp)


def _suppressed_one_by_one(
    boxes: list[list[float]], class_id: list[int], iou_max: float
) -> list[int]:
    kept: list[int] = []
    kept_of: dict[int, list[tuple[float, float, float, float, float]]] = {}
    for at, ((x1, y1, x2, y2), label) in enumerate(zip(boxes, class_id, strict=True)):
        area = (x2 - x1) * (y2 - y1)
        stronger = kept_of.setdefault(label, [])
        for other_x1, other_y1, other_x2, other_y2, other_area in stronger:
            # Not min and max: a call costs more than all the rest of a line.
            width = (x2 if x2 < other_x2 else other_x2) - (x1 if x1 > other_x1 else other_x1)
            height = (y2 if y2 < other_y2 else other_y2) - (y1 if y1 > other_y1 else other_y1)
            if width > 0 and height > 0:
                common = width * height
                if common > iou_max * (area + other_area - common):
                    break
        else:
            kept.append(at)
            stronger.append((x1, y1, x2, y2, area))
    return kept


def _suppressed_by_blocks(xyxy: Float32, class_id: Int32, iou_max: float) -> list[int]:
    sides = np.ascontiguousarray(xyxy.T, dtype=np.float64)
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
    return kept


def _doubles(
    sides: npt.NDArray[np.float64],
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
