"""Counts, coverage and events, as they are read: in a stable order, page by page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Float, Row, Select, case, func, literal_column, select, tuple_

from vedette.domain.count import (
    BUCKET_MS,
    CountBucket,
    CountKind,
    Interval,
    WideBucket,
    tiled,
)
from vedette.domain.event import Event, EventType
from vedette.domain.ids import ScenarioId, Token
from vedette.store.base import Transaction
from vedette.store.schema import counts, coverage, events


class BucketKey(NamedTuple):
    """Which bucket: buckets are read in the order of this, and a page goes on after it."""

    scenario_id: ScenarioId
    run: int
    start_ms: int
    kind: str
    place: str
    label: str


@dataclass(frozen=True, slots=True)
class StoredBucket:
    """A bucket of one run."""

    scenario_id: ScenarioId
    run: int
    bucket: CountBucket

    @property
    def key(self) -> BucketKey:
        """Give what the next page goes on after."""
        one = self.bucket
        return BucketKey(
            self.scenario_id, self.run, one.start_ms, str(one.kind), one.place, one.label
        )


@dataclass(frozen=True, slots=True)
class StoredWideBucket:
    """Buckets of one run, rolled up."""

    scenario_id: ScenarioId
    run: int
    bucket: WideBucket

    @property
    def key(self) -> BucketKey:
        """Give what the next page goes on after."""
        one = self.bucket
        return BucketKey(
            self.scenario_id, self.run, one.start_ms, str(one.kind), one.place, one.label
        )


class EventKey(NamedTuple):
    """Which event: events are read in the order of this, and a page goes on after it."""

    scenario_id: ScenarioId
    run: int
    sequence: int


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An event of one run.

    Attributes:
        id: Derived from scenario, run and sequence.
        scenario_id: Whose it is.
        run: Which start of it.
        event: What happened.
        captured_at_ms: Wall time of its frame, where known.
        token: Of whoever found it.
    """

    id: str
    scenario_id: ScenarioId
    run: int
    event: Event
    captured_at_ms: int | None
    token: Token

    @property
    def key(self) -> EventKey:
        """Give what the next page goes on after."""
        return EventKey(self.scenario_id, self.run, self.event.sequence)


def count_buckets(
    transaction: Transaction,
    *,
    scenario_id: ScenarioId | None = None,
    run: int | None = None,
    kind: CountKind | None = None,
    place: str | None = None,
    label: str | None = None,
    from_ms: int | None = None,
    to_ms: int | None = None,
    limit: int,
    after: BucketKey | None = None,
) -> list[StoredBucket]:
    """Give buckets in the order of their keys; None leaves a condition out.

    Args:
        transaction: To read in.
        scenario_id: Of this scenario alone.
        run: Of this run alone.
        kind: Of this kind alone.
        place: Of the zone or line of that name; empty: the whole picture.
        label: Of this label alone.
        from_ms: Those that touch [from_ms, to_ms): wall time (live), or media time (finite).
        to_ms: See `from_ms`.
        limit: How many at most.
        after: Only those behind this one.
    """
    wanted = _wanted(scenario_id, run, kind=kind, place=place, label=label)
    if from_ms is not None:
        wanted.append(counts.c.start_ms > from_ms - BUCKET_MS)
    if to_ms is not None:
        wanted.append(counts.c.start_ms < to_ms)
    query = select(counts).where(*wanted)
    rows = _page(transaction, query, tuple(counts.primary_key.columns), after=after, limit=limit)
    return [StoredBucket(row.scenario_id, row.run, _bucket(row)) for row in rows]


def wide_buckets(
    transaction: Transaction,
    *,
    width_ms: int,
    scenario_id: ScenarioId | None = None,
    run: int | None = None,
    kind: CountKind | None = None,
    place: str | None = None,
    label: str | None = None,
    from_ms: int | None = None,
    to_ms: int | None = None,
    limit: int,
    after: BucketKey | None = None,
) -> list[StoredWideBucket]:
    """Give buckets rolled up, each of them whole, in the order of their keys.

    As `rolled_up` would, done where the rows are; a wide bucket of which no row is there is not
    given.

    Args:
        transaction: To read in.
        width_ms: One of `WIDTHS_MS`.
        scenario_id: As for `count_buckets`; likewise those that follow.
        run: Of this run alone.
        kind: Of this kind alone.
        place: Of the zone or line of that name.
        label: Of this label alone.
        from_ms: Those that touch [from_ms, to_ms).
        to_ms: See `from_ms`.
        limit: How many wide ones at most.
        after: Only those behind this one.
    """
    wanted = _wanted(scenario_id, run, kind=kind, place=place, label=label)
    if from_ms is not None:
        wanted.append(counts.c.start_ms >= from_ms - from_ms % width_ms)
    if to_ms is not None:
        wanted.append(counts.c.start_ms < to_ms + -to_ms % width_ms)
    # In the statement itself, so that both sides of GROUP BY are the same to PostgreSQL.
    width: ColumnElement[int] = literal_column(str(int(width_ms)))
    start_ms = counts.c.start_ms - counts.c.start_ms % width
    run_of = (counts.c.scenario_id, counts.c.run)
    group = (*run_of, start_ms, counts.c.kind, counts.c.place, counts.c.label)
    if after is not None:  # As the index has it; `_page` looks closer.
        wanted.append(tuple_(*run_of, counts.c.start_ms) >= tuple_(*after[:3]))
    query = select(*run_of, start_ms.label("wide_start_ms"), *group[3:], *_SUMS)
    query = query.where(*wanted).group_by(*group)
    rows = _page(transaction, query, group, after=after, limit=limit)
    return [StoredWideBucket(row.scenario_id, row.run, _wide(row, width_ms)) for row in rows]


