"""Results: what one commit of one run writes, checked against the token, all or nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, bindparam, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from vedette.domain.count import CountBucket
from vedette.domain.errors import StaleToken
from vedette.domain.event import Event
from vedette.domain.ids import RunnerId, ScenarioId, SourceId, Token
from vedette.domain.scenario import ScenarioState
from vedette.store.base import Transaction
from vedette.store.schema import checkpoints, counts, coverage, parts, runs, scenarios
from vedette.store.statements.leases import require_token
from vedette.store.statements.telling import tell_events

# Every commit runs these: to build them anew would be a quarter of what a small commit takes.
_RUN_OF = select(scenarios.c.run, scenarios.c.state).where(
    scenarios.c.id == bindparam("scenario_id")
)
_ADD_PART = insert(parts)
_ADD_CHECKPOINT = insert(checkpoints)
_REPLACE_CHECKPOINT = (
    update(checkpoints)
    .where(
        checkpoints.c.scenario_id == bindparam("of_scenario"),
        checkpoints.c.run == bindparam("of_run"),
        checkpoints.c.parts == bindparam("parts_before"),
    )
    .values(
        token=bindparam("by_token"),
        parts=bindparam("parts_now"),
        # Without new ones as many as before.
        events=func.coalesce(bindparam("events_now"), checkpoints.c.events),
        state=bindparam("state_now"),
    )
)
_TELL_OF_RUN = (
    update(runs)
    .where(runs.c.scenario_id == bindparam("of_scenario"), runs.c.run == bindparam("of_run"))
    .values(totals=bindparam("totals_now"), facts=bindparam("facts_now"))
)


@dataclass(frozen=True, slots=True)
class FreshPart:
    """Prediction rows of one commit.

    Attributes:
        first_frame: Number of the first frame; rows are in frame order.
        last_frame: Number of the last.
        first_pts_s: Media time of the first.
        last_pts_s: Media time of the last.
        first_captured_at_ms: Wall time of the first, where known.
        last_captured_at_ms: Wall time of the last.
        rows: How many.
        bytes: The rows, as `results/fresh` packs them.
    """

    first_frame: int
    last_frame: int
    first_pts_s: float
    last_pts_s: float
    first_captured_at_ms: int | None
    last_captured_at_ms: int | None
    rows: int
    bytes: bytes


@dataclass(frozen=True, slots=True)
class Commit:
    """What one run has to say since its last commit.

    Attributes:
        scenario_id: Whose it is.
        run: Which start of it.
        source_id: What is leased.
        token: The lease's.
        holder: The runner.
        part: Rows; None where no frame was looked at.
        part_number: How many parts of the run were committed before.
        events: In order; with the wall time (ms) of each one's frame, where known. Numbered as they
            are written.
        counts: The buckets that changed, whole.
        covered: Wall time intervals (ms) in which a live source was seen.
        checkpoint: All that the run remembers after the last of the rows.
        totals: JSON of frames and counts after them.
        facts: JSON of what the stream is.
    """

    scenario_id: ScenarioId
    run: int
    source_id: SourceId
    token: Token
    holder: RunnerId
    part: FreshPart | None
    part_number: int
    events: Sequence[tuple[Event, int | None]]
    counts: Sequence[CountBucket]
    covered: Sequence[tuple[int, int]]
    checkpoint: bytes
    totals: str
    facts: str


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Where a run goes on: its memory, and how much of it is committed."""

    state: bytes
    parts: int
    events: int


def commit(transaction: Transaction, news: Commit) -> None:
    """Write down what a run has to say, with the memory that goes with it.

    Raises:
        StaleToken: the source was given to somebody else, or that run is over.
    """
    require_token(transaction, news.source_id, news.token)
    run = transaction.connection.execute
    _require_run(transaction, news)
    own = {"scenario_id": news.scenario_id, "run": news.run}
    if news.part is not None:
        part = news.part
        run(
            _ADD_PART,
            {
                **own,
                "first": news.part_number,
                "last": news.part_number,
                "first_frame": part.first_frame,
                "last_frame": part.last_frame,
                "first_pts_s": part.first_pts_s,
                "last_pts_s": part.last_pts_s,
                "first_captured_at_ms": part.first_captured_at_ms,
                "last_captured_at_ms": part.last_captured_at_ms,
                "rows": part.rows,
                "size_bytes": len(part.bytes),
                "bytes": part.bytes,
                "token": news.token,
                "holder": news.holder,
                "at_ms": transaction.wall_ms,
            },
        )
    told = _save_events(transaction, news)
    _save_counts(transaction, own, news.counts)
    _save_coverage(transaction, own, news.covered)
    _save_checkpoint(transaction, own, news, told)
    run(
        _TELL_OF_RUN,
        {
            "of_scenario": news.scenario_id,
            "of_run": news.run,
            "totals_now": news.totals,
            "facts_now": news.facts,
        },
    )


