"""Counts, events and coverage that are too old: which runs have some, and forgetting them.

Counts go by whole hours, the widest that buckets are rolled up to, so that no sum is made of what
is left of one; coverage goes with them, so that what is gone reads as unknown.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Table, delete, or_, select, tuple_, update

from vedette.domain.count import WIDTHS_MS
from vedette.store.base import Transaction
from vedette.store.schema import counts, coverage, events, runs

# Whatever buckets are rolled up to begins with one of these.
CUT_MS = max(WIDTHS_MS)


@dataclass(frozen=True, slots=True)
class AgedRun:
    """A run that may have history to forget.

    Attributes:
        scenario_id: Whose it is.
        run: Which start of it.
        before_ms: Wall time up to which; None: all of it, for the run is over long since.
    """

    scenario_id: str
    run: int
    before_ms: int | None


def aged_runs(
    transaction: Transaction, *, before_ms: int, after: tuple[str, int], limit: int
) -> tuple[list[AgedRun], tuple[str, int] | None]:
    """Look through up to `limit` runs behind `after`; give the aged ones, and where to go on.

    Media time says nothing of age: what a file counted is as old as the end of its run.
    """
    has_any = or_(
        *(
            select(table.c.run).where(*_of(table, runs.c.scenario_id, runs.c.run)).exists()
            for table in (counts, events, coverage)
        )
    )
    rows = transaction.connection.execute(
        select(runs.c.scenario_id, runs.c.run, runs.c.ended_at_ms, runs.c.facts)
        .where(
            tuple_(runs.c.scenario_id, runs.c.run) > tuple_(*after),
            runs.c.started_at_ms < before_ms,
            has_any,
        )
        .order_by(runs.c.scenario_id, runs.c.run)
        .limit(limit)
    ).all()
    aged = []
    for row in rows:
        if row.ended_at_ms is not None and row.ended_at_ms < before_ms:
            aged.append(AgedRun(row.scenario_id, row.run, None))
        elif json.loads(row.facts or "{}").get("live"):
            aged.append(AgedRun(row.scenario_id, row.run, before_ms))
    last = rows[-1] if len(rows) == limit else None
    return aged, None if last is None else (last.scenario_id, last.run)


def forget(
    transaction: Transaction, *, scenario_id: str, run: int, before_ms: int | None, limit: int
) -> int:
    """Delete a run's oldest history: about `limit` rows of each kind; give how many went.

    Nothing is left to delete where none went. Of the counts at least a whole hour goes.

    Args:
        transaction: Where.
        scenario_id: Whose.
        run: Of which run.
        before_ms: What lies before this wall time, a multiple of `CUT_MS`; None: all there is.
        limit: Bounds the rows.
    """
    # First, so that at no moment something reads as seen of which the counts are gone.
    went = _forget_coverage(transaction, scenario_id, run, before_ms, limit)
    went += _forget_counts(transaction, scenario_id, run, before_ms, limit)
    return went + _forget_events(transaction, scenario_id, run, before_ms, limit)


def _forget_coverage(
    transaction: Transaction, scenario_id: str, run: int, before_ms: int | None, limit: int
) -> int:
    own = _of(coverage, scenario_id, run)
    is_old = () if before_ms is None else (coverage.c.to_ms <= before_ms,)
    oldest = select(coverage.c.id).where(*own, *is_old).order_by(coverage.c.from_ms).limit(limit)
    done = transaction.connection.execute(delete(coverage).where(coverage.c.id.in_(oldest)))
    if before_ms is not None:
        # One that reaches over the edge loses what lies before it.
        across = (coverage.c.from_ms < before_ms, coverage.c.to_ms > before_ms)
        transaction.connection.execute(
            update(coverage).where(*own, *across).values(from_ms=before_ms)
        )
    return int(done.rowcount)


def _forget_counts(
    transaction: Transaction, scenario_id: str, run: int, before_ms: int | None, limit: int
) -> int:
    act = transaction.connection.execute
    own = _of(counts, scenario_id, run)
    oldest = select(counts.c.start_ms).where(*own).order_by(counts.c.start_ms).limit(limit)
    starts = act(oldest).scalars().all()
    if not starts:
        return 0
    # An hour goes whole, or waits for the next batch; the first always goes.
    hour_ms = CUT_MS + starts[0] - starts[0] % CUT_MS
    if len(starts) == limit:
        end_ms = max(hour_ms, starts[-1] - starts[-1] % CUT_MS)
    else:
        end_ms = CUT_MS + starts[-1] - starts[-1] % CUT_MS
    if before_ms is not None:
        end_ms = min(end_ms, before_ms)
    return int(act(delete(counts).where(*own, counts.c.start_ms < end_ms)).rowcount)


def _forget_events(
    transaction: Transaction, scenario_id: str, run: int, before_ms: int | None, limit: int
) -> int:
    """Delete the first events of a run, up to the first that is not old, as far as is known."""
    own = _of(events, scenario_id, run)
    number = events.c.sequence
    doomed = select(number, events.c.captured_at_ms).where(*own).order_by(number).limit(limit)
    last: int | None = None
    for row in transaction.connection.execute(doomed):
        at_ms = row.captured_at_ms
        if before_ms is not None and (at_ms is None or at_ms >= before_ms):
            break
        last = row.sequence
    if last is None:
        return 0
    return int(transaction.connection.execute(delete(events).where(*own, number <= last)).rowcount)


def _of(table: Table, scenario_id: Any, run: Any) -> tuple[ColumnElement[bool], ...]:
    return (table.c.scenario_id == scenario_id, table.c.run == run)
