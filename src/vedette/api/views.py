"""Scenarios as the outside reads them."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, Field
from sqlalchemy import Row

from vedette.api.accepting import foreseen
from vedette.api.parts import moment, moment_or_none
from vedette.domain.errors import ConfigError
from vedette.domain.parameters import Parameters
from vedette.domain.scenario import Scenario, ScenarioState
from vedette.sealing import Seal
from vedette.sources.address import HIDDEN, without_credentials
from vedette.store.base import Transaction
from vedette.store.statements import uploads
from vedette.store.statements.overview import (
    SourceRow,
    covered_until_ms,
    newest_part,
    runs_of,
    source_row,
)
from vedette.store.statements.scenarios import (
    ScenarioRow,
    command_waits,
    get_scenario,
    history,
)

RUNS_SHOWN = 20
TRANSITIONS_SHOWN = 50
# Shown instead of the address of a video that was uploaded.
UPLOADED = "uploaded"


class Accepted(BaseModel):
    """What was accepted, and the state that follows."""

    scenario_id: str
    status: str


class ParametersView(BaseModel):
    """How a scenario looks."""

    detector: str
    classes: list[str] | None
    confidence: float | None
    fps: float | None
    tiles: Annotated[str | None, Field(description="Columns x rows, such as `2x2`.")]
    scene: Annotated[dict[str, Any], Field(description="Zones and lines, as in a scene file.")]
    recorded_at: datetime | None


class SourceView(BaseModel):
    """What a scenario looks at; never with a password."""

    id: str
    name: str
    address: str
    token: Annotated[int, Field(description="Grows with every grant of the source's lease.")]
    holder: Annotated[str | None, Field(description="The runner that has it.")]
    holder_lives: bool | None
    quarantine: int


class RunView(BaseModel):
    """One start of a scenario."""

    run: int
    started_at: datetime
    ended_at: datetime | None
    reason: str | None
    totals: Annotated[dict[str, Any] | None, Field(description="Frames and counts so far.")]
    facts: Annotated[dict[str, Any] | None, Field(description="What the stream is.")]


class TransitionView(BaseModel):
    """One change of state."""

    run: int
    before: str
    after: str
    reason: str
    token: int
    at: datetime


class ModelView(BaseModel):
    """Whose model looks, as the runner said."""

    name: str
    licence: str
    source: str
    card: Annotated[str | None, Field(description="Path of its card on the runner's machine.")]


class HealthView(BaseModel):
    """How a source does, as its runner said last; null where nothing is known."""

    connected: bool | None
    cause: str | None
    message: str
    attempts: int | None
    next_try_s: float | None
    seen_at: datetime | None
    last_result_at: Annotated[datetime | None, Field(description="When rows last came.")]
    covered_until: Annotated[datetime | None, Field(description="A live source alone.")]


class ScenarioBrief(BaseModel):
    """A scenario in a list."""

    scenario_id: str
    status: Annotated[str, Field(description="The same as `state`.")]
    state: str
    wanted: str
    status_reason: str
    detail: str
    run: int
    waiting: Annotated[list[str], Field(description="Commands accepted, not yet decided.")]
    source_name: str
    created_at: datetime
    updated_at: datetime


class ScenarioLine(ScenarioBrief):
    """A scenario in a list, with how far it is."""

    frames: Annotated[int, Field(description="Looked at in the present or last run.")]


class ScenarioView(ScenarioBrief):
    """All that is known of a scenario."""

    source: SourceView
    parameters: ParametersView
    model: Annotated[
        ModelView | None, Field(description="In the present or last run; null before its start.")
    ]
    health: HealthView
    totals: dict[str, Any] | None
    runs: Annotated[list[RunView], Field(description=f"The newest {RUNS_SHOWN}.")]
    history: Annotated[
        list[TransitionView],
        Field(description=f"The newest {TRANSITIONS_SHOWN} changes of state, newest first."),
    ]


class ScenarioPage(BaseModel):
    """A page of a list; `next_cursor` is null at its end."""

    scenarios: list[ScenarioLine]
    next_cursor: str | None


def scenario_view(transaction: Transaction, scenario_id: str, seal: Seal) -> ScenarioView:
    """Give all that is known of a scenario.

    Raises:
        NotFound: there is none.
    """
    row = get_scenario(transaction, scenario_id)
    brief = brief_of(row, command_waits(transaction, row.scenario.id))
    runs = runs_of(transaction, scenario_id, RUNS_SHOWN)
    present = next((one for one in runs if one.run == row.scenario.run), None)
    return ScenarioView(
        **brief.model_dump(),
        source=source_view(source_row(transaction, row.scenario.source_id), seal),
        parameters=_parameters(row.parameters),
        model=_model(present),
        health=_health(transaction, row.scenario, present),
        totals=None if present is None else _object(present.totals),
        runs=[_run(one) for one in runs],
        history=[
            TransitionView(
                run=one.run,
                before=one.before,
                after=one.after,
                reason=one.reason,
                token=one.token,
                at=moment(one.at_ms),
            )
            for one in history(transaction, row.scenario.id, TRANSITIONS_SHOWN)
        ],
    )


def brief_of(row: ScenarioRow, waiting: list[str]) -> ScenarioBrief:
    """Give a scenario as lists show it."""
    shown = foreseen(row.scenario, waiting)
    return ScenarioBrief(
        scenario_id=shown.id,
        status=shown.state,
        state=shown.state,
        wanted=shown.wanted,
        status_reason=shown.status_reason,
        detail=shown.detail,
        run=shown.run,
        waiting=waiting,
        source_name=row.source_name,
        created_at=moment(row.created_at_ms),
        updated_at=moment(row.updated_at_ms),
    )


def source_view(row: SourceRow, seal: Seal) -> SourceView:
    """Give a source without its password."""
    try:
        address = without_credentials(seal.open(row.address))
    except ConfigError:  # Another key: the rest of what is known is to be seen all the same.
        address = HIDDEN
    return SourceView(
        id=row.id,
        name=row.name,
        address=address if not address.startswith(uploads.BLOB_SCHEME) else UPLOADED,
        token=row.token,
        holder=row.holder,
        holder_lives=row.holder_lives,
        quarantine=row.quarantine,
    )


def _parameters(parameters: Parameters) -> ParametersView:
    zones = [
        {"name": zone.name, "polygon": zone.polygon_norm, "labels": zone.labels}
        for zone in parameters.plan.zones
    ]
    lines = [
        {"name": line.name, "from": line.start_norm, "to": line.end_norm, "labels": line.labels}
        for line in parameters.plan.lines
    ]
    return ParametersView(
        detector=parameters.detector,
        classes=None if parameters.classes is None else list(parameters.classes),
        confidence=parameters.confidence,
        fps=parameters.fps,
        tiles=None if parameters.tiles is None else str(parameters.tiles),
        scene={"zones": zones, "lines": lines},
        recorded_at=parameters.recorded_at,
    )


def _health(transaction: Transaction, scenario: Scenario, run: Row[Any] | None) -> HealthView:
    said = (None if run is None else _object(run.health)) or {}
    newest = newest_part(transaction, scenario.id, scenario.run)
    at_rest = scenario.state is ScenarioState.INACTIVE  # What was said last is long past.
    return HealthView(
        connected=None if at_rest else said.get("connected"),
        cause=said.get("cause"),
        message=said.get("message", ""),
        attempts=said.get("attempts"),
        next_try_s=said.get("next_try_s"),
        seen_at=moment_or_none(said.get("at_ms")),
        last_result_at=None if newest is None else moment(newest.at_ms),
        covered_until=moment_or_none(covered_until_ms(transaction, scenario.id, scenario.run)),
    )


def _model(run: Row[Any] | None) -> ModelView | None:
    said = ((None if run is None else _object(run.facts)) or {}).get("model")
    return None if said is None else ModelView(**said)


def _run(row: Row[Any]) -> RunView:
    return RunView(
        run=row.run,
        started_at=moment(row.started_at_ms),
        ended_at=moment_or_none(row.ended_at_ms),
        reason=row.reason,
        totals=_object(row.totals),
        facts=_object(row.facts),
    )


def _object(text: str | None) -> dict[str, Any] | None:
    return None if text is None else json.loads(text)
