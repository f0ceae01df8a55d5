"""The real orchestrator on a real store, under any interleaving of what can go wrong.

Commands, crashes, freezes, orchestrators killed between two steps, messages lost, doubled and late,
clocks that jump: whatever happens, only drawn arrows, one owner, stop wins, nothing is lost or
doubled; and once everybody looks, every scenario ends where its wanted state says.
"""

from __future__ import annotations

import os
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from orchestrator.test_orchestrator import KILLED_AFTER
from orchestrator.world import LEASE_S, ChalkRunner, World
from vedette.domain.ids import ScenarioId
from vedette.domain.scenario import LetGo, ScenarioState, StatusReason, Wanted
from vedette.orchestrator.service import OrchestratorOptions
from vedette.store.base import Transaction
from vedette.store.statements import results, scenarios

# Two scenarios share a source; one has its own.
SCENARIOS = {"people": "street", "cars": "street", "door": "porch"}
RUNNERS = ("r1", "r2")
ARROWS = {
    ("inactive", "init_startup"),
    ("init_startup", "in_startup_processing"),
    ("in_startup_processing", "active"),
    ("init_startup", "init_shutdown"),
    ("in_startup_processing", "init_shutdown"),
    ("active", "init_shutdown"),
    ("in_startup_processing", "init_startup"),
    ("active", "init_startup"),
    ("init_shutdown", "in_shutdown_processing"),
    ("in_shutdown_processing", "inactive"),
}
GOING_UP = {ScenarioState.INIT_STARTUP, ScenarioState.IN_STARTUP_PROCESSING, ScenarioState.ACTIVE}

NAMES = st.sampled_from(sorted(SCENARIOS))
KINDS = st.sampled_from([scenarios.START, scenarios.STOP])
ENDS = st.sampled_from([StatusReason.COMPLETED, StatusReason.FAILED])
FAULTS = st.sampled_from(["freeze", "thaw", "die", "anew", "drain"])
LOOKS = st.sampled_from(["orchestrator", "watchdog", *RUNNERS])


