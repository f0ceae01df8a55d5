"""An encoded picture as a source hands it out, before anybody decoded it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from fractions import Fraction


@dataclass(frozen=True, slots=True, eq=False)
class Packet:
    """One encoded picture, or the flush that ends a source.

    Attributes:
        payload: The encoded picture in the form the source's own decoder takes (PyAV's packet);
            opaque to everybody else. None in the flush.
        pts: Presentation time in `time_base` units; None where the stream gives none.
        dts: Decoding time, likewise. Every later packet of the stream has a `pts` of at least it.
        time_base: Seconds per unit.
        restarts: Decoding can begin here and all pictures from here on are exact, and no picture
            after it is shown before one ahead of it (H.264 and HEVC: IDR only).
        shown: False where the container says the picture is only for reference (edit lists).
        size_bytes: Length of the encoded picture.
        captured_at: Wall time (UTC) of its arrival (live), else None.
        arrived_mono_s: Monotonic time of its arrival (live), else None; tells how late we are.
        lost_before: Pictures right before it that its reader should have had, and was too slow for.
    """

    payload: object | None
    pts: int | None
    dts: int | None
    time_base: Fraction
    restarts: bool
    shown: bool
    size_bytes: int
    captured_at: datetime | None = None
    arrived_mono_s: float | None = None
    lost_before: int = 0

    @property
    def is_flush(self) -> bool:
        """True for the last packet of a source, which pushes out what the decoder still holds."""
        return self.payload is None


class Action(Enum):
    """What to do with a packet (and with those held before it)."""

    HOLD = "hold"
    """Keep it encoded."""
    FEED = "feed"
    """Decode it because later pictures refer to it; no pixels leave the decoder."""
    LOOK = "look"
    """Decode up to the wished pictures and hand those out."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the pacer says of a packet.

    Attributes:
        action: See `Action`.
        wishes: PTS of the pictures to hand out, of this packet or of packets held before it;
            None means every picture.
        late: Where this packet's picture becomes no frame, it is because we are behind (live).
    """

    action: Action
    wishes: frozenset[int] | None = frozenset()
    late: bool = False


LOOK_AT_ALL = Verdict(Action.LOOK, wishes=None)
HOLD = Verdict(Action.HOLD)
FEED = Verdict(Action.FEED)
HOLD_LATE = Verdict(Action.HOLD, late=True)
FEED_LATE = Verdict(Action.FEED, late=True)
