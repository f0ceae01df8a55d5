"""What an orchestrator finds to do when it looks: one question, and a list per kind of work."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from typing import Any

from sqlalchemy import Row, Select, and_, exists, or_, select

from vedette.domain.ids import RunnerId, SourceId, Token
from vedette.domain.scenario import Scenario, ScenarioState
from vedette.store.base import Transaction
from vedette.store.schema import commands, outbox, runners, scenarios, sources
from vedette.store.statements.leases import Held, idle_sources
from vedette.store.statements.scenarios import _scenario


@dataclass(frozen=True, slots=True)
class Todo:
    """Which kinds of work there are.

    Attributes:
        commands: Commands wait for a decision.
        held: Scenarios start up whose source somebody holds already.
        unheld: Scenarios start up whose source somebody should get.
        ending: Scenarios whose holder has to be told, or that nobody runs any more.
        left: Scenarios run by the book, but nobody holds their source.
        idle: Sources are leased for nothing.
        outbox: Messages wait to be sent.
    """

    commands: bool
    held: bool
    unheld: bool
    ending: bool
    left: bool
    idle: bool
    outbox: bool

    def __bool__(self) -> bool:
        return any(astuple(self))


@dataclass(frozen=True, slots=True)
class OnSource:
    """A scenario with the lease of its source; `held` is None where nobody has it."""

    scenario: Scenario
    held: Held | None


def todo(transaction: Transaction) -> Todo:
    """Look whether there is anything to do."""
    run = transaction.connection.execute
    row = run(
        select(
            exists(select(commands.c.id)),
            _held_query(transaction).exists(),
            _unheld_query(transaction).exists(),
            _ENDING.exists(),
            _LEFT.exists(),
            exists(select(outbox.c.id)),
        )
    ).one()
    is_idle = bool(idle_sources(transaction, 1))
    waiting, held, unheld, is_ending, is_left, to_send = (bool(one) for one in row)
    return Todo(waiting, held, unheld, is_ending, is_left, is_idle, to_send)


def starting_held(transaction: Transaction, limit: int) -> list[OnSource]:
    """Give scenarios that start up and whose source a live runner holds."""
    return _on_sources(transaction, _held_query(transaction), limit)


def starting_unheld(transaction: Transaction, limit: int) -> list[Scenario]:
    """Give scenarios whose source may be granted now, those that have waited longest first."""
    return [one.scenario for one in _on_sources(transaction, _unheld_query(transaction), limit)]


def ending(transaction: Transaction, limit: int) -> list[OnSource]:
    """Give scenarios whose holder has to be told to let go, or that have no holder any more."""
    return _on_sources(transaction, _ENDING, limit)


def left(transaction: Transaction, limit: int) -> list[OnSource]:
    """Give scenarios that should be running on a source that nobody holds."""
    return _on_sources(transaction, _LEFT, limit)


_ON_SOURCE = select(
    scenarios, sources.c.token, sources.c.holder, sources.c.incarnation
).join(sources, sources.c.id == scenarios.c.source_id)  # fmt: skip

_NOBODY = sources.c.holder.is_(None)

_ENDING = _ON_SOURCE.where(
    or_(
        scenarios.c.state == ScenarioState.INIT_SHUTDOWN,
        and_(scenarios.c.state == ScenarioState.IN_SHUTDOWN_PROCESSING, _NOBODY),
    )
)

_LEFT = _ON_SOURCE.where(
    scenarios.c.state.in_([ScenarioState.IN_STARTUP_PROCESSING, ScenarioState.ACTIVE]), _NOBODY
)


def _held_query(transaction: Transaction) -> Select[Any]:
    return _ON_SOURCE.join(
        runners,
        and_(
            runners.c.id == sources.c.holder,
            runners.c.incarnation == sources.c.incarnation,
            runners.c.until_ms > transaction.now_ms,
        ),
    ).where(scenarios.c.state == ScenarioState.INIT_STARTUP)


def _unheld_query(transaction: Transaction) -> Select[Any]:
    return _ON_SOURCE.where(
        scenarios.c.state == ScenarioState.INIT_STARTUP,
        _NOBODY,
        sources.c.wait_until_ms <= transaction.now_ms,
    )


def _on_sources(transaction: Transaction, query: Select[Any], limit: int) -> list[OnSource]:
    ordered = query.order_by(scenarios.c.updated_at_ms, scenarios.c.id).limit(limit)
    return [OnSource(_scenario(row), _held(row)) for row in transaction.connection.execute(ordered)]


def _held(row: Row[Any]) -> Held | None:
    if row.holder is None:
        return None
    return Held(SourceId(row.source_id), Token(row.token), RunnerId(row.holder), row.incarnation)
