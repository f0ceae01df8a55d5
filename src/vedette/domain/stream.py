"""What is known of a stream once it is open, and where in it one stands."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True, slots=True)
class StreamFacts:
    """A stream as its source found it.

    Attributes:
        name: The source's name for people and rows; never holds a password.
        live: True where pictures come at their own pace and do not wait for us.
        codec: FFmpeg's name of the codec, such as `h264`.
        width: Pixels of a picture as it is to be looked at (after any rotation).
        height: Likewise.
        time_base: Seconds per PTS unit.
        frame_rate: Pictures per second as far as the stream says; None where it does not.
        duration_s: Length, or None where unknown (live).
        pictures: Number of pictures the container promises, or None.
    """

    name: str
    live: bool
    codec: str
    width: int
    height: int
    time_base: Fraction
    frame_rate: float | None
    duration_s: float | None
    pictures: int | None


@dataclass(frozen=True, slots=True)
class Position:
    """How far a finite source has been taken up, and where reading may begin again.

    Attributes:
        number: Number of the last frame taken up.
        pts: Its PTS.
        start_pts: PTS of the source's first picture.
        restart_pts: PTS of a picture at or before it from which decoding gives exact pictures,
            or None: read from the start.
        restart_number: Number of that picture.
    """

    number: int
    pts: int
    start_pts: int
    restart_pts: int | None
    restart_number: int