def step(name: str, *arguments: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.tuples(st.just(name), *arguments)


STEPS = st.one_of(
    step("somebody_asks", st.lists(st.tuples(NAMES, KINDS), min_size=1, max_size=3)),
    step("somebody_looks", LOOKS),
    step("everybody_looks", st.integers(1, 2)),
    step("orchestrator_is_killed_between_steps", st.integers(1, len(KILLED_AFTER))),
    step("runner_has_a_bad_day", st.integers(0, 5), FAULTS),
    step("run_ends", st.integers(0, 5), NAMES, ENDS),
    step("message_comes_late_or_twice", st.integers(0, 1000)),
    step("time_passes", st.floats(0.1, 5.0), st.integers(-48, 48)),
)


class Operations(RuleBasedStateMachine):
    """What people, runners, networks and clocks do to the control plane."""

    @initialize(started=st.booleans())
    def begin(self, started: bool) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.patch = pytest.MonkeyPatch()
        # A pause would only make the end come later; the stories show it.
        options = OrchestratorOptions(lease_s=LEASE_S, deaths_max=2, pauses_s=(0.0,))
        self.world = World(Path(self.folder.name), self.patch, options=options)
        for name, source in SCENARIOS.items():
            self.world.add(name, source)
        for name in RUNNERS:
            self.world.join(name)
        self.waiting: list[tuple[str, str]] = []
        self.last_decided = dict.fromkeys(SCENARIOS, scenarios.STOP)
        self.rows: dict[tuple[str, int], int] = {}
        if started:
            self.somebody_asks([(name, scenarios.START) for name in SCENARIOS])
            self.everybody_looks(2)

    def awake(self, name: str) -> ChalkRunner | None:
        runner = self.world.runners[name]
        return None if runner.is_dead or runner.is_frozen else runner

    def decided(self) -> None:
        for name, kind in self.waiting:
            self.last_decided[name] = kind
        self.waiting.clear()

    @rule(step=STEPS)
    def something_happens(self, step: tuple[Any, ...]) -> None:
        """One rule alone: of many, an example leaves some out, most often those that matter."""
        name, *arguments = step
        getattr(self, name)(*arguments)

    def somebody_asks(self, asked: list[tuple[str, str]]) -> None:
        for name, kind in asked:
            self.world.ask(name, kind)
            self.waiting.append((name, kind))

    def somebody_looks(self, who: str) -> None:
        if who == "orchestrator":
            self.world.orchestrator.run_once()
            self.decided()
        elif who == "watchdog":
            self.world.orchestrator.watch_once()
        elif runner := self.awake(who):
            self.commit(runner)
            runner.look()

    def everybody_looks(self, times: int) -> None:
        self.world.settle(times)
        self.decided()
        for runner in self.world.awake():
            self.commit(runner)

    def orchestrator_is_killed_between_steps(self, steps: int) -> None:
        for step in KILLED_AFTER[:steps]:
            self.world.store.write(step)
        self.world.orchestrator = self.world.another_orchestrator()
        self.decided()

    def runner_has_a_bad_day(self, number: int, fault: str) -> None:
        name = sorted(self.world.runners)[number % len(self.world.runners)]
        runner = self.world.runners[name]
        if fault == "freeze":
            runner.is_frozen = True
        elif fault == "thaw":
            self.thaw(runner)
        elif fault == "die":
            runner.die()
        elif fault == "anew":
            self.start_anew(name)
        elif self.awake(name):
            runner.drain()

    def run_ends(self, number: int, scenario: str, reason: StatusReason) -> None:
        awake = self.world.awake()
        if awake:
            awake[number % len(awake)].end(ScenarioId(scenario), reason)

    def message_comes_late_or_twice(self, at: int) -> None:
        told = [(one, number) for one in self.world.everybody for number in range(len(one.said))]
        if told:
            runner, number = told[at % len(told)]
            assignment, happening = runner.said[number]
            pipeline = runner.pipelines.get(assignment.scenario.id)
            runs_it = pipeline is not None and pipeline.run == assignment.scenario.run
            if not (isinstance(happening, LetGo) and runs_it):
                runner.repeat(number)

    def time_passes(self, seconds: float, jump_h: int) -> None:
        self.world.host.jump(jump_h * 3600.0)
        self.world.pass_by(seconds)

    @invariant()
    def only_drawn_arrows(self) -> None:
        known: dict[str, list[str]] = {name: ["inactive"] for name in SCENARIOS}
        for _, name, before, after, _, _ in self.world.arrows():
            assert (before, after) in ARROWS
            assert known[name][-1] == before
            known[name].append(after)
        for name, states in known.items():
            assert states[-1] == self.world.state(name)
            assert all(a != b for a, b in pairwise(states))

    @invariant()
    def at_most_one_owner(self) -> None:
        believed: dict[str, set[str]] = {}
        for runner in self.world.everybody:
            for name, pipeline in runner.pipelines.items():
                held = self.world.holder(name)
                if held is not None and held.token == pipeline.token:
                    believed.setdefault(pipeline.source_id, set()).add(runner.incarnation)
        assert all(len(owners) == 1 for owners in believed.values())

    @invariant()
    def stop_wins(self) -> None:
        for name, kind in self.last_decided.items():
            scenario = self.world.scenario(name)
            if kind == scenarios.STOP:
                assert scenario.state not in GOING_UP
                assert (scenario.wanted, scenario.start_again) == (Wanted.INACTIVE, False)

    @invariant()
    def at_rest_nobody_holds_it(self) -> None:
        for source in set(SCENARIOS.values()):
            names = [name for name, of in SCENARIOS.items() if of == source]
            if all(self.world.state(name) == "inactive" for name in names):
                assert self.world.holder(names[0]) is None

    @invariant()
    def no_row_is_lost_or_doubled(self) -> None:
        for (name, run), rows in self.rows.items():

            def question(one: Transaction, name: str = name, run: int = run) -> list[int]:
                parts = results.parts_of(one, ScenarioId(name), run)
                return [part.first for part in parts]

            assert self.world.store.read(question) == list(range(rows))

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        try:
            self.all_is_well_again()
        finally:
            self.world.close()
            self.patch.undo()
            self.folder.cleanup()

    def all_is_well_again(self) -> None:
        for runner in self.world.runners.values():
            self.thaw(runner)
        self.start_anew("r1")
        self.world.settle(5)
        self.decided()

        for name, kind in self.last_decided.items():
            scenario = self.world.scenario(name)
            is_active = scenario.state is ScenarioState.ACTIVE
            owners = [
                one
                for one in self.world.runners.values()
                if not one.is_dead and name in one.pipelines
            ]
            assert scenario.state.value == scenario.wanted.value
            assert len(owners) == is_active
            # A start that was decided came to run, or its run came to its own end.
            ended = {StatusReason.COMPLETED, StatusReason.FAILED}
            assert is_active or kind == scenarios.STOP or scenario.status_reason in ended
        self.stop_wins()
        self.at_rest_nobody_holds_it()
        self.only_drawn_arrows()

    def thaw(self, runner: ChalkRunner) -> None:
        """Let it go on where it was: it commits before it looks."""
        runner.is_frozen = False
        if not runner.is_dead:
            self.commit(runner)
            runner.renew()

    def start_anew(self, name: str) -> None:
        if not self.world.runners[name].is_dead:
            self.world.runners[name].die()
        self.world.join(name, only=self.world.runners[name].only)

    def commit(self, runner: ChalkRunner) -> None:
        runs = {name: pipeline.run for name, pipeline in runner.pipelines.items()}
        for name, outcome in runner.commit().items():
            if outcome.startswith("row"):
                held = self.world.holder(name)
                assert held is not None and held.incarnation == runner.incarnation
                self.rows[name, runs[name]] = self.rows.get((name, runs[name]), 0) + 1


TestOperations = Operations.TestCase
TestOperations.settings = settings(
    max_examples=int(os.environ.get("VEDETTE_EXAMPLES", "20")),
    stateful_step_count=30,
    deadline=None,
    # Making a failure smaller would take longer than reading it.
    phases=[Phase.reuse, Phase.generate],
)
# Thousands of transactions; a busy machine may take its time.
