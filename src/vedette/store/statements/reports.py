"""What a runner reports of the scenarios it holds."""

from __future__ import annotations

import json

from sqlalchemy import update

from vedette.domain.errors import StaleToken
from vedette.domain.health import Health
from vedette.domain.ids import ScenarioId, SourceId, Token
from vedette.domain.scenario import Happening, Scenario, ScenarioState, decide
from vedette.store.base import Transaction
from vedette.store.schema import runs
from vedette.store.statements.leases import release_if_idle, require_token
from vedette.store.statements.scenarios import save_change, scenarios_of


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
) -> None:
    """Write down how the source of a run does, as its holder sees it.

    Raises:
        StaleToken: the source was given to somebody else.
    """
    require_token(transaction, source_id, token)
    text = json.dumps(health.as_json(at_ms=transaction.wall_ms))
    transaction.connection.execute(
        update(runs).where(runs.c.scenario_id == scenario_id, runs.c.run == run).values(health=text)
    )
