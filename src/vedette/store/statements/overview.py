"""What is shown of scenarios beside their own row: source, holder, runs, newest result."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, and_, func, or_, select

from vedette.domain.errors import NotFound
from vedette.domain.ids import SourceId, Token
from vedette.domain.scenario import ScenarioState
from vedette.store.base import Transaction
from vedette.store.schema import (
    commands,
    coverage,
    events,
    parts,
    runners,
    runs,
    scenarios,
    sources,
)


@dataclass(frozen=True, slots=True)
class SourceRow:
    """A source as it is written down.

    Attributes:
        id: Its name.
        name: For people and rows.
        address: Sealed where it holds a password.
        token: The newest; 0 means never granted.
        holder: The runner that has it; None where nobody does.
        holder_lives: Its lease holds now; None where nobody has it.
        quarantine: How often it was put apart.
    """

    id: SourceId
    name: str
    address: str
    token: Token
    holder: str | None
    holder_lives: bool | None
    quarantine: int


@dataclass(frozen=True, slots=True)
class NewestPart:
    """The last rows of a run: their last frame, and when they were committed (wall time)."""

    last_frame: int
    at_ms: int


def source_row(transaction: Transaction, source_id: str) -> SourceRow:
    """Give one source.

    Raises:
        NotFound: there is none of that id.
    """
    row = transaction.connection.execute(
        select(sources, runners.c.until_ms)
        .join(
            runners,
            and_(
                runners.c.id == sources.c.holder,
                runners.c.incarnation == sources.c.incarnation,
            ),
            isouter=True,
        )
        .where(sources.c.id == source_id)
    ).first()
    if row is None:
        raise NotFound(f"source '{source_id}': there is none of that id")
    lives = row.until_ms is not None and row.until_ms > transaction.now_ms
    return SourceRow(
        id=SourceId(row.id),
        name=row.name,
        address=row.address,
        token=Token(row.token),
        holder=row.holder,
        holder_lives=None if row.holder is None else lives,
        quarantine=row.quarantine,
    )


def source_exists(transaction: Transaction, source_id: str) -> bool:
    """Tell whether there is a source of that id."""
    found = transaction.connection.execute(select(sources.c.id).where(sources.c.id == source_id))
    return found.first() is not None


def runs_of(transaction: Transaction, scenario_id: str, limit: int) -> list[Row[Any]]:
    """Give the newest runs, newest first: rows of `runs`."""
    return list(
        transaction.connection.execute(
            select(runs).where(runs.c.scenario_id == scenario_id)
            .order_by(runs.c.run.desc()).limit(limit)
        )
    )  # fmt: skip


def newest_part(transaction: Transaction, scenario_id: str, run: int) -> NewestPart | None:
    """Tell how far a run's rows are committed; None where it has none."""
    row = transaction.connection.execute(
        select(parts.c.last_frame, parts.c.at_ms)
        .where(parts.c.scenario_id == scenario_id, parts.c.run == run)
        .order_by(parts.c.first.desc())
        .limit(1)
    ).first()
    return None if row is None else NewestPart(row.last_frame, row.at_ms)


def covered_until_ms(transaction: Transaction, scenario_id: str, run: int) -> int | None:
    """Give the wall time up to which a live source was last seen; None where it never was."""
    return transaction.connection.execute(
        select(func.max(coverage.c.to_ms)).where(
            coverage.c.scenario_id == scenario_id, coverage.c.run == run
        )
    ).scalar()


def commands_of(transaction: Transaction, ids: Sequence[str]) -> dict[str, list[str]]:
    """Give the kinds of the commands of scenarios that nobody decided yet, oldest first."""
    waiting: dict[str, list[str]] = {}
    rows = transaction.connection.execute(
        select(commands.c.scenario_id, commands.c.kind)
        .where(commands.c.scenario_id.in_(ids))
        .order_by(commands.c.id)
    )
    for row in rows:
        waiting.setdefault(row.scenario_id, []).append(row.kind)
    return waiting


def frames_of(transaction: Transaction, ids: Sequence[str]) -> dict[str, int]:
    """Give how many frames the present or last runs of scenarios looked at, where they did."""
    rows = transaction.connection.execute(
        select(scenarios.c.id, runs.c.totals)
        .join(runs, and_(runs.c.scenario_id == scenarios.c.id, runs.c.run == scenarios.c.run))
        .where(scenarios.c.id.in_(ids), runs.c.totals.is_not(None))
    )
    return {row.id: int(json.loads(row.totals)["frames"]["looked_at"]) for row in rows}


def scenarios_by_state(transaction: Transaction) -> dict[ScenarioState, int]:
    """Count scenarios in each state; all states are there."""
    rows = transaction.connection.execute(
        select(scenarios.c.state, func.count().label("number")).group_by(scenarios.c.state)
    )
    found = {row.state: int(row.number) for row in rows}
    return {state: found.get(str(state), 0) for state in ScenarioState}


def commands_waiting(transaction: Transaction) -> int:
    """Count the commands that nobody decided yet."""
    return int(
        transaction.connection.execute(select(func.count()).select_from(commands)).scalar_one()
    )


def runners_alive(transaction: Transaction) -> int:
    """Count the runners whose leases hold now."""
    return int(
        transaction.connection.execute(
            select(func.count()).select_from(runners)
            .where(runners.c.until_ms > transaction.now_ms)
        ).scalar_one()
    )  # fmt: skip


def scenarios_of_camera(transaction: Transaction, camera: str, limit: int) -> list[str]:
    """Give the ids of the scenarios on sources of that id or name, in order."""
    rows = transaction.connection.execute(
        select(scenarios.c.id)
        .join(sources, sources.c.id == scenarios.c.source_id)
        .where(or_(sources.c.id == camera, sources.c.name == camera))
        .order_by(scenarios.c.id)
        .limit(limit)
    )
    return [row.id for row in rows]


def last_event(transaction: Transaction, scenario_id: str, run: int) -> int:
    """Give the number of the last event of a run; -1 where it has none."""
    last = transaction.connection.execute(
        select(func.max(events.c.sequence)).where(
            events.c.scenario_id == scenario_id, events.c.run == run
        )
    ).scalar()
    return -1 if last is None else int(last)
