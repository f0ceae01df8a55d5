"""Raw tensors of the YOLO families → boxes.

Each decoder throws away what cannot reach the floor before it does any real work: of thousands of
cells some dozens are left, so decoding costs a hundredth of the inference.

Sources: YOLOX head, Megvii-BaseDetection/YOLOX (Apache-2.0) yolox/models/yolo_head.py and
yolox/utils/demo_utils.py; YOLOv8 head, the layout `[1, 4 + classes, anchors]` of its ONNX export.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from vedette.detectors.card import ModelCard, Scores
from vedette.detectors.nms import RawBoxes
from vedette.domain.detection import Float32
from vedette.domain.errors import DetectorError, ModelUnreadable

# Input sizes whose grids are remembered: one per shape of picture among the sources.
GRIDS_MAX = 16
# Beyond this a number is no score but a logit, and the card is wrong. (Rounding may pass 1.)
SCORE_MAX = 1.01

# Of each cell: its column and row, its pixels, and half of them; (A, 4).
Grid = Float32


class YoloxDecoder:
    """Reads `[1, A, 5 + classes]`: x, y offsets in cells, log width, height, objectness, scores."""

    def __init__(self, card: ModelCard, *, floor: float) -> None:
        self._card = card
        self._floor = np.float32(floor)
        self._grids: dict[tuple[int, int], Grid] = {}

    def __call__(
        self, outputs: Sequence[npt.NDArray[np.float32]], canvas: tuple[int, int]
    ) -> RawBoxes:
        """Give the boxes of one picture.

        Args:
            outputs: What the model gave.
            canvas: Height and width of the input it was given.

        Raises:
            DetectorError: numbers that are not finite, or scores that are none.
            ModelUnreadable: tensors of another shape.
        """
        grid = self._grid(canvas)
        rows = one_picture(outputs, self._card, (len(grid), 5 + len(self._card.labels)))
        # Brought together once: of every row it is a cache line of its own.
        objectness = self._made_scores(np.ascontiguousarray(rows[:, 4]))
        near = (~(objectness < self._floor)).nonzero()[0]  # With those that are NaN.
        if not len(near):
            return RawBoxes(np.zeros((0, 4), np.float32), objectness[near], near.astype(np.int32))
        rows, objectness = rows[near], objectness[near]
        classes = rows[:, 5:]
        class_id, best = classes.argmax(axis=1), self._made_scores(classes.max(axis=1))
        check_scores(objectness, self._card)
        check_scores(best, self._card)
        score = objectness * best
        strong = (score >= self._floor).nonzero()[0]
        rows, cells = rows[strong], grid[near[strong]]
        with np.errstate(over="ignore", invalid="ignore"):  # What overflows is found just below.
            centre = (rows[:, 0:2] + cells[:, 0:2]) * cells[:, 2:3]
            half = np.exp(rows[:, 2:4]) * cells[:, 3:4]
            xyxy = np.concatenate([centre - half, centre + half], axis=1)
        check_finite(xyxy, self._card)
        return RawBoxes(xyxy, score[strong], class_id[strong].astype(np.int32))

    def _made_scores(self, values: Float32) -> Float32:
        return sigmoid(values) if self._card.scores is Scores.SIGMOID else values

    def _grid(self, canvas: tuple[int, int]) -> Grid:
        grid = self._grids.get(canvas)
        if grid is None:
            if len(self._grids) >= GRIDS_MAX:
                self._grids.clear()
            # Two threads may both make it; they make the same.
            grid = self._grids[canvas] = cell_grid(canvas, self._card.strides)
        return grid


class Yolov8Decoder:
    """Reads `[1, 4 + classes, A]`: centre x, y, width, height in input pixels, class scores."""

    def __init__(self, card: ModelCard, *, floor: float) -> None:
        self._card = card
        self._floor = np.float32(floor)

    def __call__(
        self, outputs: Sequence[npt.NDArray[np.float32]], canvas: tuple[int, int]
    ) -> RawBoxes:
        """Give the boxes of one picture; arguments and errors as in `YoloxDecoder`."""
        anchors = cell_count(canvas, self._card.strides)
        columns = one_picture(outputs, self._card, (4 + len(self._card.labels), anchors))
        scores = columns[4:]
        if self._card.scores is Scores.SIGMOID:
            scores = sigmoid(scores)
        best = scores.max(axis=0)
        check_scores(best, self._card)
        near = np.flatnonzero(best >= self._floor)
        class_id = scores[:, near].argmax(axis=0).astype(np.int32)
        centre_size = np.ascontiguousarray(columns[:4, near].T)
        check_finite(centre_size, self._card)
        return RawBoxes(corners(centre_size), best[near], class_id)


def cell_count(canvas: tuple[int, int], strides: Sequence[int]) -> int:
    """Give the number of cells over all grids of an input of `canvas` (height, width)."""
    return sum((canvas[0] // stride) * (canvas[1] // stride) for stride in strides)


def cell_grid(canvas: tuple[int, int], strides: Sequence[int]) -> Grid:
    """Give the cells of all grids in the head's order."""
    cells = []
    for stride in strides:
        rows, columns = canvas[0] // stride, canvas[1] // stride
        y, x = np.mgrid[0:rows, 0:columns]
        size = np.full(x.size, stride)
        cells.append(np.stack([x.ravel(), y.ravel(), size, size / 2], axis=1))
    return np.concatenate(cells).astype(np.float32)


def corners(centre_size: Float32) -> Float32:
    """Give x_min, y_min, x_max, y_max of centre x, y, width, height; (N, 4) both."""
    half = centre_size[:, 2:4] / 2
    return np.concatenate([centre_size[:, :2] - half, centre_size[:, :2] + half], axis=1)


def sigmoid(logits: Float32) -> Float32:
    """Give 1 / (1 + e^-x) without overflow."""
    scores: Float32 = 0.5 * (1 + np.tanh(logits * np.float32(0.5)))
    return scores


def one_picture(
    outputs: Sequence[npt.NDArray[np.float32]], card: ModelCard, shape: tuple[int, int]
) -> Float32:
    """Give the one output's only picture, as float32 of `shape`.

    Raises:
        ModelUnreadable: it has another shape than the card says.
    """
    if len(outputs) != 1 or outputs[0].shape != (1, *shape):
        found = ", ".join(str(list(one.shape)) for one in outputs)
        raise ModelUnreadable(
            f"model '{card.name}': gives {found} where the card (family {card.family}, "
            f"{len(card.labels)} labels) says {[1, *shape]}; correct its card.toml"
        )
    rows: Float32 = outputs[0][0]
    return rows if rows.dtype == np.float32 else rows.astype(np.float32)


def check_finite(values: Float32, card: ModelCard) -> None:
    """Refuse numbers that are no numbers.

    Raises:
        DetectorError: there is one.
    """
    if not np.isfinite(values).all():
        raise DetectorError(
            f"model '{card.name}': its answer holds numbers that are not finite (NaN or infinity); "
            f"the file is damaged or was exported wrongly"
        )


def check_scores(scores: Float32, card: ModelCard) -> None:
    """Refuse scores that are none.

    Minus infinity passes: it is the logarithm of nought, and reaches no floor.

    Raises:
        DetectorError: one is NaN, or far above 1.
    """
    if not len(scores):
        return
    highest = scores.max()  # NaN spreads through max.
    if not highest <= SCORE_MAX:
        check_finite(scores, card)
        raise DetectorError(
            f"model '{card.name}': scores up to {highest:.4g} are no scores in 0..1; "
            f'set scores = "sigmoid" (or another family) in its card.toml'
        )
