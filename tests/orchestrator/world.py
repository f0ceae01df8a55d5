"""A small world for the control plane: the real store and orchestrator, and runners of chalk.

The host's clock stands still unless it is told to move, and messages are all lost: what is shown
here needs none of them. A chalk runner does what the store tells it, by the same statements that
the real one uses; it decodes nothing.
"""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest

from vedette.bus.base import Bus, Message
from vedette.clock import ManualClock
from vedette.domain.errors import StaleToken
from vedette.domain.ids import RunnerId, ScenarioId, SourceId, Token
from vedette.domain.parameters import Parameters
from vedette.domain.scenario import (
    Happening,
    HolderLost,
    LetGo,
    PipelineUp,
    RunEnded,
    Scenario,
    ScenarioState,
    StatusReason,
    decide,
    should_run,
)
from vedette.orchestrator.service import Orchestrator, OrchestratorOptions
from vedette.store import sqlite
from vedette.store.base import Store, Transaction
from vedette.store.sqlite import SqliteStore
from vedette.store.statements import leases, quarantine, results, scenarios
from vedette.store.statements.leases import Assignment, Held
from vedette.store.statements.overview import source_exists
from vedette.store.statements.reports import report

LEASE_S = 3.0
# 2026-01-01, and a machine that has been up for a day.
WALL_MS, BOOT_MS = 1_767_225_600_000, 86_400_000


class HostClock:
    """Stands in for the module `time` where the store asks its host."""

    CLOCK_BOOTTIME = time.CLOCK_BOOTTIME
    monotonic = staticmethod(time.monotonic)

    def __init__(self) -> None:
        self.wall_ms, self.boot_ms = WALL_MS, BOOT_MS

    def clock_gettime_ns(self, _: int) -> int:
        return self.boot_ms * 1_000_000

    def time_ns(self) -> int:
        return self.wall_ms * 1_000_000

    def pass_by(self, seconds: float) -> None:
        self.boot_ms += round(seconds * 1000)
        self.wall_ms += round(seconds * 1000)

    def jump(self, seconds: float) -> None:
        """Let somebody set the wall clock."""
        self.wall_ms += round(seconds * 1000)


class LosingBus(Bus):
    """Loses every message, as a bus may; keeps what was said for whoever asks later."""

    def __init__(self) -> None:
        self.said: list[Message] = []

    def publish(self, messages: Sequence[Message]) -> None:
        self.said += messages

    def subscribe(
        self,
        topics: Sequence[str],  # noqa: ARG002
        heard: Callable[[Message], None],  # noqa: ARG002
    ) -> Callable[[], None]:
        return lambda: None

    def close(self) -> None:
        pass


@dataclass
class ChalkPipeline:
    """What a runner believes to run."""

    source_id: SourceId
    run: int
    token: Token
    parts: int


