"""Something that happened at a moment of media time."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class EventType(StrEnum):
    """CloudEvents types; the words the outside sees."""

    TRACK_STARTED = "vedette.track.started"
    TRACK_ENDED = "vedette.track.ended"
    ZONE_ENTERED = "vedette.zone.entered"
    ZONE_LEFT = "vedette.zone.left"
    LINE_CROSSED = "vedette.line.crossed"


@dataclass(frozen=True, slots=True)
class Event:
    """One happening.

    Attributes:
        sequence: Its number in the run, from 0.
        type: What happened.
        frame: Number of the frame in which it was decided.
        pts_s: Media time of that frame, seconds.
        track_id: Whose it is.
        label: The track's class.
        place: Name of the zone or line; None for a track's own events.
        direction: `in` or `out` for a line.
        dwell_s: Seconds spent inside, when a zone is left.
    """

    sequence: int
    type: EventType
    frame: int
    pts_s: float
    track_id: int
    label: str
    place: str | None = None
    direction: str | None = None
    dwell_s: float | None = None
