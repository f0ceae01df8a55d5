"""The sources that are registered, page by page."""

from __future__ import annotations

from sqlalchemy import and_, select

from vedette.domain.ids import SourceId, Token
from vedette.store.base import Transaction
from vedette.store.schema import runners, sources
from vedette.store.statements.overview import SourceRow


def list_sources(transaction: Transaction, *, after: str | None, limit: int) -> list[SourceRow]:
    """Give sources in the order of their ids, behind `after`."""
    query = select(sources, runners.c.until_ms).join(
        runners,
        and_(runners.c.id == sources.c.holder, runners.c.incarnation == sources.c.incarnation),
        isouter=True,
    )
    if after is not None:
        query = query.where(sources.c.id > after)
    rows = transaction.connection.execute(query.order_by(sources.c.id).limit(limit))
    return [
        SourceRow(
            id=SourceId(row.id),
            name=row.name,
            address=row.address,
            token=Token(row.token),
            holder=row.holder,
            holder_lives=(
                None
                if row.holder is None
                else row.until_ms is not None and row.until_ms > transaction.now_ms
            ),
            quarantine=row.quarantine,
        )
        for row in rows
    ]
