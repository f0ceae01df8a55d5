"""What is known after a frame: objects with tracks, counts so far, events."""

from __future__ import annotations

from dataclasses import dataclass, field

from vedette.domain.event import Event


@dataclass(frozen=True, slots=True)
class SceneObject:
    """One object seen in one frame.

    Attributes:
        label: Its class, by the vote of its track so far (an untracked one: the detector's word).
        confidence: The detector's confidence in this frame, in [0, 1].
        xyxy_px: x_min, y_min, x_max, y_max in pixels of the source frame.
        track_id: Number of its track, unique in the run; None while the track is not confirmed.
        zones: Names of the zones it stands in, in the scene's order.
    """

    label: str
    confidence: float
    xyxy_px: tuple[float, float, float, float]
    track_id: int | None
    zones: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ObjectCount:
    """Totals of one label over the run so far.

    Attributes:
        now: Confirmed tracks of it seen in this frame.
        distinct: Confirmed tracks so far.
        most_at_once: The largest `now` so far.
    """

    now: int
    distinct: int
    most_at_once: int


@dataclass(frozen=True, slots=True)
class ZoneCount:
    """Totals of one zone (all its labels together) over the run so far.

    Attributes:
        now: Objects inside.
        most_at_once: The largest `now` so far.
        entered: Entries so far; one object may enter many times.
        left: Leavings so far.
        dwell_s: Seconds spent inside by all objects together.
    """

    now: int
    most_at_once: int
    entered: int
    left: int
    dwell_s: float


@dataclass(frozen=True, slots=True)
class LineCount:
    """Crossings of one line so far: `crossed_in` from its right hand to its left, and back."""

    crossed_in: int
    crossed_out: int


@dataclass(frozen=True, slots=True)
class Counts:
    """All counts after a frame; every zone and line of the scene is there, in its order."""

    objects: dict[str, ObjectCount] = field(default_factory=dict)
    zones: dict[str, ZoneCount] = field(default_factory=dict)
    lines: dict[str, LineCount] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Scene:
    """What analytics knows after a frame.

    Attributes:
        objects: In the order of their track id; those without one last.
        events: What happened in this frame, in order.
        counts: Totals so far.
    """

    objects: tuple[SceneObject, ...]
    events: tuple[Event, ...]
    counts: Counts
