"""What an orchestrator does to scenarios: each step one transaction, safe to do twice.

A step reads in its own transaction what there is to do; so two orchestrators, or one that was
killed between two steps, do nothing twice and leave nothing out.
"""

from __future__ import annotations

from vedette.domain.errors import TransitionRefused
from vedette.domain.scenario import (
    Happening,
    HolderFound,
    HolderLost,
    HolderTold,
    LetGo,
    Scenario,
    StartAsked,
    StatusReason,
    StopAsked,
    decide,
)
from vedette.store.base import Transaction
from vedette.store.statements import leases, rounds, scenarios
from vedette.store.statements.scenarios import Change


def decide_commands(transaction: Transaction, limit: int) -> int:
    """Carry out the oldest commands in the order they were accepted; give how many."""
    waiting = scenarios.waiting_commands(transaction, limit)
    now = scenarios.scenarios_of(transaction, {one.scenario_id for one in waiting})
    changes = []
    for command in waiting:
        before = now[command.scenario_id]
        asked: Happening = StartAsked() if command.kind == scenarios.START else StopAsked()
        try:
            after = decide(before, asked)
        except TransitionRefused:
            continue  # A start of what runs: what it asks for already is.
        changes.append(Change(before, after))
        now[command.scenario_id] = after
    scenarios.save_changes(transaction, changes)
    if waiting:
        scenarios.drop_commands(transaction, [one.id for one in waiting])
    return len(waiting)


def use_holders(transaction: Transaction, limit: int) -> int:
    """Start scenarios on sources that a live runner holds already; give how many."""
    found = rounds.starting_held(transaction, limit)
    changes = [
        Change(one.scenario, decide(one.scenario, HolderFound()), one.held.token)
        for one in found
        if one.held is not None
    ]
    scenarios.save_changes(transaction, changes)
    return len(found)


def end_runs(transaction: Transaction, limit: int) -> int:
    """Tell holders to let go, and end what nobody holds; give how many."""
    found = rounds.ending(transaction, limit)
    changes = []
    for one in found:
        told = decide(one.scenario, HolderTold())
        if one.held is None:
            changes.append(Change(one.scenario, decide(told, LetGo())))
        else:
            changes.append(Change(one.scenario, told, one.held.token))
    scenarios.save_changes(transaction, changes)
    return len(found)


def start_anew(transaction: Transaction, limit: int) -> int:
    """Start again what should be running on a source that its holder gave back; give how many."""
    found = rounds.left(transaction, limit)
    for one in found:
        lose_holder(transaction, one.scenario, reason=StatusReason.RUNNER_DRAINED)
    return len(found)


def lose_holder(
    transaction: Transaction,
    before: Scenario,
    *,
    reason: StatusReason = StatusReason.RUNNER_LOST,
    detail: str = "",
) -> None:
    """Take up that nobody holds a scenario's source any more; the lease is gone already."""
    scenarios.save_change(transaction, before, decide(before, HolderLost(reason, detail)))


def release_idle(transaction: Transaction, limit: int) -> int:
    """End the leases of sources of which every scenario is at rest; give how many."""
    idle = leases.idle_sources(transaction, limit)
    for held in idle:
        leases.take_away(transaction, held.source_id, held.token)
    return len(idle)
