"""Messages to be sent, written with what they tell: sent at least once, then deleted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import delete, insert, select

from vedette.store.base import Transaction
from vedette.store.schema import outbox


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """A message that waits; ids grow in the order of writing."""

    id: int
    topic: str
    key: str
    payload: str


def add(transaction: Transaction, topic: str, key: str, payload: str) -> None:
    """Have a message sent once this transaction is committed, and only then."""
    transaction.connection.execute(
        insert(outbox).values(topic=topic, key=key, payload=payload, at_ms=transaction.wall_ms)
    )


def add_all(transaction: Transaction, topic: str, messages: Sequence[tuple[str, str]]) -> None:
    """Have messages (key, payload) sent, in this order; see `add`."""
    transaction.connection.execute(
        insert(outbox),
        [
            {"topic": topic, "key": key, "payload": payload, "at_ms": transaction.wall_ms}
            for key, payload in messages
        ],
    )


def waiting(transaction: Transaction, limit: int) -> list[OutboxRow]:
    """Give the messages that wait, oldest first."""
    rows = transaction.connection.execute(
        select(outbox.c.id, outbox.c.topic, outbox.c.key, outbox.c.payload)
        .order_by(outbox.c.id)
        .limit(limit)
    )
    return [OutboxRow(row.id, row.topic, row.key, row.payload) for row in rows]


def drop(transaction: Transaction, ids: Sequence[int]) -> None:
    """Forget messages that were sent; those gone already are no error."""
    transaction.connection.execute(delete(outbox).where(outbox.c.id.in_(ids)))
