"""The manifest of prediction rows: settling fresh parts, reading all, trimming the oldest.

Bytes in blobs and rows of the manifest cannot change at one moment, so the order is fixed: a key is
announced (in `garbage`, due in an hour), then its bytes are put, then `settle` takes it off that
list and into the manifest at once. Who is killed in between leaves garbage that is known; who comes
back after it was condemned is refused.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Row, and_, delete, func, insert, or_, select, update

from vedette.domain.errors import Conflict, NotFound
from vedette.store.base import Transaction
from vedette.store.schema import garbage, parts, runs

# How long somebody may take from announcing a key to the manifest.
ANNOUNCED_MS = 3_600_000
# All but the bytes.
_FACTS = [column for column in parts.c if column.name != "bytes"]
_FRESH = parts.c.blob_key.is_(None)


@dataclass(frozen=True, slots=True)
class SettledPart:
    """A part whose rows lie in a blob.

    Attributes:
        scenario_id: Whose rows.
        run: Of which run.
        first: Number of the first part it replaces.
        last: Number of the last.
        first_frame: Of its first row.
        last_frame: Of its last row.
        first_pts_s: The least media time of its rows.
        last_pts_s: The greatest.
        first_captured_at_ms: Wall time of its first row, where known.
        last_captured_at_ms: Of its last.
        rows: How many.
        size_bytes: Of the blob.
        blob_key: Where they lie; announced.
        token: The newest of those they were committed with.
        holder: Who committed with it.
        at_ms: When the newest were committed (wall time).
    """

    scenario_id: str
    run: int
    first: int
    last: int
    first_frame: int
    last_frame: int
    first_pts_s: float
    last_pts_s: float
    first_captured_at_ms: int | None
    last_captured_at_ms: int | None
    rows: int
    size_bytes: int
    blob_key: str
    token: int
    holder: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class Trimmed:
    """What was deleted from the beginning of a run.

    Attributes:
        scenario_id: Whose.
        run: Of which run.
        to_frame: Nothing up to here is left.
        rows: How many rows went.
        size_bytes: How many bytes.
    """

    scenario_id: str
    run: int
    to_frame: int
    rows: int
    size_bytes: int

    def __add__(self, later: Trimmed) -> Trimmed:
        """Join with what went later from the same run."""
        rows, size_bytes = self.rows + later.rows, self.size_bytes + later.size_bytes
        return replace(later, rows=rows, size_bytes=size_bytes)


def due_runs(
    transaction: Transaction,
    *,
    age_ms: int,
    size_bytes: int,
    limit: int,
    few: int = 1,
    few_age_ms: int = 0,
) -> list[tuple[str, int]]:
    """Give the runs whose fresh parts are old, or big enough, or the last; the oldest first.

    Args:
        transaction: Where.
        age_ms: Old is what is so old.
        size_bytes: Big enough together.
        limit: At most so many runs.
        few: Fewer parts than these ...
        few_age_ms: ... are old only at this age.
    """
    # First what is fresh, from its index alone; then the runs.
    fresh = (
        select(
            parts.c.scenario_id,
            parts.c.run,
            func.min(parts.c.at_ms).label("oldest_ms"),
            func.max(parts.c.at_ms).label("newest_ms"),
            func.sum(parts.c.size_bytes).label("size_bytes"),
            func.count().label("parts"),
        )
        .where(_FRESH)
        .group_by(parts.c.scenario_id, parts.c.run)
        .subquery()
    )
    is_due = or_(
        and_(fresh.c.oldest_ms <= transaction.wall_ms - age_ms, fresh.c.parts >= few),
        fresh.c.oldest_ms <= transaction.wall_ms - max(age_ms, few_age_ms),
        fresh.c.newest_ms > transaction.wall_ms + age_ms,  # The clock was set back since.
        fresh.c.size_bytes >= size_bytes,
        runs.c.ended_at_ms.is_not(None),
    )
    rows = transaction.connection.execute(
        select(fresh.c.scenario_id, fresh.c.run)
        .join(runs, (runs.c.scenario_id == fresh.c.scenario_id) & (runs.c.run == fresh.c.run))
        .where(is_due)
        .order_by(fresh.c.oldest_ms)
        .limit(limit)
    )
    return [(row.scenario_id, row.run) for row in rows]


def fresh_parts(transaction: Transaction, scenario_id: str, run: int, limit: int) -> list[Row[Any]]:
    """Give the first fresh parts of a run in order: rows of `parts` without their bytes."""
    return list(
        transaction.connection.execute(
            select(*_FACTS)
            .where(parts.c.scenario_id == scenario_id, parts.c.run == run, _FRESH)
            .order_by(parts.c.first)
            .limit(limit)
        )
    )


def fresh_bytes(transaction: Transaction, ids: Collection[int]) -> dict[int, bytes]:
    """Give the bytes of those of the parts that are still there and fresh."""
    rows = transaction.connection.execute(
        select(parts.c.id, parts.c.bytes).where(parts.c.id.in_(ids), _FRESH)
    )
    return {row.id: row.bytes for row in rows}


def announce(transaction: Transaction, key: str) -> None:
    """Say that bytes are about to be put; they are garbage in an hour if nothing comes of it."""
    transaction.connection.execute(
        insert(garbage).values(blob_key=key, due_ms=transaction.now_ms + ANNOUNCED_MS)
    )


def settle(transaction: Transaction, part: SettledPart, replaced: Sequence[int]) -> None:
    """Replace exactly those fresh parts by one whose bytes are put.

    Raises:
        Conflict: one of them is gone or settled, or the key is condemned; nothing is changed.
    """
    run = transaction.connection.execute
    known = run(
        delete(garbage).where(garbage.c.blob_key == part.blob_key, garbage.c.due_ms > 0)
    ).rowcount
    there = run(delete(parts).where(parts.c.id.in_(replaced), _FRESH)).rowcount
    if not known or there != len(replaced):
        raise Conflict(
            f"scenario '{part.scenario_id}', run {part.run}: parts {part.first} to {part.last} "
            "were settled or deleted by somebody else"
        )
    run(insert(parts).values({name: getattr(part, name) for name in part.__slots__}))


def condemn(transaction: Transaction, limit: int) -> list[str]:
    """Give keys whose bytes may be deleted; nobody can settle them from now on."""
    run = transaction.connection.execute
    # Later than anybody announces: by the clock of another boot.
    stray = garbage.c.due_ms > transaction.now_ms + ANNOUNCED_MS
    run(
        update(garbage)
        .where(garbage.c.due_ms > 0, or_(garbage.c.due_ms <= transaction.now_ms, stray))
        .values(due_ms=0)
    )
    rows = run(select(garbage.c.blob_key).where(garbage.c.due_ms == 0).limit(limit))
    return [row.blob_key for row in rows]


def has_garbage(transaction: Transaction) -> bool:
    """Tell whether `condemn` would give anything."""
    due = or_(
        garbage.c.due_ms <= transaction.now_ms,
        garbage.c.due_ms > transaction.now_ms + ANNOUNCED_MS,
    )
    return transaction.connection.execute(select(garbage.c.blob_key).where(due)).first() is not None


def drop_garbage(transaction: Transaction, keys: Collection[str]) -> None:
    """Forget keys whose bytes are gone."""
    transaction.connection.execute(delete(garbage).where(garbage.c.blob_key.in_(keys)))


def throw_away(transaction: Transaction, keys: Collection[str]) -> None:
    """Have the bytes of these keys deleted; whoever referred to them does no more."""
    run = transaction.connection.execute
    known = {
        row.blob_key for row in run(select(garbage.c.blob_key).where(garbage.c.blob_key.in_(keys)))
    }
    run(update(garbage).where(garbage.c.blob_key.in_(known)).values(due_ms=0))
    new = [{"blob_key": key, "due_ms": 0} for key in keys if key not in known]
    if new:
        run(insert(garbage), new)


def settled_keys(
    transaction: Transaction, scenario_id: str, run: int, *, first: int, last: int
) -> set[str]:
    """Give the keys that the manifest names for the parts of a run that begin in that range."""
    rows = transaction.connection.execute(
        select(parts.c.blob_key).where(
            parts.c.scenario_id == scenario_id,
            parts.c.run == run,
            parts.c.first.between(first, last),
            parts.c.blob_key.is_not(None),
        )
    )
    return {row.blob_key for row in rows}


def garbage_keys(transaction: Transaction, keys: Collection[str]) -> set[str]:
    """Give those of the keys that are announced or thrown away."""
    rows = transaction.connection.execute(
        select(garbage.c.blob_key).where(garbage.c.blob_key.in_(keys))
    )
    return {row.blob_key for row in rows}


def trimmed_to(transaction: Transaction, scenario_id: str, run: int) -> int | None:
    """Give up to which frame retention deleted the rows of a run; None where it did not.

    Raises:
        NotFound: there is no such run.
    """
    row = transaction.connection.execute(
        select(runs.c.trimmed_to_frame).where(runs.c.scenario_id == scenario_id, runs.c.run == run)
    ).first()
    if row is None:
        raise NotFound(f"scenario '{scenario_id}' has no run {run}")
    return None if row.trimmed_to_frame is None else int(row.trimmed_to_frame)


def parts_from(
    transaction: Transaction,
    scenario_id: str,
    run: int,
    *,
    frame: int,
    to_frame: int | None,
    limit: int,
) -> list[Row[Any]]:
    """Give the parts that hold `frame` or later ones, in order, fresh ones with their bytes."""
    own = (parts.c.scenario_id == scenario_id, parts.c.run == run)
    # Parts do not overlap: the last that begins at the frame or before it is the first to read.
    begin = select(func.max(parts.c.first_frame)).where(*own, parts.c.first_frame <= frame)
    query = (
        select(parts)
        .where(
            *own,
            parts.c.first_frame >= func.coalesce(begin.scalar_subquery(), 0),
            parts.c.last_frame >= frame,
        )
        .order_by(parts.c.first_frame)
        .limit(limit)
    )
    if to_frame is not None:
        query = query.where(parts.c.first_frame <= to_frame)
    return list(transaction.connection.execute(query))


def total_bytes(transaction: Transaction) -> int:
    """Give the bytes of all prediction rows, fresh and settled."""
    total = transaction.connection.execute(select(func.sum(parts.c.size_bytes))).scalar()
    return int(total or 0)


def oldest_ms(transaction: Transaction) -> int | None:
    """Give when the oldest of all parts was committed (wall time); None where there is none."""
    found = transaction.connection.execute(select(func.min(parts.c.at_ms))).scalar()
    return None if found is None else int(found)


def trim(
    transaction: Transaction, *, before_ms: int | None, excess_bytes: int, limit: int
) -> list[Trimmed]:
    """Delete the oldest parts: those committed before a time, and as many as are in excess.

    At most about `limit` of them; nothing left to delete where none is given. A run always loses
    its beginning, never its middle.
    """
    oldest = transaction.connection.execute(
        select(parts.c.scenario_id, parts.c.run, parts.c.first, parts.c.at_ms, parts.c.size_bytes)
        .order_by(parts.c.at_ms)
        .limit(limit)
    )
    last: dict[tuple[str, int], int] = {}
    for row in oldest:
        is_old = before_ms is not None and row.at_ms < before_ms
        if not is_old and excess_bytes <= 0:
            break
        excess_bytes -= row.size_bytes
        key = (row.scenario_id, row.run)
        last[key] = max(row.first, last.get(key, row.first))
    return [_trim_run(transaction, *key, first) for key, first in last.items()]


def _trim_run(transaction: Transaction, scenario_id: str, number: int, to_first: int) -> Trimmed:
    run = transaction.connection.execute
    doomed = (parts.c.scenario_id == scenario_id, parts.c.run == number, parts.c.first <= to_first)
    rows = list(run(select(*_FACTS).where(*doomed)))
    run(delete(parts).where(*doomed))
    throw_away(transaction, [row.blob_key for row in rows if row.blob_key is not None])
    to_frame = max(row.last_frame for row in rows)
    run(
        update(runs)
        .where(runs.c.scenario_id == scenario_id, runs.c.run == number)
        .values(trimmed_to_frame=to_frame)
    )
    return Trimmed(
        scenario_id,
        number,
        to_frame,
        sum(row.rows for row in rows),
        sum(row.size_bytes for row in rows),
    )
