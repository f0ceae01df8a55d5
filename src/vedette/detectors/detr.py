"""Raw tensors of DETR-like models → boxes: one row per query, no grid, no suppression.

Sources: DETR (Carion et al., 2020), classes with a last entry "no object" under softmax; RT-DETR,
D-FINE and their kin, each class under a sigmoid; boxes as centre and size in [0, 1].
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from vedette.detectors.card import ModelCard, Scores
from vedette.detectors.nms import RawBoxes
from vedette.detectors.yolo import check_finite, check_scores, corners, sigmoid
from vedette.domain.detection import Float32
from vedette.domain.errors import ModelUnreadable


class DetrDecoder:
    """Reads boxes [1, Q, 4] and classes [1, Q, C], or both in one [1, Q, 4 + C]."""

    def __init__(self, card: ModelCard, *, floor: float) -> None:
        self._card = card
        self._floor = np.float32(floor)

    def __call__(
        self, outputs: Sequence[npt.NDArray[np.float32]], canvas: tuple[int, int]
    ) -> RawBoxes:
        """Give the boxes of one picture; arguments and errors as in `YoloxDecoder`."""
        boxes, classes = self._split(outputs)
        best, class_id = self._scored(classes)
        check_scores(best, self._card)
        near = np.flatnonzero(best >= self._floor)
        height, width = canvas
        boxes = boxes[near]
        check_finite(boxes, self._card)
        xyxy = corners(boxes) * np.array([width, height, width, height], np.float32)
        return RawBoxes(xyxy, best[near], class_id[near].astype(np.int32))

    def _split(self, outputs: Sequence[npt.NDArray[np.float32]]) -> tuple[Float32, Float32]:
        labels = len(self._card.labels)
        entries = labels + 1 if self._card.scores is Scores.SOFTMAX else labels
        flat = [one[0] for one in outputs if one.ndim == 3 and one.shape[0] == 1]
        if len(flat) == len(outputs) == 1 and flat[0].shape[1] == 4 + entries:
            return _float32(flat[0][:, :4]), _float32(flat[0][:, 4:])
        if len(flat) == len(outputs) == 2 and len(flat[0]) == len(flat[1]):
            # A model of four classes has two outputs of width 4: then boxes come by the name's
            # usual order, logits first.
            first, second = flat
            if second.shape[1] == 4 and first.shape[1] == entries:
                return _float32(second), _float32(first)
            if first.shape[1] == 4 and second.shape[1] == entries:
                return _float32(first), _float32(second)
        found = ", ".join(str(list(one.shape)) for one in outputs)
        raise ModelUnreadable(
            f"model '{self._card.name}': gives {found} where the card (family detr, {labels} "
            f"labels, scores {self._card.scores}) says [1, Q, 4] and [1, Q, {entries}]; correct "
            f"its card.toml"
        )

    def _scored(self, classes: Float32) -> tuple[Float32, npt.NDArray[np.intp]]:
        if self._card.scores is not Scores.SOFTMAX:
            best = classes.max(axis=1)
            if self._card.scores is Scores.SIGMOID:
                check_finite(best, self._card)
                best = sigmoid(best)
            return best, classes.argmax(axis=1)
        check_finite(classes, self._card)
        weights = np.exp(classes - classes.max(axis=1, keepdims=True))
        real = weights[:, :-1]
        return real.max(axis=1) / weights.sum(axis=1), real.argmax(axis=1)


def _float32(values: npt.NDArray[np.float32]) -> Float32:
    return values.astype(np.float32, copy=False)
