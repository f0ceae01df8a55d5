"""YOLOX as its authors' demo runs it: the reference that ours is measured against.

Written from the demo's description (letterbox at the top left on grey 114, bilinear resize, BGR
bytes as floats; grid decode; score = objectness times the best class; greedy suppression at 0.45)
and importing nothing of Vedette, so that a mistake cannot be in both.

Source: Megvii-BaseDetection/YOLOX, yolox/utils/demo_utils.py and demo/ONNXRuntime.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
import onnxruntime

SIDE_PX = 416
STRIDES = (8, 16, 32)
SCORE_MIN = 0.01
IOU_MAX = 0.45
PAD = 114


class Found(NamedTuple):
    """What was found in a picture: xyxy (N, 4) in its pixels, score (N,), class_id (N,)."""

    xyxy: npt.NDArray[np.float64]
    score: npt.NDArray[np.float64]
    class_id: npt.NDArray[np.int64]


class ReferenceYolox:
    """The published graph in ONNX Runtime, with everything around it done the plain way."""

    def __init__(self, model: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            str(model), options, providers=["CPUExecutionProvider"]
        )
        self._input = self._session.get_inputs()[0].name

    def detect(self, bgr: npt.NDArray[np.uint8]) -> Found:
        """Find objects in a picture, uint8 (H, W, 3)."""
        height, width = bgr.shape[:2]
        scale = min(SIDE_PX / height, SIDE_PX / width)
        small = cv2.resize(
            bgr, (int(width * scale), int(height * scale)), interpolation=cv2.INTER_LINEAR
        )
        canvas = np.full((SIDE_PX, SIDE_PX, 3), PAD, np.uint8)
        canvas[: small.shape[0], : small.shape[1]] = small
        tensor = canvas.transpose(2, 0, 1)[None].astype(np.float32)
        (raw,) = self._session.run(None, {self._input: tensor})
        boxes, scores = _decoded(raw[0].astype(np.float64))
        class_id = scores.argmax(axis=1)
        score = scores.max(axis=1)
        kept = score >= SCORE_MIN
        boxes, score, class_id = boxes[kept] / scale, score[kept], class_id[kept]
        alone = [
            index
            for label in np.unique(class_id)
            for index in _suppressed(boxes, score, np.flatnonzero(class_id == label))
        ]
        order = np.array(sorted(alone, key=lambda index: -score[index]), np.int64)
        limit = np.array([width, height, width, height])
        return Found(np.clip(boxes[order], 0, limit), score[order], class_id[order])


def _decoded(raw: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.float64], ...]:
    row = 0
    boxes = np.zeros((len(raw), 4))
    for stride in STRIDES:
        cells = SIDE_PX // stride
        for y in range(cells):
            for x in range(cells):
                dx, dy, log_w, log_h = raw[row, :4]
                centre = np.array([(x + dx) * stride, (y + dy) * stride])
                half = np.exp([log_w, log_h]) * stride / 2
                boxes[row] = [*(centre - half), *(centre + half)]
                row += 1
    assert row == len(raw), (row, len(raw))
    return boxes, raw[:, 4:5] * raw[:, 5:]


def _suppressed(
    boxes: npt.NDArray[np.float64], score: npt.NDArray[np.float64], rows: npt.NDArray[np.int64]
) -> list[int]:
    waiting = sorted(rows.tolist(), key=lambda row: -score[row])
    kept: list[int] = []
    while waiting:
        best = waiting.pop(0)
        kept.append(best)
        waiting = [row for row in waiting if _iou(boxes[best], boxes[row]) <= IOU_MAX]
    return kept


def _iou(one: npt.NDArray[np.float64], two: npt.NDArray[np.float64]) -> float:
    width = min(one[2], two[2]) - max(one[0], two[0])
    height = min(one[3], two[3]) - max(one[1], two[1])
    if width <= 0 or height <= 0:
        return 0.0
    common = width * height
    areas = (one[2] - one[0]) * (one[3] - one[1]) + (two[2] - two[0]) * (two[3] - two[1])
    return float(common / (areas - common))
