"""What a runner reports of the scenarios it holds."""

from __future__ import annotations

import json

from sqlalchemy import select, update

from vedette.domain.errors import StaleToken
from vedette.domain.event import Event, EventType
from vedette.domain.health import Health
from vedette.domain.ids import ScenarioId, SourceId, Token
from vedette.domain.scenario import Happening, Scenario, ScenarioState, decide
from vedette.store.base import Transaction
from vedette.store.schema import runs
from vedette.store.statements.leases import release_if_idle, require_token
from vedette.store.statements.scenarios import save_change, scenarios_of
from vedette.store.statements.telling import tell_events


def report(
    transaction: Transaction,
    scenario_id: ScenarioId,
    run: int,
    happening: Happening,
    *,
    source_id: SourceId,
    token: Token,
) -> Scenario:
    """Take up what the holder says of one run; give the scenario after it.

    Raises:
        StaleToken: the source was given to somebody else, or that run is over.
    """
    require_token(transaction, source_id, token)
    before = scenarios_of(transaction, [scenario_id]).get(scenario_id)
    if before is None or before.run != run:
        raise StaleToken(f"scenario '{scenario_id}': run {run} is over")
    after = decide(before, happening)
    save_change(transaction, before, after, token=token)
    if after.state is ScenarioState.INACTIVE:
        # At rest means that the lease is gone too.
        release_if_idle(transaction, source_id, token)
    return after


def report_health(
    transaction: Transaction,
    scenario_id: ScenarioId,
    run: int,
    health: Health,
    *,
    source_id: SourceId,
    token: Token,
    live: bool,
) -> None:
    """Write down how the source of a run does, as its holder sees it.

    That a camera went away, or came back, is an event too, once each time, whoever holds it.

    Args:
        transaction: To write in.
        scenario_id: Whose source it is.
        run: Which start of it.
        health: What its holder sees.
        source_id: What is leased.
        token: The lease's.
        live: Whether it is a camera.

    Raises:
        StaleToken: the source was given to somebody else, or that run is over.
    """
    require_token(transaction, source_id, token)
    own = (runs.c.scenario_id == scenario_id, runs.c.run == run)
    row = transaction.connection.execute(select(runs.c.health).where(*own)).first()
    if row is None:
        raise StaleToken(f"scenario '{scenario_id}': run {run} is over")
    text = json.dumps(health.as_json(at_ms=transaction.wall_ms))
    transaction.connection.execute(update(runs).where(*own).values(health=text))
    # At first nobody misses it.
    was_away = row.health is not None and not json.loads(row.health)["connected"]
    if live and was_away == health.connected:
        event = Event(
            sequence=0,
            type=EventType.CAMERA_ONLINE if health.connected else EventType.CAMERA_OFFLINE,
            cause=None if health.cause is None else str(health.cause),
            detail=health.message or None,
        )
        at_ms = transaction.wall_ms
        tell_events(transaction, scenario_id, run, [(event, at_ms)], token=token)
