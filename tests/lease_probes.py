"""What tests ask of leases, as the orchestrator sees them."""

from __future__ import annotations

from sqlalchemy import select

from vedette.domain.ids import SourceId
from vedette.store import schema
from vedette.store.base import Transaction
from vedette.store.statements import leases, watching


def lapsed(transaction: Transaction) -> list[leases.Held]:
    """Leases that ran out by now, or whose holder began a new life: what the watchdog finds."""
    found = watching.lost(transaction, dead=(), silent_before_ms=transaction.now_ms, limit=100)
    return [one.held for one in found]


def may_be_granted(transaction: Transaction, source_id: SourceId) -> bool:
    """Whether the pause after its holders' deaths is over."""
    query = select(schema.sources.c.wait_until_ms).where(schema.sources.c.id == source_id)
    return bool(transaction.connection.execute(query).scalar_one() <= transaction.now_ms)
