"""Events as they are written down: numbered by their run, and told once they are committed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import bindparam, insert, select, update

from vedette.domain.cloud_event import cloud_event
from vedette.domain.event import Event
from vedette.domain.ids import ScenarioId, Token, event_id
from vedette.store.base import Transaction
from vedette.store.schema import events, runs
from vedette.store.statements import outbox

# The topic that `bus/topics` names so; the store knows no bus.
EVENTS = "vedette.events"

_ADD_EVENTS = insert(events)
_TOLD_BEFORE = select(runs.c.events).where(
    runs.c.scenario_id == bindparam("of_scenario"), runs.c.run == bindparam("of_run")
)
_TOLD_NOW = (
    update(runs)
    .where(runs.c.scenario_id == bindparam("of_scenario"), runs.c.run == bindparam("of_run"))
    .values(events=bindparam("events_now"))
)


def tell_events(
    transaction: Transaction,
    scenario_id: ScenarioId,
    run: int,
    happened: Sequence[tuple[Event, int | None]],
    *,
    token: Token,
) -> int:
    """Write events down behind those of the run so far; give how many it has told in all.

    Args:
        transaction: To write in; its token has been checked.
        scenario_id: Whose they are.
        run: Which start of it.
        happened: In order; with the wall time (ms) of each, where known. Their own numbers do not
            count.
        token: Of whoever found them.
    """
    ask = transaction.connection.execute
    of_run = {"of_scenario": scenario_id, "of_run": run}
    before = ask(_TOLD_BEFORE, of_run).scalar_one()
    numbered = [(before + place, one, at_ms) for place, (one, at_ms) in enumerate(happened)]
    ask(
        _ADD_EVENTS,
        [
            {
                "scenario_id": scenario_id,
                "run": run,
                "id": event_id(scenario_id, run, number),
                "sequence": number,
                "type": str(one.type),
                "frame": one.frame,
                "pts_s": one.pts_s,
                "captured_at_ms": at_ms,
                "track_id": one.track_id,
                "label": one.label,
                "place": one.place,
                "direction": one.direction,
                "dwell_s": one.dwell_s,
                "cause": one.cause,
                "detail": one.detail,
                "token": token,
            }
            for number, one, at_ms in numbered
        ],
    )
    told: int = before + len(happened)
    ask(_TOLD_NOW, {**of_run, "events_now": told})
    said = [
        cloud_event(
            replace(one, sequence=number), scenario_id, run, token=token, captured_at_ms=at_ms
        )
        for number, one, at_ms in numbered
    ]
    outbox.add_all(transaction, EVENTS, [(scenario_id, json.dumps(one)) for one in said])
    return told
