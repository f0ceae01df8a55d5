"""What is counted of a run: each kind, place and label of which there are buckets."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import func, select

from vedette.domain.count import CountKind
from vedette.store.base import Transaction
from vedette.store.schema import counts


class Series(NamedTuple):
    """The counts of one label in one place."""

    kind: CountKind
    place: str
    label: str


def series_before(
    transaction: Transaction, scenario_id: str, run: int, before_ms: int
) -> set[Series]:
    """Give what the last bucket of a run holds that begins before then; empty where none does."""
    own = (counts.c.scenario_id == scenario_id, counts.c.run == run)
    last = select(func.max(counts.c.start_ms)).where(*own, counts.c.start_ms < before_ms)
    rows = transaction.connection.execute(
        select(counts.c.kind, counts.c.place, counts.c.label).where(
            *own, counts.c.start_ms == last.scalar_subquery()
        )
    )
    return {Series(CountKind(row.kind), row.place, row.label) for row in rows}
