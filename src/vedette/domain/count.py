"""Counts in buckets of time, as the outside reads them; unknown is None, never 0."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

BUCKET_MS = 10_000
# What buckets are rolled up to: as they are, a minute, an hour.
WIDTHS_MS = (BUCKET_MS, 60_000, 3_600_000)


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
        now_mean: Confirmed objects there, mean over the covered time; None where nothing is
            covered, and for lines: nobody is at a line.
        now_min: The least at any moment of it; None likewise.
        now_max: The most; None likewise.
        entered: Entries into the zone.
        left: Leavings.
        crossed_in: Crossings of the line to its left hand.
        crossed_out: Crossings back.
        distinct: Tracks confirmed (kind `object` alone; else 0).
        covered_s: Seconds of the bucket that are covered, from where the label was first known.
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


@dataclass(frozen=True, slots=True)
class WideBucket:
    """Buckets of one place and label, rolled up.

    Attributes:
        start_ms: Where it begins, a multiple of `width_ms`.
        width_ms: How long it is; one of `WIDTHS_MS`.
        kind: Whole picture, zone or line.
        place: Name of the zone or line; empty for the whole picture.
        label: The objects' label.
        now_mean: Mean over the covered time; None where nothing is known.
        now_min: The least; None likewise.
        now_max: The most; None likewise.
        entered: Entries; None where nothing is covered and none was noticed. Likewise the others.
        left: Leavings.
        crossed_in: Crossings of the line to its left hand.
        crossed_out: Crossings back.
        distinct: Tracks confirmed.
        covered_s: Seconds of it that are covered.
    """

    start_ms: int
    width_ms: int
    kind: CountKind
    place: str
    label: str
    now_mean: float | None
    now_min: int | None
    now_max: int | None
    entered: int | None
    left: int | None
    crossed_in: int | None
    crossed_out: int | None
    distinct: int | None
    covered_s: float

    @property
    def coverage(self) -> float:
        """Give the share of it that is covered, in [0, 1]."""
        return self.covered_s * 1000 / self.width_ms


@dataclass(frozen=True, slots=True)
class Interval:
    """A stretch of time that was seen, or was not: milliseconds [from, to)."""

    from_ms: int
    to_ms: int
    covered: bool


def rolled_up(
    buckets: Iterable[CountBucket],
    width_ms: int,
    *,
    from_ms: int | None = None,
    to_ms: int | None = None,
) -> list[WideBucket]:
    """Join the buckets of one source to wider ones; in the order of time, kind, place and label.

    Buckets that are missing count as not covered. The order of `buckets` makes no difference.

    Args:
        buckets: Of one run, or of runs whose times do not overlap.
        width_ms: One of `WIDTHS_MS`.
        from_ms: With `to_ms`: every place and label among `buckets` then has all wide buckets that
            touch [from_ms, to_ms), unknown ones too.
        to_ms: See `from_ms`.
    """
    assert width_ms in WIDTHS_MS
    groups: dict[tuple[int, CountKind, str, str], list[CountBucket]] = {}
    for one in buckets:
        start_ms = one.start_ms - one.start_ms % width_ms
        groups.setdefault((start_ms, one.kind, one.place, one.label), []).append(one)
    if from_ms is not None and to_ms is not None:
        for what in {key[1:] for key in groups}:
            for start_ms in range(from_ms - from_ms % width_ms, to_ms, width_ms):
                groups.setdefault((start_ms, *what), [])
    return [
        _joined(start_ms, width_ms, kind=kind, place=place, label=label, buckets=groups[key])
        for key in sorted(groups)
        for start_ms, kind, place, label in (key,)
    ]


def _joined(
    start_ms: int, width_ms: int, *,
    kind: CountKind, place: str, label: str, buckets: Sequence[CountBucket],
) -> WideBucket:  # fmt: skip
    means = [(one.now_mean, one.covered_s) for one in buckets if one.now_mean is not None]
    # Whole milliseconds, so that nothing is rounded on the way.
    covered_ms = sum(round(one.covered_s * 1000) for one in buckets)
    least = [one.now_min for one in buckets if one.now_min is not None]
    most = [one.now_max for one in buckets if one.now_max is not None]

    def total(numbers: Iterable[int]) -> int | None:
        noticed = sum(numbers)
        return noticed if covered_ms or noticed else None

    return WideBucket(
        start_ms=start_ms,
        width_ms=width_ms,
        kind=kind,
        place=place,
        label=label,
        now_mean=_mean(means),
        now_min=min(least, default=None),
        now_max=max(most, default=None),
        entered=total(one.entered for one in buckets),
        left=total(one.left for one in buckets),
        crossed_in=total(one.crossed_in for one in buckets),
        crossed_out=total(one.crossed_out for one in buckets),
        distinct=total(one.distinct for one in buckets),
        covered_s=covered_ms / 1000,
    )


def _mean(means: Sequence[tuple[float, float]]) -> float | None:
    """Give the mean of means, each weighted by its time; one alone stays what it is."""
    if len(means) < 2:
        return means[0][0] if means else None
    weighted = math.fsum(mean * covered_s for mean, covered_s in means)
    return weighted / math.fsum(covered_s for _, covered_s in means)


def tiled(covered: Iterable[tuple[int, int]], *, from_ms: int, to_ms: int) -> list[Interval]:
    """Lay out [from_ms, to_ms) as covered and uncovered stretches, by turns.

    Args:
        covered: Stretches [from, to) in milliseconds; in any order, also overlapping.
        from_ms: Where to begin.
        to_ms: Where to end; nothing is given where it is not later.
    """
    tiles: list[Interval] = []
    at_ms = from_ms
    for first_ms, last_ms in sorted(covered):
        begin_ms, end_ms = max(first_ms, at_ms), min(last_ms, to_ms)
        if begin_ms >= end_ms:
            continue
        if begin_ms > at_ms:
            tiles.append(Interval(at_ms, begin_ms, covered=False))
        elif tiles:
            begin_ms = tiles.pop().from_ms  # Goes on where the last one ended.
        tiles.append(Interval(begin_ms, end_ms, covered=True))
        at_ms = end_ms
    if at_ms < to_ms:
        tiles.append(Interval(at_ms, to_ms, covered=False))
    return tiles
