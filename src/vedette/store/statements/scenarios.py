"""Scenarios: their rows, their changes, and the commands that wait for a decision."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, and_, delete, insert, or_, select, update

from vedette.domain.errors import NotFound
from vedette.domain.ids import ScenarioId, SourceId, Token
from vedette.domain.parameters import Parameters
from vedette.domain.scenario import Scenario, ScenarioState, StatusReason, Wanted, road
from vedette.store.base import Transaction
from vedette.store.schema import commands, runs, scenarios, sources, transitions
from vedette.store.statements import outbox
from vedette.store.statements.json_text import parameters_from, parameters_text

START, STOP = "start", "stop"
# The topic of changes of state; also in bus/topics.py, which is no room of ours.
NOTICES = "vedette.notices"
# For changes that no holder made.
NO_TOKEN = Token(0)


@dataclass(frozen=True, slots=True)
class ScenarioRow:
    """A scenario as it is written down.

    Attributes:
        scenario: What decides its life.
        parameters: How it looks.
        source_name: What it looks at, for people.
        created_at_ms: Wall time.
        updated_at_ms: Wall time of its last change of state.
    """

    scenario: Scenario
    parameters: Parameters
    source_name: str
    created_at_ms: int
    updated_at_ms: int


@dataclass(frozen=True, slots=True)
class Command:
    """Something accepted from outside; ids grow in the order of accepting."""

    id: int
    scenario_id: ScenarioId
    kind: str


def add_source(transaction: Transaction, source_id: SourceId, *, name: str, address: str) -> None:
    """Write a source down; `address` sealed where it holds a password."""
    transaction.connection.execute(
        insert(sources).values(id=source_id, name=name, address=address, token=0)
    )


def source_by_address(transaction: Transaction, address: str) -> SourceId | None:
    """Give the source of that very address text, if there is one."""
    found = transaction.connection.execute(
        select(sources.c.id).where(sources.c.address == address).limit(1)
    ).scalar()
    return None if found is None else SourceId(found)


def add_scenario(transaction: Transaction, scenario: Scenario, parameters: Parameters) -> None:
    """Write a new scenario down."""
    transaction.connection.execute(
        insert(scenarios).values(
            id=scenario.id,
            source_id=scenario.source_id,
            **_life(scenario),
            parameters=parameters_text(parameters),
            version=0,
            created_at_ms=transaction.wall_ms,
            updated_at_ms=transaction.wall_ms,
        )
    )


def add_command(transaction: Transaction, scenario_id: ScenarioId, kind: str) -> int:
    """Accept a command; give its id."""
    done = transaction.connection.execute(
        insert(commands)
        .values(scenario_id=scenario_id, kind=kind, accepted_at_ms=transaction.wall_ms)
        .returning(commands.c.id)
    )
    return int(done.scalar_one())


def waiting_commands(transaction: Transaction, limit: int) -> list[Command]:
    """Give the oldest commands that nobody decided yet."""
    rows = transaction.connection.execute(
        select(commands.c.id, commands.c.scenario_id, commands.c.kind)
        .order_by(commands.c.id)
        .limit(limit)
    )
    return [Command(row.id, ScenarioId(row.scenario_id), row.kind) for row in rows]


def drop_commands(transaction: Transaction, ids: Sequence[int]) -> None:
    """Forget commands; in the transaction that carries out what they ask."""
    transaction.connection.execute(delete(commands).where(commands.c.id.in_(ids)))


def command_waits(transaction: Transaction, scenario_id: ScenarioId) -> list[str]:
    """Give the kinds of the commands of a scenario that nobody decided yet, oldest first."""
    rows = transaction.connection.execute(
        select(commands.c.kind).where(commands.c.scenario_id == scenario_id).order_by(commands.c.id)
    )
    return [row.kind for row in rows]


def get_scenario(transaction: Transaction, scenario_id: str) -> ScenarioRow:
    """Give one scenario.

    Raises:
        NotFound: there is none of that id.
    """
    row = transaction.connection.execute(_ROWS.where(scenarios.c.id == scenario_id)).first()
    if row is None:
        raise NotFound(f"scenario '{scenario_id}': there is none of that id")
    return _scenario_row(row)


def list_scenarios(
    transaction: Transaction,
    *,
    after: tuple[int, str] | None = None,
    limit: int,
    state: ScenarioState | None = None,
) -> list[ScenarioRow]:
    """Give scenarios in the order of making, behind (created_at_ms, id) `after`."""
    query = _ROWS.order_by(scenarios.c.created_at_ms, scenarios.c.id).limit(limit)
    if after is not None:
        made_at_ms, scenario_id = after
        query = query.where(
            or_(
                scenarios.c.created_at_ms > made_at_ms,
                and_(scenarios.c.created_at_ms == made_at_ms, scenarios.c.id > scenario_id),
            )
        )
    if state is not None:
        query = query.where(scenarios.c.state == state)
    return [_scenario_row(row) for row in transaction.connection.execute(query)]


def scenarios_in(
    transaction: Transaction, states: Iterable[ScenarioState], limit: int
) -> list[Scenario]:
    """Give scenarios that are in one of the states, those that changed longest ago first."""
    rows = transaction.connection.execute(
        select(scenarios)
        .where(scenarios.c.state.in_([str(one) for one in states]))
        .order_by(scenarios.c.updated_at_ms, scenarios.c.id)
        .limit(limit)
    )
    return [_scenario(row) for row in rows]


def scenarios_on(transaction: Transaction, source_id: SourceId) -> list[Scenario]:
    """Give all scenarios of a source."""
    rows = transaction.connection.execute(
        select(scenarios).where(scenarios.c.source_id == source_id).order_by(scenarios.c.id)
    )
    return [_scenario(row) for row in rows]


def scenarios_of(transaction: Transaction, ids: Iterable[ScenarioId]) -> dict[str, Scenario]:
    """Give the scenarios of these ids that exist."""
    rows = transaction.connection.execute(
        select(scenarios).where(scenarios.c.id.in_([str(one) for one in ids]))
    )
    return {row.id: _scenario(row) for row in rows}


def save_change(
    transaction: Transaction, before: Scenario, after: Scenario, *, token: Token = NO_TOKEN
) -> None:
    """Write a decision down: the row, its history, and the run's beginning or end."""
    if after == before:
        return
    run = transaction.connection.execute
    run(
        update(scenarios)
        .where(scenarios.c.id == after.id)
        .values(**_life(after), version=scenarios.c.version + 1, updated_at_ms=transaction.wall_ms)
    )
    _save_road(transaction, before, after, token)
    ended = before.state is not ScenarioState.INACTIVE and (
        after.state is ScenarioState.INACTIVE or after.run != before.run
    )
    if ended:
        reason = before.status_reason
        run(
            update(runs)
            .where(runs.c.scenario_id == after.id, runs.c.run == before.run)
            .values(ended_at_ms=transaction.wall_ms, reason=reason)
        )
    if after.run != before.run:
        parameters = select(scenarios.c.parameters).where(scenarios.c.id == after.id)
        run(
            insert(runs).values(
                scenario_id=after.id,
                run=after.run,
                parameters=parameters.scalar_subquery(),
                started_at_ms=transaction.wall_ms,
            )
        )


