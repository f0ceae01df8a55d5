"""What a detector found in one frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Float32 = npt.NDArray[np.float32]
Int32 = npt.NDArray[np.int32]

# What outlives one frame (tracker, zones, counters, pacer, a learned background) is exported as
# plain arrays under names; never pickled.
State = dict[str, np.ndarray]


@dataclass(frozen=True, slots=True, eq=False)
class Detections:
    """Found objects, sorted by confidence from high to low (ties: by box).

    Attributes:
        xyxy: float32 (N, 4): x_min, y_min, x_max, y_max in pixels of the source frame.
        confidence: float32 (N,) in [0, 1].
        class_id: int32 (N,): index into `labels`.
        labels: Name of every class the detector knows.
    """

    xyxy: Float32
    confidence: Float32
    class_id: Int32
    labels: tuple[str, ...]

    def __post_init__(self) -> None:
        count = len(self.xyxy)
        assert self.xyxy.shape == (count, 4), self.xyxy.shape
        assert self.confidence.shape == (count,), self.confidence.shape
        assert self.class_id.shape == (count,), self.class_id.shape
        assert self.xyxy.dtype == np.float32, self.xyxy.dtype
        assert self.confidence.dtype == np.float32, self.confidence.dtype
        assert self.class_id.dtype == np.int32, self.class_id.dtype

    def __len__(self) -> int:
        return len(self.xyxy)

    def take(self, index: npt.NDArray[np.intp] | npt.NDArray[np.bool_]) -> Detections:
        """Give the detections that `index` picks, in its order."""
        return Detections(
            self.xyxy[index], self.confidence[index], self.class_id[index], self.labels
        )

    def of(self, labels: Sequence[str]) -> Detections:
        """Give only the detections with one of `labels`, order kept."""
        wanted = np.array([label in labels for label in self.labels], dtype=np.bool_)
        return self.take(wanted[self.class_id]) if len(wanted) else self


def no_detections(labels: tuple[str, ...]) -> Detections:
    """Give the detections of an empty picture."""
    return Detections(
        np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int32), labels
    )