def coverage_intervals(
    transaction: Transaction, scenario_id: ScenarioId, run: int, *, from_ms: int, to_ms: int
) -> list[Interval]:
    """Lay out [from_ms, to_ms) of wall time as covered and uncovered stretches, by turns."""
    rows = transaction.connection.execute(
        select(coverage.c.from_ms, coverage.c.to_ms).where(
            coverage.c.scenario_id == scenario_id,
            coverage.c.run == run,
            coverage.c.from_ms < to_ms,
            coverage.c.to_ms > from_ms,
        )
    )
    return tiled(((row.from_ms, row.to_ms) for row in rows), from_ms=from_ms, to_ms=to_ms)


def event_rows(
    transaction: Transaction,
    *,
    scenario_id: ScenarioId | None = None,
    run: int | None = None,
    type: EventType | None = None,  # noqa: A002  (the outside's own word)
    label: str | None = None,
    place: str | None = None,
    from_sequence: int | None = None,
    from_ms: int | None = None,
    to_ms: int | None = None,
    limit: int,
    after: EventKey | None = None,
) -> list[StoredEvent]:
    """Give events in the order of their keys; None leaves a condition out.

    Within a run that is the order in which they happened; new ones come last.

    Args:
        transaction: To read in.
        scenario_id: Of this scenario alone.
        run: Of this run alone.
        type: Of this type alone.
        label: Of this label alone.
        place: At the zone or line of that name.
        from_sequence: From this number in the run on.
        from_ms: Wall time in [from_ms, to_ms); events of unknown wall time are then left out.
        to_ms: See `from_ms`.
        limit: How many at most.
        after: Only those behind this one.
    """
    query = select(events)
    for column, value in (
        (events.c.scenario_id, scenario_id),
        (events.c.run, run),
        (events.c.type, None if type is None else str(type)),
        (events.c.label, label),
        (events.c.place, place),
    ):
        if value is not None:
            query = query.where(column == value)
    if from_sequence is not None:
        query = query.where(events.c.sequence >= from_sequence)
    if from_ms is not None:
        query = query.where(events.c.captured_at_ms >= from_ms)
    if to_ms is not None:
        query = query.where(events.c.captured_at_ms < to_ms)
    order = (events.c.scenario_id, events.c.run, events.c.sequence)
    rows = _page(transaction, query, order, after=after, limit=limit)
    return [
        StoredEvent(row.id, row.scenario_id, row.run, _event(row), row.captured_at_ms, row.token)
        for row in rows
    ]


_MEAN = func.sum(counts.c.now_mean * counts.c.covered_s) / func.nullif(
    func.sum(counts.c.covered_s), 0.0, type_=Float
)
_SUMS = (
    # One alone stays what it is.
    case((func.count() == 1, func.max(counts.c.now_mean)), else_=_MEAN).label("now_mean"),
    func.min(counts.c.now_min).label("now_min"),
    func.max(counts.c.now_max).label("now_max"),
    func.sum(counts.c.entered).label("entered"),
    func.sum(counts.c.left).label("left"),
    func.sum(counts.c.crossed_in).label("crossed_in"),
    func.sum(counts.c.crossed_out).label("crossed_out"),
    func.sum(counts.c.distinct).label("distinct"),
    func.sum(counts.c.covered_s).label("covered_s"),
)


def _wide(row: Row[Any], width_ms: int) -> WideBucket:
    covered_s = round(row.covered_s, 3)  # Whole milliseconds.

    def total(noticed: int) -> int | None:
        return int(noticed) if covered_s or noticed else None

    return WideBucket(
        start_ms=row.wide_start_ms,
        width_ms=width_ms,
        kind=CountKind(row.kind),
        place=row.place,
        label=row.label,
        now_mean=row.now_mean,
        now_min=row.now_min,
        now_max=row.now_max,
        entered=total(row.entered),
        left=total(row.left),
        crossed_in=total(row.crossed_in),
        crossed_out=total(row.crossed_out),
        distinct=total(row.distinct),
        covered_s=covered_s,
    )


def _wanted(
    scenario_id: ScenarioId | None,
    run: int | None,
    *,
    kind: CountKind | None,
    place: str | None,
    label: str | None,
) -> list[ColumnElement[bool]]:
    return [
        column == value
        for column, value in (
            (counts.c.scenario_id, scenario_id),
            (counts.c.run, run),
            (counts.c.kind, None if kind is None else str(kind)),
            (counts.c.place, place),
            (counts.c.label, label),
        )
        if value is not None
    ]


def _page(
    transaction: Transaction,
    query: Select[Any],
    order: tuple[Any, ...],
    *,
    after: tuple[Any, ...] | None,
    limit: int,
) -> list[Row[Any]]:
    if after is not None:
        query = query.where(tuple_(*order) > tuple_(*after))
    return list(transaction.connection.execute(query.order_by(*order).limit(limit)))


def _bucket(row: Row[Any]) -> CountBucket:
    return CountBucket(
        start_ms=row.start_ms,
        kind=CountKind(row.kind),
        place=row.place,
        label=row.label,
        now_mean=row.now_mean,
        now_min=row.now_min,
        now_max=row.now_max,
        entered=row.entered,
        left=row.left,
        crossed_in=row.crossed_in,
        crossed_out=row.crossed_out,
        distinct=row.distinct,
        covered_s=row.covered_s,
    )


def _event(row: Row[Any]) -> Event:
    return Event(
        sequence=row.sequence,
        type=EventType(row.type),
        frame=row.frame,
        pts_s=row.pts_s,
        track_id=row.track_id,
        label=row.label,
        place=row.place,
        direction=row.direction,
        dwell_s=row.dwell_s,
        cause=row.cause,
        detail=row.detail,
    )
