"""What must survive of a run: how far it came and what it counted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from vedette.domain.detection import State
from vedette.domain.frame import Frame
from vedette.domain.scene import Counts, Scene


@dataclass(frozen=True, slots=True)
class Limit:
    """Where a run stops by itself.

    Attributes:
        media_s: Frames from this media time on are not taken; None means no end.
        frames: Frames looked at, at most; None means no end.
    """

    media_s: float | None = None
    frames: int | None = None

    def ends_before(self, frame: Frame) -> bool:
        """Tell whether `frame` lies beyond the end."""
        return self.media_s is not None and frame.pts_s >= self.media_s

    def reached(self, looked_at: int) -> bool:
        """Tell whether that many frames are enough."""
        return self.frames is not None and looked_at >= self.frames


class Ledger:
    """Keeps the run's account, frame by frame.

    Attributes:
        looked_at: Frames taken up so far.
        media_s: Media time of the last one; None before the first.
        captured_at: Wall time of the last one, where known.
        counts: Totals after the last one.
    """

    def __init__(self) -> None:
        self.looked_at = 0
        self.media_s: float | None = None
        self.captured_at: datetime | None = None
        self.counts = Counts()

    def add(self, frame: Frame, scene: Scene) -> None:
        """Write down that `frame` was taken up, with what is known after it."""
        self.looked_at += 1
        self.media_s = frame.pts_s
        self.captured_at = frame.captured_at
        self.counts = scene.counts

    def export_state(self) -> State:
        """Give the account as plain arrays; the counts are the analyzer's to keep."""
        media_s = np.nan if self.media_s is None else self.media_s
        captured_s = np.nan if self.captured_at is None else self.captured_at.timestamp()
        return {
            "looked_at": np.array(self.looked_at, np.int64),
            "media_s": np.array(media_s, np.float64),
            "captured_s": np.array(captured_s, np.float64),
        }

    def load_state(self, state: State) -> None:
        """Go on from what `export_state` gave."""
        self.looked_at = int(state["looked_at"])
        media_s = float(state["media_s"])
        self.media_s = None if np.isnan(media_s) else media_s
        captured_s = float(state["captured_s"])
        self.captured_at = None
        if not np.isnan(captured_s):
            self.captured_at = datetime.fromtimestamp(captured_s, UTC)
