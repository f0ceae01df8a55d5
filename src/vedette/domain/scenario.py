"""A scenario's life: its six states, and the one function that changes them.

`decide` is pure: a scenario and what happened to it give the scenario after that. What has to be
done follows from the state alone (`needs_holder`, `should_run`, `should_stop`), so whoever acts may
look at any time, twice, or after anything was lost.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TypeAlias

from vedette.domain.errors import TransitionRefused
from vedette.domain.ids import ScenarioId, SourceId


class ScenarioState(StrEnum):
    """Where a scenario is on its way up or down."""

    INACTIVE = "inactive"
    INIT_STARTUP = "init_startup"
    IN_STARTUP_PROCESSING = "in_startup_processing"
    ACTIVE = "active"
    INIT_SHUTDOWN = "init_shutdown"
    IN_SHUTDOWN_PROCESSING = "in_shutdown_processing"


class Wanted(StrEnum):
    """Where it should end up."""

    ACTIVE = "active"
    INACTIVE = "inactive"


class StatusReason(StrEnum):
    """Why a scenario is in its state; the words the outside sees."""

    NEW = "new"
    STARTED = "started"
    GRANTED = "granted"
    RUNNING = "running"
    RUNNER_LOST = "runner_lost"
    RUNNER_DRAINED = "runner_drained"
    STOPPED = "stopped"
    COMPLETED = "completed"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Scenario:
    """What decides a scenario's life.

    Attributes:
        id: Its name.
        source_id: What it looks at.
        state: Where it is.
        wanted: Where it should end up.
        status_reason: Why it is where it is; at `inactive`: why its last run ended.
        detail: One sentence for people; may be empty.
        start_again: A start came during shutdown and is taken up at `inactive`.
        run: Number of its present or last start; 0 means never started.
    """

    id: ScenarioId
    source_id: SourceId
    state: ScenarioState = ScenarioState.INACTIVE
    wanted: Wanted = Wanted.INACTIVE
    status_reason: StatusReason = StatusReason.NEW
    detail: str = ""
    start_again: bool = False
    run: int = 0


@dataclass(frozen=True, slots=True)
class StartAsked:
    """Somebody wants it to run."""


@dataclass(frozen=True, slots=True)
class StopAsked:
    """Somebody wants it to end."""


@dataclass(frozen=True, slots=True)
class HolderFound:
    """A runner holds the lease of its source."""


@dataclass(frozen=True, slots=True)
class PipelineUp:
    """The holder runs its pipeline."""


@dataclass(frozen=True, slots=True)
class HolderLost:
    """The holder died, fell silent, or gave the lease back while the scenario should run."""

    reason: StatusReason = StatusReason.RUNNER_LOST
    detail: str = ""


@dataclass(frozen=True, slots=True)
class RunEnded:
    """The pipeline came to its own end: the video is over, or waiting cannot mend what is wrong."""

    reason: StatusReason
    detail: str = ""


@dataclass(frozen=True, slots=True)
class HolderTold:
    """The holder has been asked to let go."""


@dataclass(frozen=True, slots=True)
class LetGo:
    """Nobody runs it: thread, socket, process and lease are gone."""


Happening: TypeAlias = (
    StartAsked | StopAsked | HolderFound | PipelineUp | HolderLost | RunEnded | HolderTold | LetGo
)

_GOING_UP = frozenset(
    {ScenarioState.INIT_STARTUP, ScenarioState.IN_STARTUP_PROCESSING, ScenarioState.ACTIVE}
)
_GOING_DOWN = frozenset({ScenarioState.INIT_SHUTDOWN, ScenarioState.IN_SHUTDOWN_PROCESSING})


def decide(scenario: Scenario, happening: Happening) -> Scenario:
    """Give the scenario after what happened; the same one where that changes nothing.

    News may come late, twice or out of order: what no longer fits changes nothing.

    Raises:
        TransitionRefused: a start of what runs already.
    """
    match happening:
        case StartAsked():
            after = _start(scenario)
        case StopAsked():
            after = _stop(scenario)
        case HolderFound():
            after = _step(scenario, ScenarioState.INIT_STARTUP,
                          ScenarioState.IN_STARTUP_PROCESSING, StatusReason.GRANTED)  # fmt: skip
        case PipelineUp():
            after = _step(scenario, ScenarioState.IN_STARTUP_PROCESSING,
                          ScenarioState.ACTIVE, StatusReason.RUNNING)  # fmt: skip
        case HolderLost(reason, detail):
            after = _holder_lost(scenario, reason, detail)
        case RunEnded(reason, detail):
            after = _run_ended(scenario, reason, detail)
        case HolderTold():
            after = _told(scenario)
        case LetGo():
            after = _let_go(scenario)
    return after


def road(before: Scenario, after: Scenario) -> tuple[ScenarioState, ...]:
    """Give the states that one decision led through, the last one included; empty where none.

    Some news says several things at once: who lets go before being told has been told, and a start
    that came during shutdown is taken up at `inactive`. History shows every arrow by itself.
    """
    if before.state is after.state and before.run == after.run:
        return ()
    if before.state not in _GOING_DOWN or after.state in _GOING_DOWN:
        return (after.state,)
    told = (ScenarioState.IN_SHUTDOWN_PROCESSING,)
    passed = told if before.state is ScenarioState.INIT_SHUTDOWN else ()
    if after.state is ScenarioState.INACTIVE:
        return (*passed, after.state)
    return (*passed, ScenarioState.INACTIVE, after.state)


def needs_holder(scenario: Scenario) -> bool:
    """Tell whether its source should be leased to somebody, and is not yet known to be."""
    return scenario.state is ScenarioState.INIT_STARTUP


def should_run(scenario: Scenario) -> bool:
    """Tell whether the holder should have a pipeline for it."""
    return scenario.state in {ScenarioState.IN_STARTUP_PROCESSING, ScenarioState.ACTIVE}


def should_stop(scenario: Scenario) -> bool:
    """Tell whether whoever still runs it should let go."""
    return scenario.state in _GOING_DOWN


def _start(scenario: Scenario) -> Scenario:
    if scenario.state in _GOING_DOWN:
        return replace(scenario, wanted=Wanted.ACTIVE, start_again=True)
    if scenario.state in _GOING_UP:
        raise TransitionRefused(
            f"scenario '{scenario.id}': it is {scenario.state} already; stop it first to start anew"
        )
    return replace(
        scenario,
        state=ScenarioState.INIT_STARTUP,
        wanted=Wanted.ACTIVE,
        status_reason=StatusReason.STARTED,
        detail="",
        start_again=False,
        run=scenario.run + 1,
    )


def _stop(scenario: Scenario) -> Scenario:
    if scenario.state is ScenarioState.INACTIVE:
        return scenario
    stopped = replace(scenario, wanted=Wanted.INACTIVE, start_again=False)
    if scenario.state in _GOING_DOWN:
        return stopped
    return replace(
        stopped, state=ScenarioState.INIT_SHUTDOWN, status_reason=StatusReason.STOPPED, detail=""
    )


def _step(
    scenario: Scenario, before: ScenarioState, after: ScenarioState, reason: StatusReason
) -> Scenario:
    if scenario.state is not before:
        return scenario
    return replace(scenario, state=after, status_reason=reason, detail="")


def _holder_lost(scenario: Scenario, reason: StatusReason, detail: str) -> Scenario:
    if scenario.state in {ScenarioState.IN_STARTUP_PROCESSING, ScenarioState.ACTIVE}:
        return replace(
            scenario, state=ScenarioState.INIT_STARTUP, status_reason=reason, detail=detail
        )
    if scenario.state in _GOING_DOWN:
        return _let_go(scenario)
    return scenario


def _run_ended(scenario: Scenario, reason: StatusReason, detail: str) -> Scenario:
    if scenario.state not in {ScenarioState.IN_STARTUP_PROCESSING, ScenarioState.ACTIVE}:
        return scenario
    return replace(
        scenario,
        state=ScenarioState.INIT_SHUTDOWN,
        wanted=Wanted.INACTIVE,
        status_reason=reason,
        detail=detail,
    )


def _told(scenario: Scenario) -> Scenario:
    if scenario.state is not ScenarioState.INIT_SHUTDOWN:
        return scenario
    return replace(scenario, state=ScenarioState.IN_SHUTDOWN_PROCESSING)


def _let_go(scenario: Scenario) -> Scenario:
    if scenario.state not in _GOING_DOWN:
        return scenario
    ended = replace(scenario, state=ScenarioState.INACTIVE)
    return _start(ended) if scenario.start_again else ended
