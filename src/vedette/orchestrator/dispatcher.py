"""Which runner gets a source: the least loaded one that has room."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterable, Sequence

from vedette.domain.ids import SourceId
from vedette.domain.scenario import HolderFound, Scenario, decide
from vedette.store.base import Transaction
from vedette.store.statements import leases, quarantine, rounds, scenarios
from vedette.store.statements.leases import RunnerRow
from vedette.store.statements.scenarios import Change
from vedette.store.statements.watching import Life


def spread(sources: Iterable[SourceId], runners: Sequence[RunnerRow]) -> dict[SourceId, RunnerRow]:
    """Give each source a runner, as long as there is room; sources in order of urgency.

    The next one goes to the runner of which the smallest share is taken; of equal ones to the
    first by id.
    """
    queue = [
        (one.load / one.capacity, one.id, one.load, one)
        for one in runners
        if one.load < one.capacity
    ]
    heapq.heapify(queue)
    given: dict[SourceId, RunnerRow] = {}
    for source_id in sources:
        if not queue:
            break
        if source_id in given:
            continue
        _, runner_id, load, runner = heapq.heappop(queue)
        given[source_id] = runner
        if load + 1 < runner.capacity:
            share = (load + 1) / runner.capacity
            heapq.heappush(queue, (share, runner_id, load + 1, runner))
    return given


def grant_waiting(transaction: Transaction, limit: int, *, dead: Collection[Life]) -> int:
    """Lease sources of scenarios that start up; give how many scenarios got a holder.

    Args:
        transaction: Where.
        limit: Scenarios at most.
        dead: Runners that are proven dead, whatever their rows say.
    """
    waiting = rounds.starting_unheld(transaction, limit)
    if not waiting:
        return 0
    runners = [
        one for one in leases.live_runners(transaction) if (one.id, one.incarnation) not in dead
    ]
    by_source: dict[SourceId, list[Scenario]] = {}
    for scenario in waiting:
        by_source.setdefault(scenario.source_id, []).append(scenario)
    apart = quarantine.put_apart(transaction)
    ordinary = [one for one in runners if one.only is None]
    given = spread([one for one in by_source if one not in apart], ordinary)
    given |= {one.only: one for one in runners if one.only in apart and one.only in by_source}
    changes = []
    for source_id, runner in given.items():
        token = leases.grant(transaction, source_id, runner.id, runner.incarnation)
        changes += [
            Change(before, decide(before, HolderFound()), token) for before in by_source[source_id]
        ]
    scenarios.save_changes(transaction, changes)
    return len(changes)
