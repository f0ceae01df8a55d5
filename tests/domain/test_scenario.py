"""A scenario's life, pair by pair, and under any interleaving of what can happen to it."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from vedette.domain.errors import TransitionRefused
from vedette.domain.ids import ScenarioId, SourceId
from vedette.domain.scenario import (
    Happening,
    HolderFound,
    HolderLost,
    HolderTold,
    LetGo,
    PipelineUp,
    RunEnded,
    Scenario,
    ScenarioState,
    StartAsked,
    StatusReason,
    StopAsked,
    Wanted,
    decide,
    needs_holder,
    road,
    should_run,
    should_stop,
)

OFF = ScenarioState.INACTIVE
UP = ScenarioState.INIT_STARTUP
COMING = ScenarioState.IN_STARTUP_PROCESSING
ON = ScenarioState.ACTIVE
DOWN = ScenarioState.INIT_SHUTDOWN
GOING = ScenarioState.IN_SHUTDOWN_PROCESSING

START, STOP = StartAsked(), StopAsked()
FOUND, RUNS, LOST = HolderFound(), PipelineUp(), HolderLost()
DRAINED = HolderLost(StatusReason.RUNNER_DRAINED)
DONE, BROKEN = RunEnded(StatusReason.COMPLETED), RunEnded(StatusReason.FAILED, "no such file")
TOLD, GONE = HolderTold(), LetGo()

REFUSED = None
# State before, whether a start is remembered, what happens, state after, whether remembered then.
Row = tuple[ScenarioState, bool, Happening, ScenarioState | None, bool]
TABLE: list[Row] = [
    # Somebody wants it to run: a new run, remembered during shutdown, refused where it runs.
    (OFF, False, START, UP, False),
    (UP, False, START, REFUSED, False),
    (COMING, False, START, REFUSED, False),
    (ON, False, START, REFUSED, False),
    (DOWN, False, START, DOWN, True),
    (DOWN, True, START, DOWN, True),
    (GOING, False, START, GOING, True),
    (GOING, True, START, GOING, True),
    # Somebody wants it to end: accepted in every state, and forgets a remembered start.
    (OFF, False, STOP, OFF, False),
    (UP, False, STOP, DOWN, False),
    (COMING, False, STOP, DOWN, False),
    (ON, False, STOP, DOWN, False),
    (DOWN, False, STOP, DOWN, False),
    (DOWN, True, STOP, DOWN, False),
    (GOING, False, STOP, GOING, False),
    (GOING, True, STOP, GOING, False),
    # A runner holds the lease: news at the beginning of a run alone.
    (OFF, False, FOUND, OFF, False),
    (UP, False, FOUND, COMING, False),
    (COMING, False, FOUND, COMING, False),
    (ON, False, FOUND, ON, False),
    (DOWN, False, FOUND, DOWN, False),
    (DOWN, True, FOUND, DOWN, True),
    (GOING, False, FOUND, GOING, False),
    (GOING, True, FOUND, GOING, True),
    # The pipeline runs: too late once a stop came.
    (OFF, False, RUNS, OFF, False),
    (UP, False, RUNS, UP, False),
    (COMING, False, RUNS, ON, False),
    (ON, False, RUNS, ON, False),
    (DOWN, False, RUNS, DOWN, False),
    (DOWN, True, RUNS, DOWN, True),
    (GOING, False, RUNS, GOING, False),
    (GOING, True, RUNS, GOING, True),
    # Its holder is lost: the same run waits for another; what was ending has ended.
    (OFF, False, LOST, OFF, False),
    (UP, False, LOST, UP, False),
    (COMING, False, LOST, UP, False),
    (ON, False, LOST, UP, False),
    (DOWN, False, LOST, OFF, False),
    (DOWN, True, LOST, UP, False),
    (GOING, False, LOST, OFF, False),
    (GOING, True, LOST, UP, False),
    # The run came to its own end.
    (OFF, False, DONE, OFF, False),
    (UP, False, DONE, UP, False),
    (COMING, False, DONE, DOWN, False),
    (ON, False, DONE, DOWN, False),
    (DOWN, False, DONE, DOWN, False),
    (DOWN, True, DONE, DOWN, True),
    (GOING, False, DONE, GOING, False),
    (GOING, True, DONE, GOING, True),
    # The holder was asked to let go.
    (OFF, False, TOLD, OFF, False),
    (UP, False, TOLD, UP, False),
    (COMING, False, TOLD, COMING, False),
    (ON, False, TOLD, ON, False),
    (DOWN, False, TOLD, GOING, False),
    (DOWN, True, TOLD, GOING, True),
    (GOING, False, TOLD, GOING, False),
    (GOING, True, TOLD, GOING, True),
    # Nobody runs it any more; a remembered start is taken up.
    (OFF, False, GONE, OFF, False),
    (UP, False, GONE, UP, False),
    (COMING, False, GONE, COMING, False),
    (ON, False, GONE, ON, False),
    (DOWN, False, GONE, OFF, False),
    (DOWN, True, GONE, UP, False),
    (GOING, False, GONE, OFF, False),
    (GOING, True, GONE, UP, False),
]
# The arrows of the design; there are no others.
ARROWS = {
    (OFF, UP), (UP, COMING), (COMING, ON),
    (UP, DOWN), (COMING, DOWN), (ON, DOWN),
    (COMING, UP), (ON, UP),
    (DOWN, GOING), (GOING, OFF),
}  # fmt: skip


def scenario_in(state: ScenarioState, *, start_again: bool = False) -> Scenario:
    is_up = state in {UP, COMING, ON}
    return Scenario(
        id=ScenarioId("door"),
        source_id=SourceId("street"),
        state=state,
        wanted=Wanted.ACTIVE if is_up or start_again else Wanted.INACTIVE,
        start_again=start_again,
        run=7,
    )


def arrows(before: Scenario, after: Scenario) -> set[tuple[ScenarioState, ScenarioState]]:
    steps = (before.state, *road(before, after))
    return set(itertools.pairwise(steps))


@pytest.mark.parametrize(("state", "remembered", "happening", "then", "remembered_then"), TABLE)
def test_every_state_answers_everything_that_can_happen(
    state: ScenarioState,
    remembered: bool,
    happening: Happening,
    then: ScenarioState | None,
    remembered_then: bool,
) -> None:
    before = scenario_in(state, start_again=remembered)

    if then is REFUSED:
        with pytest.raises(TransitionRefused):
            decide(before, happening)
        return
    after = decide(before, happening)

    assert (then, remembered_then) == (after.state, after.start_again)
    assert arrows(before, after) <= ARROWS


def test_the_table_leaves_no_pair_out() -> None:
    kinds = {START, STOP, FOUND, RUNS, LOST, DONE, TOLD, GONE}
    pairs = {
        (state, remembered, kind)
        for state in ScenarioState
        for remembered in ((False, True) if state in {DOWN, GOING} else (False,))
        for kind in kinds
    }

    assert pairs == {(state, remembered, kind) for state, remembered, kind, _, _ in TABLE}


def test_every_start_from_rest_is_a_new_run_and_a_takeover_is_not() -> None:
    started = decide(scenario_in(OFF), START)
    taken_over = decide(scenario_in(ON), LOST)
    again = decide(scenario_in(GOING, start_again=True), GONE)

    assert [started.run, taken_over.run, again.run] == [8, 7, 8]
    assert (
        taken_over.wanted,
        taken_over.status_reason,
    ) == (Wanted.ACTIVE, StatusReason.RUNNER_LOST)


@pytest.mark.parametrize("ended", [DONE, BROKEN])
@pytest.mark.parametrize("state", [COMING, ON])
def test_a_run_that_ended_by_itself_goes_down_and_keeps_its_cause(
    state: ScenarioState, ended: RunEnded
) -> None:
    after = decide(decide(decide(scenario_in(state), ended), TOLD), GONE)

    assert (after.state, after.wanted) == (OFF, Wanted.INACTIVE)
    assert (ended.reason, ended.detail) == (after.status_reason, after.detail)


def test_a_stop_after_the_run_ended_by_itself_does_not_hide_why() -> None:
    after = decide(decide(scenario_in(ON), BROKEN), STOP)

    assert after.status_reason == StatusReason.FAILED


def test_a_drained_runner_is_named_as_the_cause() -> None:
    assert decide(scenario_in(ON), DRAINED).status_reason == StatusReason.RUNNER_DRAINED


@pytest.mark.parametrize("state", ScenarioState)
def test_what_is_to_be_done_follows_from_the_state_alone(state: ScenarioState) -> None:
    scenario = scenario_in(state)

    assert (state is UP, state in {COMING, ON}, state in {DOWN, GOING}) == (
        needs_holder(scenario),
        should_run(scenario),
        should_stop(scenario),
    )


def test_who_lets_go_before_being_told_goes_through_every_state() -> None:
    before = scenario_in(DOWN, start_again=True)

    assert road(before, decide(before, GONE)) == (GOING, OFF, UP)
    assert road(before, before) == ()


class Life(RuleBasedStateMachine):
    """One scenario in a world of crashes, and messages that are lost, doubled and late.

    The model of leases is one number: a report is taken up only where it bears the newest token and
    the present run, as the store sees to.
    """

    @initialize()
    def begin(self) -> None:
        self.scenario = Scenario(ScenarioId("door"), SourceId("street"))
        self.seen: set[tuple[ScenarioState, ScenarioState]] = set()
        self.token = 0
        self.is_held = False
        # Who believes to run it: token → run. An old holder goes on believing.
        self.believers: dict[int, int] = {}
        self.said: list[tuple[int, int, Happening]] = []
        self.last_asked: Happening = STOP

    def happen(self, happening: Happening) -> None:
        before = self.scenario
        self.scenario = decide(before, happening)
        self.seen |= arrows(before, self.scenario)

    def say(self, token: int, run: int, happening: Happening) -> None:
        self.said.append((token, run, happening))
        if token == self.token and run == self.scenario.run and self.is_held:
            self.happen(happening)
            self.release_at_rest()

    def release_at_rest(self) -> None:
        if self.scenario.state is OFF and self.is_held:
            self.token, self.is_held = self.token + 1, False

    @rule(asked=st.sampled_from([START, STOP]), times=st.integers(1, 2))
    def ask(self, asked: Happening, times: int) -> None:
        for _ in range(times):
            self.last_asked = asked
            try:
                self.happen(asked)
            except TransitionRefused:
                assert should_run(self.scenario) or needs_holder(self.scenario)

    @rule()
    def orchestrator_looks(self) -> None:
        if self.scenario.state is UP:
            if not self.is_held:
                self.token, self.is_held = self.token + 1, True
            self.happen(FOUND)
        elif self.scenario.state is DOWN:
            self.happen(TOLD)
        elif self.scenario.state is GOING and not self.is_held:
            self.happen(GONE)

    @rule()
    def holder_looks(self) -> None:
        if not self.is_held:
            return
        token, scenario = self.token, self.scenario
        self.believers = {
            t: r for t, r in self.believers.items() if t != token or r == scenario.run
        }
        if should_run(scenario):
            self.believers[token] = scenario.run
            self.say(token, scenario.run, RUNS)
        elif scenario.state is GOING:
            self.believers.pop(token, None)
            self.say(token, scenario.run, GONE)

    @rule()
    def holder_dies(self) -> None:
        if self.is_held:
            self.token, self.is_held = self.token + 1, False
            self.happen(LOST)

    @rule(ended=st.sampled_from([DONE, BROKEN]))
    def run_ends(self, ended: RunEnded) -> None:
        for token, run in list(self.believers.items()):
            self.say(token, run, ended)

    @rule(at=st.integers(0))
    def a_message_comes_late_or_twice(self, at: int) -> None:
        if self.said:
            token, run, happening = self.said[at % len(self.said)]
            is_over = happening == GONE and token in self.believers
            if not is_over:  # Nobody says so while running it.
                self.say(token, run, happening)

    @invariant()
    def only_drawn_arrows(self) -> None:
        assert self.seen <= ARROWS

    @invariant()
    def at_most_one_believer_is_believed(self) -> None:
        assert sum(token == self.token for token in self.believers) <= 1

    @invariant()
    def stop_wins(self) -> None:
        if self.last_asked == STOP:
            assert (self.scenario.wanted, self.scenario.start_again) == (Wanted.INACTIVE, False)
            assert self.scenario.state in {OFF, DOWN, GOING}

    @invariant()
    def at_rest_nobody_holds_it(self) -> None:
        if self.scenario.state is OFF:
            assert not self.is_held

    def teardown(self) -> None:
        if not hasattr(self, "scenario"):
            return
        for _ in range(8):
            self.orchestrator_looks()
            self.holder_looks()
        wanted = ON if self.scenario.wanted is Wanted.ACTIVE else OFF
        assert wanted == self.scenario.state
        assert not self.scenario.start_again


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)


def test_a_scenario_at_rest_is_the_same_value_after_late_news() -> None:
    at_rest = replace(scenario_in(OFF), status_reason=StatusReason.COMPLETED, detail="")

    assert all(at_rest is decide(at_rest, late) for late in (FOUND, RUNS, LOST, DONE, TOLD, GONE))
