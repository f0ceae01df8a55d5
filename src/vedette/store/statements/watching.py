"""Which runners to watch, and which leases their holders have lost."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Row, and_, exists, false, or_, select, tuple_, update

from vedette.domain.ids import RunnerId, SourceId, Token
from vedette.store.base import Transaction
from vedette.store.schema import runners, sources
from vedette.store.statements.leases import Held

Life = tuple[str, str]
"""A runner's id and incarnation."""


class LossCause(StrEnum):
    """Why a holder has lost its leases."""

    DIED = "died"
    """Its process is proven gone."""
    REPLACED = "replaced"
    """A later incarnation of it registered."""
    SILENT = "silent"
    """It did not renew in time."""
    VOID = "void"
    """Its leases were voided: its machine was started anew, or it retired."""


@dataclass(frozen=True, slots=True)
class Lost:
    """A lease whose holder has lost it."""

    held: Held
    cause: LossCause


def watched(transaction: Transaction) -> tuple[int, list[Life]]:
    """Give the store's time, and the newest lives of all runners that are live or hold anything."""
    holders = select(sources.c.holder).where(sources.c.holder.is_not(None))
    rows = transaction.connection.execute(
        select(runners.c.id, runners.c.incarnation)
        .where(or_(runners.c.until_ms > transaction.now_ms, runners.c.id.in_(holders)))
        .order_by(runners.c.id)
    )
    return transaction.now_ms, [(row.id, row.incarnation) for row in rows]


def is_overdue(transaction: Transaction, *, before_ms: int) -> bool:
    """Tell whether a lease that somebody holds sources by will run out before `before_ms`."""
    holders = select(sources.c.holder).where(sources.c.holder.is_not(None))
    overdue = exists(
        select(runners.c.id).where(
            and_(
                runners.c.until_ms > 0,
                runners.c.until_ms < before_ms,
                runners.c.id.in_(holders),
            )
        )
    )
    return bool(transaction.connection.execute(select(overdue)).scalar_one())


def holders(transaction: Transaction) -> list[tuple[RunnerId, str]]:
    """Give all lives that hold anything by the book, dead or alive."""
    rows = transaction.connection.execute(
        select(sources.c.holder, sources.c.incarnation)
        .where(sources.c.holder.is_not(None))
        .distinct()
    )
    return [(RunnerId(row.holder), row.incarnation) for row in rows]


def lost(
    transaction: Transaction,
    *,
    dead: Collection[Life],
    silent_before_ms: int | None,
    limit: int,
) -> list[Lost]:
    """Give leases that their holders have lost.

    Args:
        transaction: Where.
        dead: Lives that are proven over.
        silent_before_ms: A lease that ran out by then was lost to silence; None: silence says
            nothing now.
        limit: At most so many.
    """
    is_dead = tuple_(runners.c.id, runners.c.incarnation).in_(list(dead)) if dead else false()
    is_silent = false() if silent_before_ms is None else runners.c.until_ms <= silent_before_ms
    is_replaced = runners.c.incarnation != sources.c.incarnation
    rows = transaction.connection.execute(
        select(
            sources.c.id,
            sources.c.token,
            sources.c.holder,
            sources.c.incarnation,
            runners.c.until_ms,
            is_dead.label("is_dead"),
            is_replaced.label("is_replaced"),
        )
        .join(runners, runners.c.id == sources.c.holder)
        .where(or_(is_dead, is_replaced, runners.c.until_ms == 0, is_silent))
        .order_by(sources.c.id)
        .limit(limit)
    )
    return [
        Lost(
            Held(SourceId(row.id), Token(row.token), RunnerId(row.holder), row.incarnation),
            _cause(row),
        )
        for row in rows
    ]


def bury(transaction: Transaction, dead: Collection[Life]) -> None:
    """Let the leases of lives proven over end now, so that nothing more is granted to them."""
    for runner_id, incarnation in dead:
        transaction.connection.execute(
            update(runners)
            .where(
                and_(runners.c.id == runner_id, runners.c.incarnation == incarnation),
                runners.c.until_ms > transaction.now_ms,
            )
            .values(until_ms=transaction.now_ms)
        )


def _cause(row: Row[Any]) -> LossCause:
    if row.is_replaced:
        return LossCause.REPLACED
    if row.until_ms == 0:
        return LossCause.VOID
    return LossCause.DIED if row.is_dead else LossCause.SILENT
