"""Something that happened: to what is seen, or to the camera that sees it."""

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
    CAMERA_OFFLINE = "vedette.camera.offline"
    CAMERA_ONLINE = "vedette.camera.online"


@dataclass(frozen=True, slots=True)
class Event:
    """One happening.

    Attributes:
        sequence: Its number in the run, from 0. A store numbers anew: it also has what happened
            while there was no frame.
        type: What happened.
        frame: Number of the frame in which it was decided; None for what happened to the camera.
        pts_s: Media time of that frame, seconds.
        track_id: Whose it is; None for what happened to the camera.
        label: The track's class.
        place: Name of the zone or line; None for a track's own events.
        direction: `in` or `out` for a line.
        dwell_s: Seconds spent inside, when a zone is left.
        cause: Why the camera gives no pictures (`StreamCause`).
        detail: Likewise, one sentence for people; never holds a password.
    """

    sequence: int
    type: EventType
    frame: int | None = None
    pts_s: float | None = None
    track_id: int | None = None
    label: str | None = None
    place: str | None = None
    direction: str | None = None
    dwell_s: float | None = None
    cause: str | None = None
    detail: str | None = None
