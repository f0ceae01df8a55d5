"""Which frames of a run were captured when, as far as the manifest knows."""

from __future__ import annotations

from sqlalchemy import func, or_, select

from vedette.store.base import Transaction
from vedette.store.schema import parts


def frames_between(
    transaction: Transaction,
    scenario_id: str,
    run: int,
    *,
    from_ms: int | None,
    to_ms: int | None,
) -> tuple[int, int] | None:
    """Give the first and the last frame of the parts that touch a stretch of wall time.

    Between them may be rows of other times. Parts whose time nobody knows are left out.

    Args:
        transaction: To read in.
        scenario_id: Whose rows.
        run: Of which run.
        from_ms: Those that touch [from_ms, to_ms); None bounds nothing.
        to_ms: See `from_ms`.

    Returns:
        None where there are no such parts.
    """
    first_ms, last_ms = parts.c.first_captured_at_ms, parts.c.last_captured_at_ms
    query = select(
        func.min(parts.c.first_frame).label("first"), func.max(parts.c.last_frame).label("last")
    ).where(parts.c.scenario_id == scenario_id, parts.c.run == run, last_ms.is_not(None))
    # Either end may be the later one: the clock may have been set back between.
    if from_ms is not None:
        query = query.where(or_(last_ms >= from_ms, first_ms >= from_ms))
    if to_ms is not None:
        query = query.where(or_(first_ms < to_ms, last_ms < to_ms))
    row = transaction.connection.execute(query).one()
    return None if row.first is None else (int(row.first), int(row.last))