@dataclass
class ChalkRunner:
    """A runner without pictures; dead, frozen or awake."""

    store: Store
    id: RunnerId
    incarnation: str
    capacity: int = 100
    only: SourceId | None = None
    pipelines: dict[ScenarioId, ChalkPipeline] = field(default_factory=dict)
    is_dead: bool = False
    is_frozen: bool = False
    said: list[tuple[Assignment, Happening]] = field(default_factory=list)

    def join(self) -> None:
        self.store.announce(self.id, self.incarnation)
        self.store.write(
            lambda transaction: leases.register(
                transaction,
                self.id,
                self.incarnation,
                host="here",
                pid=1,
                version="0",
                capacity=self.capacity,
                only=self.only,
                lease_ms=round(LEASE_S * 1000),
            )
        )

    def renew(self) -> bool:
        lease_ms = round(LEASE_S * 1000)
        return self.store.write(
            lambda one: leases.renew(one, self.id, self.incarnation, lease_ms=lease_ms)
        )

    def look(self) -> None:
        """Compare what should run with what runs, and act on the difference."""
        question = partial(leases.assignments, runner_id=self.id, incarnation=self.incarnation)
        wanted = {one.scenario.id: one for one in self.store.read(question)}
        for scenario_id, pipeline in list(self.pipelines.items()):
            now = wanted.get(scenario_id)
            fits = now and (now.token, now.scenario.run) == (pipeline.token, pipeline.run)
            if not (fits and now and should_run(now.scenario)):
                del self.pipelines[scenario_id]
        for scenario_id, one in wanted.items():
            if should_run(one.scenario) and scenario_id not in self.pipelines:
                self._begin(one)
            elif one.scenario.state is ScenarioState.IN_SHUTDOWN_PROCESSING:
                self.say(one, LetGo())

    def commit(self) -> dict[ScenarioId, str]:
        """Write one row of every pipeline; give what became of each."""
        return {one: self._commit(one, line) for one, line in list(self.pipelines.items())}

    def end(self, scenario_id: ScenarioId, reason: StatusReason, detail: str = "") -> bool:
        """Let a pipeline come to its own end."""
        pipeline = self.pipelines.get(scenario_id)
        if pipeline is None:
            return False
        scenario = Scenario(scenario_id, pipeline.source_id, run=pipeline.run)
        one = Assignment(scenario, Parameters(), "", "", pipeline.token, 0)
        return self.say(one, RunEnded(reason, detail))

    def say(self, one: Assignment, happening: Happening) -> bool:
        """Report; False where it came too late."""
        self.said.append((one, happening))
        return self.repeat(-1)

    def repeat(self, number: int) -> bool:
        """Report again what was reported once."""
        one, happening = self.said[number]
        try:
            self.store.write(
                partial(
                    report,
                    scenario_id=one.scenario.id,
                    run=one.scenario.run,
                    happening=happening,
                    source_id=one.scenario.source_id,
                    token=one.token,
                )
            )
        except StaleToken:
            return False
        return True

    def die(self) -> None:
        """As kill -9 does: whatever it did is over, and its host knows."""
        self.store.withdraw(self.id)
        self.is_dead = True
        self.pipelines.clear()

    def drain(self) -> None:
        """End in order."""
        self.pipelines.clear()
        self.store.write(self._give_back)
        self.store.withdraw(self.id)
        self.is_dead = True

    def _begin(self, one: Assignment) -> None:
        scenario = one.scenario
        question = partial(results.load_checkpoint, scenario_id=scenario.id, run=scenario.run)
        saved = self.store.read(question)
        parts = 0 if saved is None else saved.parts
        self.pipelines[scenario.id] = ChalkPipeline(
            scenario.source_id, scenario.run, one.token, parts
        )
        if not self.say(one, PipelineUp()):
            del self.pipelines[scenario.id]

    def _commit(self, scenario_id: ScenarioId, pipeline: ChalkPipeline) -> str:
        at = pipeline.parts
        part = results.FreshPart(at, at, float(at), float(at), None, None, 1, b"row")
        news = results.Commit(
            scenario_id, pipeline.run, pipeline.source_id, pipeline.token, self.id, part, at,
            (), (), (), b"memory", "{}", "{}",
        )  # fmt: skip
        try:
            self.store.write(partial(results.commit, news=news))
        except StaleToken as error:
            self.pipelines.pop(scenario_id)
            return f"refused: {error}"
        pipeline.parts += 1
        return f"row {at}"

    def _give_back(self, transaction: Transaction) -> None:
        for held in leases.held_by(transaction, self.id):
            if held.incarnation != self.incarnation:
                continue
            leases.take_away(transaction, held.source_id, held.token)
            for before in scenarios.scenarios_on(transaction, held.source_id):
                after = decide(before, HolderLost(StatusReason.RUNNER_DRAINED))
                scenarios.save_change(transaction, before, after)
        leases.retire(transaction, self.id, self.incarnation)


