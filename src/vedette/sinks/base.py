"""The door of the sinks: frames and scenes leave here."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter

from vedette.domain.frame import Frame
from vedette.domain.scene import Scene
from vedette.domain.stream import StreamFacts


class Sink(ABC):
    """Takes frames with their scenes out of the system.

    Life: `open`, any number of `write`, then `finish` or `discard` (each may come at once after
    `open`). One thread at a time.

    Attributes:
        name: For people: `annotated video`, `predictions`.
        target: Where it writes, for people; a path, or `-` for standard output.
        slow: True where a write costs as much as the analysis of a frame (encoding): it then gets
            a thread of its own.
        awaits_reader: True where whoever reads sets the pace, and may stand still: somebody who
            stops the run does not wait for that.
    """

    name: str
    target: str
    slow: bool = False
    awaits_reader: bool = False

    @property
    def dropped(self) -> Counter[str]:
        """Frames that a live source left out to stay live, by target."""
        return Counter()

    @abstractmethod
    def open(self, facts: StreamFacts) -> None:
        """Make ready; nothing appears under the target's name yet, but for a live line format.

        Raises:
            SinkRefused: the place cannot be written; says why.
        """

    @abstractmethod
    def write(self, frame: Frame, scene: Scene) -> None:
        """Take one frame, in order; `frame` is read only and not kept after return.

        Raises:
            SinkRefused: the place is full or gone.
        """

    @abstractmethod
    def finish(self) -> None:
        """Complete the output and let it appear, whole, under its name."""

    @abstractmethod
    def discard(self) -> None:
        """Leave nothing behind (a live line format keeps its whole lines); never raises."""

    def let_go(self) -> None:  # noqa: B027  # Most sinks wait for nobody.
        """End a `write` that waits for its reader (SinkUnavailable); from any thread."""
