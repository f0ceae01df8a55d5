"""Counts in buckets of time, as the outside reads them; unknown is None, never 0."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

BUCKET_MS = 10_000


class CountKind(StrEnum):
    """What was counted where."""

    OBJECT = "object"
    """In the whole picture."""
    ZONE = "zone"
    LINE = "line"


@dataclass(frozen=True, slots=True)
class CountBucket:
    """What happened to one label in one place during one bucket.

    Attributes:
        start_ms: Where the bucket begins, a multiple of `BUCKET_MS`: wall time (live), or media
            time (finite).
        kind: Whole picture, zone or line.
        place: Name of the zone or line; empty for the whole picture.
        label: The objects' label.
        now_mean: Objects there, mean over the covered time; None where nothing is covered.
        now_min: The least at any look; None likewise.
        now_max: The most at any look; None likewise.
        entered: Entries into the zone.
        left: Leavings.
        crossed_in: Crossings of the line to its left hand.
        crossed_out: Crossings back.
        distinct: Tracks confirmed (kind `object` alone; else 0).
        covered_s: Seconds of the bucket that are covered.
    """

    start_ms: int
    kind: CountKind
    place: str
    label: str
    now_mean: float | None
    now_min: int | None
    now_max: int | None
    entered: int
    left: int
    crossed_in: int
    crossed_out: int
    distinct: int
    covered_s: float
