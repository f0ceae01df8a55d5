"""Scenarios: their rows, their changes, and the commands that wait for a decision."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from sqlalchemy import Row, and_, bindparam, delete, insert, or_, select, update

from vedette.domain.errors import NotFound
from vedette.domain.ids import ScenarioId, SourceId, Token
from vedette.domain.parameters import Parameters
from vedette.domain.scenario import Scenario, ScenarioState, StatusReason, Wanted, road
from vedette.store.base import Transaction
from vedette.store.schema import checkpoints, commands, runs, scenarios, sources, transitions
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


@dataclass(frozen=True, slots=True)
class Change:
    """A decision: a scenario before and after, and the token of the lease it was made under."""

    before: Scenario
    after: Scenario
    token: Token = NO_TOKEN


def add_source(transaction: Transaction, source_id: SourceId, *, name: str, address: str) -> None:
    """Write a source down; `address` sealed where it holds a password."""
    transaction.connection.execute(
        insert(sources).values(id=source_id, name=name, address=address, token=0)
    )


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
    save_changes(transaction, [Change(before, after, token)])


def save_changes(transaction: Transaction, changes: Sequence[Change]) -> None:
    """Write decisions down as `save_change` does, many at once; those of one scenario in order."""
    changes = [one for one in changes if one.after != one.before]
    if not changes:
        return
    run = transaction.connection.execute
    newest = {one.after.id: one.after for one in changes}
    at_ms = {"at_ms": transaction.wall_ms}
    run(_CHANGE, [{"of": one.id, **at_ms, **_life(one)} for one in newest.values()])
    arrows = [arrow for one in changes for arrow in _arrows(one, transaction.wall_ms)]
    if arrows:
        values = [{key: arrow[key] for key in arrow if key != "detail"} for arrow in arrows]
        ids = run(_TELL, values).scalars()
        notices = [{"id": number, **arrow} for number, arrow in zip(ids, arrows, strict=True)]
        outbox.add_all(
            transaction, NOTICES, [(one["scenario_id"], json.dumps(one)) for one in notices]
        )
    begun = [one.after for one in changes if one.after.run != one.before.run]
    if begun:
        run(_BEGIN_RUN, [{"of": one.id, "number": one.run, **at_ms} for one in begun])
    ended = [one.before for one in changes if _ends_run(one)]
    if ended:
        run(_END_RUN, [
            {"of": one.id, "number": one.run, "why": str(one.status_reason), **at_ms}
            for one in ended
        ])  # fmt: skip
        # The memory of a run that is over is of no use to anybody.
        run(_FORGET, [{"of": one.id, "number": one.run} for one in ended])


_CHANGE = (
    update(scenarios)
    .where(scenarios.c.id == bindparam("of"))
    .values(
        **{key: bindparam(key) for key in
           ("state", "wanted", "status_reason", "detail", "start_again", "run")},
        version=scenarios.c.version + 1,
        updated_at_ms=bindparam("at_ms"),
    )
)  # fmt: skip
_TELL = insert(transitions).returning(transitions.c.id, sort_by_parameter_order=True)
_BEGIN_RUN = insert(runs).values(
    scenario_id=bindparam("of"),
    run=bindparam("number"),
    parameters=select(scenarios.c.parameters)
    .where(scenarios.c.id == bindparam("of"))
    .scalar_subquery(),
    started_at_ms=bindparam("at_ms"),
)
_END_RUN = (
    update(runs)
    .where(runs.c.scenario_id == bindparam("of"), runs.c.run == bindparam("number"))
    .values(ended_at_ms=bindparam("at_ms"), reason=bindparam("why"))
)

_FORGET = delete(checkpoints).where(
    checkpoints.c.scenario_id == bindparam("of"), checkpoints.c.run == bindparam("number")
)


def _arrows(change: Change, at_ms: int) -> list[dict[str, Any]]:
    """Give every arrow of a decision; those before the last keep their cause."""
    before, after = change.before, change.after
    steps = (before.state, *road(before, after))
    return [
        {
            "scenario_id": of.id,
            "run": of.run,
            "before": str(here),
            "after": str(there),
            "reason": str(of.status_reason),
            "token": change.token,
            "at_ms": at_ms,
            "detail": of.detail,
        }
        for here, there in pairwise(steps)
        for of in [after if there is after.state else before]
    ]


def _ends_run(change: Change) -> bool:
    before, after = change.before, change.after
    was_running = before.state is not ScenarioState.INACTIVE
    return was_running and (after.state is ScenarioState.INACTIVE or after.run != before.run)


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
