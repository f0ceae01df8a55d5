"""The door of the detectors: frames in, detections out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from vedette.domain.detection import Detections, State
from vedette.domain.frame import Frame


class Detector(ABC):
    """Finds objects in frames.

    Attributes:
        name: The model's name, for people.
        labels: Name of every class it can find; `Detections.class_id` points into it.
        confidence: The confidence from which a detection counts, unless the user says otherwise.
        label_confidence: Likewise for each of `labels`, in their order; empty where `confidence`
            holds for all of them.
        keeps_state: True where the answer depends on earlier frames. Such a detector belongs to
            one source, gets its frames one by one in order, and its state is checkpointed. Others
            may be shared by all sources and called from many threads at once.
    """

    name: str
    labels: tuple[str, ...]
    confidence: float
    label_confidence: tuple[float, ...] = ()
    keeps_state: bool = False

    @abstractmethod
    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """Find objects in a batch of frames.

        Args:
            frames: One or more frames; their pixels are asked for at the model's size. Read only,
                not kept after return.

        Returns:
            One `Detections` per frame, in order, each sorted by confidence from high to low. Weak
            ones (down to a floor of about 0.1) are there too: the tracker follows with them.

        Raises:
            DetectorError: the model gave no usable answer.
        """

    def export_state(self) -> State:
        """Give all it remembers as plain arrays, copied; empty for one that remembers nothing."""
        return {}

    def load_state(self, state: State) -> None:
        """Go on from what `export_state` gave."""
        assert not state, f"{self.name} keeps no state"

    def close(self) -> None:  # noqa: B027  (most have nothing to free)
        """Free what it holds; may be called twice."""
