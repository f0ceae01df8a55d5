"""Answers to requests that bore an idempotency key: the same request again gets the same answer."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import delete, insert, select

from vedette.domain.errors import Conflict
from vedette.store.base import Transaction
from vedette.store.schema import idempotency


@dataclass(frozen=True, slots=True)
class Answer:
    """What was answered.

    Attributes:
        status: The HTTP status.
        text: The body, JSON.
    """

    status: int
    text: str


def remembered(transaction: Transaction, key: str, fingerprint: str) -> Answer | None:
    """Give the answer to an earlier request of that key; None where there was none.

    Args:
        transaction: The transaction that will do what is asked.
        key: The caller's.
        fingerprint: Tells one request from another, such as a SHA-256 of it.

    Raises:
        Conflict: the key came with another request before.
    """
    row = transaction.connection.execute(
        select(idempotency).where(idempotency.c.key == key)
    ).first()
    if row is None:
        return None
    if row.fingerprint != fingerprint:
        raise Conflict(
            f"idempotency key '{key}': it came with another request before; use a new one"
        )
    return Answer(row.status, row.answer)


def remember(
    transaction: Transaction, key: str, fingerprint: str, status: int, answer: str
) -> None:
    """Keep an answer, in the transaction that does what was asked; after `remembered` there."""
    transaction.connection.execute(
        insert(idempotency).values(
            key=key,
            fingerprint=fingerprint,
            status=status,
            answer=answer,
            at_ms=transaction.wall_ms,
        )
    )


def forget_before(transaction: Transaction, at_ms: int) -> int:
    """Delete answers given before then (wall time); give how many."""
    done = transaction.connection.execute(delete(idempotency).where(idempotency.c.at_ms < at_ms))
    return int(done.rowcount)