def load_checkpoint(
    transaction: Transaction, scenario_id: ScenarioId, run: int
) -> Checkpoint | None:
    """Give where a run goes on; None where nothing of it was committed."""
    row = transaction.connection.execute(
        select(checkpoints).where(
            checkpoints.c.scenario_id == scenario_id, checkpoints.c.run == run
        )
    ).first()
    return None if row is None else Checkpoint(row.state, row.parts, row.events)


def parts_of(
    transaction: Transaction,
    scenario_id: ScenarioId,
    run: int,
    *,
    from_frame: int | None = None,
    to_frame: int | None = None,
    limit: int | None = None,
) -> list[Row[Any]]:
    """Give the manifest in frame order: rows of `parts`, those that touch [from, to] alone."""
    query = (
        select(parts)
        .where(parts.c.scenario_id == scenario_id, parts.c.run == run)
        .order_by(parts.c.first)
        .limit(limit)
    )
    if from_frame is not None:
        query = query.where(parts.c.last_frame >= from_frame)
    if to_frame is not None:
        query = query.where(parts.c.first_frame <= to_frame)
    return list(transaction.connection.execute(query))


def run_row(transaction: Transaction, scenario_id: ScenarioId, run: int) -> Row[Any] | None:
    """Give the row of `runs`, or None."""
    return transaction.connection.execute(
        select(runs).where(runs.c.scenario_id == scenario_id, runs.c.run == run)
    ).first()


def _require_run(transaction: Transaction, news: Commit) -> None:
    row = transaction.connection.execute(_RUN_OF, {"scenario_id": news.scenario_id}).first()
    at_rest = row is None or row.state in {ScenarioState.INACTIVE, ScenarioState.INIT_STARTUP}
    if row is None or at_rest or row.run != news.run:
        raise StaleToken(
            f"scenario '{news.scenario_id}': run {news.run} is over; nothing more is taken of it"
        )


def _save_events(transaction: Transaction, news: Commit) -> int | None:
    """Write events down; give how many the run has told in all, None where none is new."""
    if not news.events:
        return None
    return tell_events(transaction, news.scenario_id, news.run, news.events, token=news.token)


def _save_counts(
    transaction: Transaction, own: dict[str, Any], buckets: Sequence[CountBucket]
) -> None:
    if not buckets:
        return
    dialect = transaction.connection.dialect.name
    adding = (postgresql if dialect == "postgresql" else sqlite).insert(counts)
    changed = {
        column.name: adding.excluded[column.name] for column in counts.c if not column.primary_key
    }
    statement = adding.on_conflict_do_update(
        index_elements=[column.name for column in counts.primary_key], set_=changed
    )
    rows = [
        {
            **own,
            "start_ms": one.start_ms,
            "kind": str(one.kind),
            "place": one.place,
            "label": one.label,
            "now_mean": one.now_mean,
            "now_min": one.now_min,
            "now_max": one.now_max,
            "entered": one.entered,
            "left": one.left,
            "crossed_in": one.crossed_in,
            "crossed_out": one.crossed_out,
            "distinct": one.distinct,
            "covered_s": one.covered_s,
        }
        for one in buckets
    ]
    transaction.connection.execute(statement, rows)


def _save_coverage(
    transaction: Transaction, own: dict[str, Any], covered: Sequence[tuple[int, int]]
) -> None:
    """Add intervals; one that goes on where the last one ended makes that one longer."""
    run = transaction.connection.execute
    for from_ms, to_ms in covered:
        last = select(func.max(coverage.c.id)).where(
            coverage.c.scenario_id == own["scenario_id"], coverage.c.run == own["run"]
        )
        longer = run(
            update(coverage)
            .where(coverage.c.id == last.scalar_subquery(), coverage.c.to_ms == from_ms)
            .values(to_ms=to_ms)
        )
        if not longer.rowcount:
            run(insert(coverage).values(**own, from_ms=from_ms, to_ms=to_ms))


def _save_checkpoint(
    transaction: Transaction, own: dict[str, Any], news: Commit, told: int | None
) -> None:
    values = {
        "token": news.token,
        "parts": news.part_number + (news.part is not None),
        "events": told,
        "state": news.checkpoint,
    }
    run = transaction.connection.execute
    known = run(
        _REPLACE_CHECKPOINT,
        {
            "of_scenario": news.scenario_id,
            "of_run": news.run,
            "parts_before": news.part_number,
            "by_token": values["token"],
            "parts_now": values["parts"],
            "events_now": values["events"],
            "state_now": values["state"],
        },
    )
    if not known.rowcount:
        run(_ADD_CHECKPOINT, {**own, **values, "events": values["events"] or 0})
