"""How a run tells how far it is: a bar for people, plain lines where there is no terminal."""

from __future__ import annotations

import sys
import time
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Self

from vedette.cli.wording import clock_text, counts_text

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

    from vedette.domain.frame import Frame
    from vedette.domain.scene import Scene
    from vedette.domain.stream import StreamFacts

# Ten times a second looks alive and costs nothing.
BAR_PERIOD_S = 0.1
# A log that somebody reads later wants few lines.
LINE_PERIOD_S = 5.0
# The speed shown is that of the last few seconds, not of the whole run.
SPEED_WINDOW_S = 3.0


class Progress(ABC):
    """Tells how far a run is, on standard error."""

    period_s: float

    def __init__(self) -> None:
        self._facts: StreamFacts | None = None
        self._looked_at = 0
        self._told_s = time.monotonic()
        self._window: tuple[float, int] = (self._told_s, 0)
        self._speed = 0.0

    def note(self, text: str) -> None:
        """Say one thing that a person should know."""
        print(f"vedette: {text}", file=sys.stderr)

    def opened(self, facts: StreamFacts) -> None:
        """Begin: the stream is known."""
        self._facts = facts
        self._told_s = time.monotonic()
        self._window = (self._told_s, 0)

    def watch(self, frame: Frame, scene: Scene) -> None:
        """Take note of one frame; tells something once per period."""
        self._looked_at += 1
        now_s = time.monotonic()
        if now_s - self._told_s < self.period_s and self._looked_at > 1:
            return
        since_s, looked_at = self._window
        if now_s - since_s > 0:
            self._speed = (self._looked_at - looked_at) / (now_s - since_s)
        if now_s - since_s > SPEED_WINDOW_S:
            self._window = (now_s, self._looked_at)
        self._told_s = now_s
        self._tell(frame, scene)

    @abstractmethod
    def _tell(self, frame: Frame, scene: Scene) -> None: ...

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def _end(self) -> None:  # noqa: B027  (most leave nothing on the screen)
        """Leave the cursor on a fresh line."""


class Quiet(Progress):
    """Tells nothing, for programs."""

    period_s = float("inf")

    def note(self, text: str) -> None:
        """Say nothing."""

    def _tell(self, frame: Frame, scene: Scene) -> None:
        """Say nothing."""


class Lines(Progress):
    """A plain line now and then."""

    period_s = LINE_PERIOD_S

    def _tell(self, frame: Frame, scene: Scene) -> None:
        assert self._facts is not None
        total_s = self._facts.duration_s
        place = clock_text(frame.pts_s) + (f" of {clock_text(total_s)}" if total_s else "")
        told = f"{self._facts.name}: {place}"
        if self._looked_at > 1:
            told += f", {self._speed:.1f} pictures/s"
        print(f"{told}, {counts_text(scene.counts)}", file=sys.stderr, flush=True)


class Bar(Progress):
    """A bar with place, speed and counts."""

    period_s = BAR_PERIOD_S

    def __init__(self) -> None:
        super().__init__()
        self._bar: RichProgress | None = None
        self._task: TaskID | None = None

    def opened(self, facts: StreamFacts) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, SpinnerColumn, TextColumn
        from rich.progress import Progress as RichProgress

        super().opened(facts)
        self._bar = RichProgress(
            SpinnerColumn() if facts.duration_s is None else BarColumn(bar_width=30),
            TextColumn("{task.fields[place]}", markup=False),
            TextColumn("{task.fields[speed]}", style="cyan", markup=False),
            TextColumn("{task.fields[counts]}", markup=False),
            console=Console(stderr=True),
            transient=True,
        )
        self._task = self._bar.add_task("", total=facts.duration_s, place="", speed="", counts="")
        self._bar.start()

    def _tell(self, frame: Frame, scene: Scene) -> None:
        assert self._facts is not None and self._bar is not None and self._task is not None
        total_s = self._facts.duration_s
        place = clock_text(frame.pts_s) + (f" / {clock_text(total_s)}" if total_s else "")
        self._bar.update(
            self._task,
            completed=frame.pts_s,
            place=place,
            speed=f"{self._speed:.0f} pictures/s" if self._speed else "",
            counts=counts_text(scene.counts),
        )

    def _end(self) -> None:
        if self._bar is not None:
            self._bar.stop()


def make_progress(*, quiet: bool) -> Progress:
    """Choose how to tell: nothing, a bar on a terminal, lines elsewhere."""
    if quiet:
        return Quiet()
    return Bar() if sys.stderr.isatty() else Lines()