class World:
    """One store, one orchestrator (or more), and runners."""

    def __init__(
        self,
        folder: Path,
        monkeypatch: pytest.MonkeyPatch,
        *,
        options: OrchestratorOptions | None = None,
    ) -> None:
        self.host = HostClock()
        monkeypatch.setattr(sqlite, "time", self.host)
        self.store = SqliteStore(folder)
        self.store.migrate()
        self.bus = LosingBus()
        self.options = options or OrchestratorOptions(lease_s=LEASE_S)
        self.orchestrator = self.another_orchestrator()
        self.runners: dict[str, ChalkRunner] = {}
        # Also earlier lives: they may still speak, for all the store knows.
        self.everybody: list[ChalkRunner] = []
        self._lives = itertools.count(1)

    def another_orchestrator(self) -> Orchestrator:
        return Orchestrator(self.store, self.bus, ManualClock(), options=self.options)

    def close(self) -> None:
        self.store.close()

    def add(self, name: str, source: str | None = None) -> ScenarioId:
        """Write a scenario down, on a source of its own or one that is there."""
        scenario = Scenario(ScenarioId(name), SourceId(source or f"{name}-source"))

        def work(transaction: Transaction) -> None:
            if not source_exists(transaction, scenario.source_id):
                scenarios.add_source(
                    transaction,
                    scenario.source_id,
                    name=scenario.source_id,
                    address=scenario.source_id,
                )
            scenarios.add_scenario(transaction, scenario, Parameters())

        self.store.write(work)
        return scenario.id

    def ask(self, name: str, kind: str) -> None:
        """Accept a command, as the API does."""
        self.store.write(
            lambda transaction: scenarios.add_command(transaction, ScenarioId(name), kind)
        )

    def join(self, name: str, *, capacity: int = 100, only: SourceId | None = None) -> ChalkRunner:
        """Start a runner, or start it anew."""
        life = f"{name}.{next(self._lives)}"
        runner = ChalkRunner(self.store, RunnerId(name), life, capacity, only)
        runner.join()
        self.runners[name] = runner
        self.everybody.append(runner)
        return runner

    def look(self) -> None:
        """Let the orchestrator do all there is to do now."""
        self.orchestrator.watch_once()
        while self.orchestrator.run_once():
            pass

    def see_well(self) -> None:
        """Let one lease length pass in which the watchdog sees the store well."""
        for _ in range(4):
            self.pass_by(LEASE_S / 3)

    def pass_by(self, seconds: float) -> None:
        """Let time pass; whoever is well renews, and the watchdog looks."""
        self.host.pass_by(seconds)
        for runner in self.runners.values():
            if not runner.is_dead and not runner.is_frozen:
                runner.renew()
        self.orchestrator.watch_once()

    def settle(self, rounds: int = 8) -> None:
        """Let everybody look until nothing is left to be done."""
        for _ in range(rounds):
            self.look()
            for runner in self.awake():
                runner.renew()
                runner.look()
                self.start_apart(runner)

    def awake(self) -> list[ChalkRunner]:
        return [one for one in self.runners.values() if not one.is_dead and not one.is_frozen]

    def start_apart(self, runner: ChalkRunner) -> None:
        """Start a process for every source put apart that this runner should see to."""
        question = partial(quarantine.waiting_apart, runner_id=runner.id)
        for source_id in self.store.read(question):
            self.join(f"{source_id}-apart", only=source_id)

    def scenario(self, name: str) -> Scenario:
        return self.store.read(lambda one: scenarios.get_scenario(one, name)).scenario

    def state(self, name: str) -> str:
        return self.scenario(name).state.value

    def holder(self, name: str) -> Held | None:
        source_id = self.scenario(name).source_id
        return self.store.read(lambda one: leases.holder_of(one, source_id))

    def arrows(self, after: int = 0) -> list[tuple[int, str, str, str, str, int]]:
        """Give the history behind a row id: id, scenario, before, after, reason, run."""

        def question(transaction: Transaction) -> list[tuple[int, str, str, str, str, int]]:
            rows = transaction.connection.exec_driver_sql(
                "SELECT id, scenario_id, before, after, reason, run FROM transitions "
                "WHERE id > ? ORDER BY id",
                (after,),
            )
            return [tuple(row) for row in rows]  # type: ignore[misc]

        return self.store.read(question)

    def notices(self) -> list[dict[str, object]]:
        """Give what was said of changes of state."""
        return [json.loads(one.payload) for one in self.bus.said if one.topic.endswith("notices")]