def _save_road(
    transaction: Transaction, before: Scenario, after: Scenario, token: Token
) -> None:
    """Write every arrow into history and outbox; those before the last keep their cause."""
    state = before.state
    for step in road(before, after):
        of = after if step is after.state else before
        arrow = {
            "scenario_id": of.id,
            "run": of.run,
            "before": str(state),
            "after": str(step),
            "reason": str(of.status_reason),
            "token": token,
            "at_ms": transaction.wall_ms,
        }
        done = transaction.connection.execute(
            insert(transitions).values(**arrow).returning(transitions.c.id)
        )
        notice = {"id": done.scalar_one(), **arrow, "detail": of.detail}
        outbox.add(transaction, NOTICES, of.id, json.dumps(notice))
        state = step


def history(transaction: Transaction, scenario_id: ScenarioId, limit: int) -> list[Row[Any]]:
    """Give the newest changes of state, newest first: rows of `transitions`."""
    return list(
        transaction.connection.execute(
            select(transitions)
            .where(transitions.c.scenario_id == scenario_id)
            .order_by(transitions.c.id.desc())
            .limit(limit)
        )
    )


_ROWS = select(scenarios, sources.c.name.label("source_name")).join(
    sources, sources.c.id == scenarios.c.source_id
)


def _life(scenario: Scenario) -> dict[str, Any]:
    return {
        "state": str(scenario.state),
        "wanted": str(scenario.wanted),
        "status_reason": str(scenario.status_reason),
        "detail": scenario.detail,
        "start_again": scenario.start_again,
        "run": scenario.run,
    }


def _scenario(row: Row[Any]) -> Scenario:
    return Scenario(
        id=ScenarioId(row.id),
        source_id=SourceId(row.source_id),
        state=ScenarioState(row.state),
        wanted=Wanted(row.wanted),
        status_reason=StatusReason(row.status_reason),
        detail=row.detail,
        start_again=row.start_again,
        run=row.run,
    )


def _scenario_row(row: Row[Any]) -> ScenarioRow:
    return ScenarioRow(
        scenario=_scenario(row),
        parameters=parameters_from(row.parameters),
        source_name=row.source_name,
        created_at_ms=row.created_at_ms,
        updated_at_ms=row.updated_at_ms,
    )
