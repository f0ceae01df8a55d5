"""The orchestrator on its roads: commands, leases, takeovers, and dying half way."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from orchestrator.world import LEASE_S, World
from vedette.bus.base import Message
from vedette.bus.local import LocalBus
from vedette.bus.topics import ASSIGNMENTS, COMMANDS, NOTICES
from vedette.clock import SystemClock
from vedette.domain.errors import StoreUnavailable
from vedette.domain.ids import SourceId
from vedette.domain.scenario import StatusReason
from vedette.orchestrator import steps
from vedette.orchestrator.service import Orchestrator, OrchestratorOptions
from vedette.store.base import Transaction
from vedette.store.statements import leases, results, scenarios
from vedette.store.statements.quarantine import APART_MAX, put_apart

START, STOP = scenarios.START, scenarios.STOP


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    world = World(tmp_path, monkeypatch)
    yield world
    world.close()


def running(world: World, *names: str, runners: tuple[str, ...] = ("r1",)) -> None:
    for name in runners:
        world.join(name)
    for name in names:
        world.add(name)
        world.ask(name, START)
    world.settle()
    assert {"active"} == {world.state(name) for name in names}


def deaths(world: World, source: str) -> int:
    return world.store.read(lambda one: leases.deaths_since(one, SourceId(source), 0))


def test_commands_act_in_the_order_they_were_accepted(world: World) -> None:
    world.add("door")
    for kind in (START, STOP, START, START, STOP, START):
        world.ask("door", kind)

    world.orchestrator.run_once()

    assert [(before, after) for _, _, before, after, _, _ in world.arrows()[:2]] == [
        ("inactive", "init_startup"),
        ("init_startup", "init_shutdown"),
    ]
    assert (world.scenario("door").run, world.scenario("door").wanted) == (2, "active")


def test_a_start_of_what_runs_is_dropped_and_holds_nobody_up(world: World) -> None:
    running(world, "door")
    world.add("gate")
    world.ask("door", START)
    world.ask("gate", START)

    world.settle()

    assert (world.state("door"), world.scenario("door").run) == ("active", 1)
    assert world.state("gate") == "active"


def test_more_commands_than_one_batch_are_all_decided(world: World) -> None:
    for at in range(300):
        world.add(f"s{at}", "street")
        world.ask(f"s{at}", START)

    assert world.orchestrator.run_once()
    assert not world.orchestrator.run_once()

    assert {"init_startup"} == {world.state(f"s{at}") for at in range(300)}


def test_one_lease_carries_all_scenarios_of_a_source(world: World) -> None:
    world.join("r1")
    world.join("r2")
    for name in ("people", "cars"):
        world.add(name, "street")
        world.ask(name, START)
    world.settle()
    world.add("bikes", "street")
    world.ask("bikes", START)
    world.settle()

    holders = {world.holder(name) for name in ("people", "cars", "bikes")}

    assert len(holders) == 1
    assert {"active"} == {world.state(name) for name in ("people", "cars", "bikes")}


def test_a_lease_ends_with_the_last_scenario_of_its_source(world: World) -> None:
    world.join("r1")
    for name in ("people", "cars"):
        world.add(name, "street")
        world.ask(name, START)
    world.settle()

    world.ask("people", STOP)
    world.settle()
    assert world.holder("cars") is not None
    world.ask("cars", STOP)
    world.settle()

    assert world.holder("cars") is None


def test_at_rest_no_lease_is_left_at_any_moment(world: World) -> None:
    running(world, "door")
    world.ask("door", STOP)
    world.orchestrator.run_once()

    world.runners["r1"].look()

    assert (world.state("door"), world.holder("door")) == ("inactive", None)


def test_sources_go_to_the_runner_of_which_the_smallest_share_is_taken(world: World) -> None:
    world.join("big", capacity=8)
    world.join("small", capacity=2)
    world.join("full", capacity=0)
    for at in range(10):
        world.add(f"s{at}")
        world.ask(f"s{at}", START)
    world.settle()

    held = [holder.runner_id for at in range(10) if (holder := world.holder(f"s{at}"))]

    assert (held.count("big"), held.count("small")) == (8, 2)


def test_every_run_has_its_beginning_its_end_and_its_cause(world: World) -> None:
    running(world, "door")
    world.runners["r1"].commit()
    world.ask("door", STOP)
    world.ask("door", START)
    world.settle()
    world.runners["r1"].commit()

    def question(transaction: Transaction) -> list[tuple[int, bool, str | None, bool]]:
        name = world.scenario("door").id
        rows = [results.run_row(transaction, name, run) for run in (1, 2)]
        return [
            (
                row.run,
                row.ended_at_ms is None,
                row.reason,
                results.load_checkpoint(transaction, name, row.run) is None,
            )
            for row in rows
            if row is not None
        ]

    # Number, whether it goes on, why it ended, whether its memory is forgotten.
    assert world.store.read(question) == [(1, False, "stopped", True), (2, True, None, False)]


def test_what_finds_no_room_waits_for_it(world: World) -> None:
    world.join("r1", capacity=1)
    for name in ("door", "gate"):
        world.add(name)
        world.ask(name, START)
    world.settle()
    assert (world.state("door"), world.state("gate")) == ("active", "init_startup")

    world.ask("door", STOP)
    world.settle()

    assert (world.state("door"), world.state("gate")) == ("inactive", "active")


@pytest.mark.parametrize("looks", range(4))
def test_stop_is_taken_up_in_every_state(world: World, looks: int) -> None:
    world.add("door")
    world.ask("door", START)
    if looks > 0:
        world.orchestrator.run_once()
    if looks > 1:
        world.join("r1")
        world.orchestrator.run_once()
    if looks > 2:
        world.runners["r1"].look()
    world.ask("door", STOP)

    world.settle()

    assert (world.state("door"), world.holder("door")) == ("inactive", None)


def test_a_dead_runners_sources_go_elsewhere_at_once(world: World) -> None:
    running(world, "door", runners=("r1", "r2"))
    first = world.holder("door")
    assert first is not None

    world.runners[first.runner_id].die()
    world.settle()

    second = world.holder("door")
    assert second is not None and second.runner_id != first.runner_id
    assert second.token > first.token
    assert (world.state("door"), world.scenario("door").run) == ("active", 1)
    assert deaths(world, "door-source") == 1


def test_a_dead_runner_is_granted_nothing_though_its_lease_still_holds(world: World) -> None:
    world.join("r1").die()
    world.join("r2", capacity=1).pipelines.clear()
    for name in ("door", "gate"):
        world.add(name)
        world.ask(name, START)

    world.orchestrator.run_once()  # Before the watchdog has looked at all.

    assert [
        (holder.runner_id, world.state("gate"))
        for name in ("door", "gate")
        if (holder := world.holder(name))
    ] == [("r2", "init_startup")]


def test_a_silent_runner_loses_its_sources_when_its_lease_has_run_out(world: World) -> None:
    running(world, "door", runners=("r1", "r2"))
    world.see_well()
    first = world.holder("door")
    assert first is not None
    world.runners[first.runner_id].is_frozen = True

    world.pass_by(1.0)
    world.pass_by(1.0)
    assert first == world.holder("door")
    for _ in range(2):
        world.pass_by(1.0)
    world.settle()

    second = world.holder("door")
    assert second is not None and second.runner_id != first.runner_id
    assert world.scenario("door").status_reason == StatusReason.RUNNING


def test_a_frozen_runner_that_wakes_up_can_neither_report_nor_commit(world: World) -> None:
    running(world, "door", runners=("r1", "r2"))
    first = world.holder("door")
    assert first is not None
    old = world.runners[first.runner_id]
    old.commit()
    world.see_well()
    old.is_frozen = True
    for _ in range(5):
        world.pass_by(1.0)
    world.settle()
    new = next(one for one in world.runners.values() if one is not old)

    assert not old.end(world.scenario("door").id, StatusReason.COMPLETED)
    assert not old.repeat(0)
    assert "refused" in old.commit()[world.scenario("door").id]
    assert new.commit()[world.scenario("door").id] == "row 1"
    assert world.state("door") == "active"


def test_what_is_taken_away_is_fenced_before_anybody_else_gets_it(world: World) -> None:
    running(world, "door")
    world.see_well()
    old = world.runners["r1"]
    old.is_frozen = True
    world.ask("door", STOP)
    for _ in range(4):
        world.pass_by(1.0)
    # Its scenario still goes down; nobody else has the source.
    world.store.write(lambda one: steps.decide_commands(one, 256))

    assert (world.state("door"), world.holder("door")) == ("init_shutdown", None)
    assert "refused" in old.commit()[world.scenario("door").id]


def test_a_runner_started_anew_gets_its_sources_with_a_new_token(world: World) -> None:
    running(world, "door")
    first = world.holder("door")
    world.runners["r1"].die()
    world.join("r1")

    world.settle()

    second = world.holder("door")
    assert first is not None and second is not None
    assert (second.runner_id, second.token > first.token) == ("r1", True)
    assert world.state("door") == "active"


def test_a_runner_that_ends_in_order_is_no_death(world: World) -> None:
    running(world, "door", runners=("r1", "r2"))
    first = world.holder("door")
    assert first is not None

    world.runners[first.runner_id].drain()
    world.settle()

    assert (world.state("door"), deaths(world, "door-source")) == ("active", 0)


def test_a_lease_given_back_without_a_word_is_noticed(world: World) -> None:
    running(world, "door")
    held = world.holder("door")
    assert held is not None

    world.store.write(lambda one: leases.take_away(one, held.source_id, held.token))
    world.settle()

    assert world.state("door") == "active"
    assert "runner_drained" in [reason for _, _, _, _, reason, _ in world.arrows()]


def test_leases_of_a_restarted_machine_are_void_and_nobody_is_blamed(world: World) -> None:
    running(world, "door", runners=("r1", "r2"))

    def restart(transaction: Transaction) -> None:
        transaction.connection.exec_driver_sql("UPDATE runners SET until_ms = 0")

    world.store.write(restart)
    world.look()

    assert (world.holder("door"), deaths(world, "door-source")) == (None, 0)


def test_after_an_outage_silence_says_nothing_for_one_lease_length(world: World) -> None:
    running(world, "door")
    world.see_well()
    world.runners["r1"].is_frozen = True

    world.host.pass_by(60.0)  # Nobody could renew, nor look.
    for _ in range(5):
        world.host.pass_by(0.5)
        world.orchestrator.watch_once()
        assert world.holder("door") is not None
    for _ in range(3):
        world.host.pass_by(0.5)
        world.orchestrator.watch_once()

    assert world.holder("door") is None


def test_after_an_outage_nobody_is_granted_what_a_silent_runner_holds(world: World) -> None:
    running(world, "door")
    world.join("r2")
    held = world.holder("door")
    world.host.pass_by(60.0)
    world.runners["r2"].renew()
    world.add("gate", "door-source")
    world.ask("gate", START)

    world.orchestrator.watch_once()
    world.orchestrator.run_once()

    assert (world.holder("gate"), world.state("gate")) == (held, "init_startup")


def test_after_an_outage_the_dead_are_replaced_at_once(world: World) -> None:
    running(world, "door")
    world.host.pass_by(60.0)

    world.runners["r1"].die()
    world.orchestrator.watch_once()

    assert world.holder("door") is None


def test_a_store_that_did_not_answer_has_to_be_seen_well_first(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    running(world, "door")
    world.see_well()
    world.runners["r1"].is_frozen = True
    for _ in range(3):
        world.pass_by(1.0)

    def unavailable(_: object) -> None:
        raise StoreUnavailable("the disk is full")

    with monkeypatch.context() as away:
        away.setattr(world.store, "read", unavailable)
        with pytest.raises(StoreUnavailable):
            world.orchestrator.watch_once()
    for _ in range(4):
        world.pass_by(0.9)
        assert world.holder("door") is not None
    world.pass_by(0.9)

    assert world.holder("door") is None


def test_a_jump_of_the_wall_clock_moves_nothing(world: World) -> None:
    running(world, "door")
    world.see_well()
    held = world.holder("door")

    for hours in (1, -2, 24):
        world.host.jump(hours * 3600.0)
        world.pass_by(1.0)
        world.settle(2)

    assert (held, "active") == (world.holder("door"), world.state("door"))


def test_a_source_that_kills_its_holders_is_put_apart_with_growing_pauses(world: World) -> None:
    running(world, "door")
    pauses = []
    apart = SourceId("door-source")
    world.join("r2", only=apart)
    for death in range(7):
        # The last of the three deaths that are too many is the first runner's.
        name, only = ("r1", None) if death < 3 else ("r2", apart)
        assert (held := world.holder("door")) is not None and held.runner_id == name
        world.runners[name].die()
        world.join(name, only=only)
        world.settle(2)
        waited_s = 0
        while world.state("door") != "active":
            assert "run apart" in world.scenario("door").detail
            world.pass_by(1.0)
            world.settle(1)
            waited_s += 1
        pauses.append(waited_s)
        assert (death + 1) == deaths(world, "door-source")

    # Ten minutes after the first deaths only those since count.
    assert pauses[:6] == [0, 0, 0, 30, 120, 600]


def test_no_more_suspects_are_put_apart_than_can_run_apart(world: World) -> None:
    names = [f"s{at}" for at in range(APART_MAX + 12)]
    for name in names:
        world.add(name)
        world.ask(name, START)
    world.join("r1")
    world.settle(4)
    for _ in range(4):
        world.runners["r1"].die()
        world.join("r1")
        world.settle(4)

    apart = world.store.read(put_apart)

    assert len(apart) == APART_MAX
    # The others are not in the dark meanwhile.
    others = [name for name in names if SourceId(f"{name}-source") not in apart]
    assert {world.state(name) for name in others} == {"active"}


def test_two_orchestrators_at_once_carry_every_command_out_once(world: World) -> None:
    names = [f"s{at}" for at in range(60)]
    for name in names:
        world.add(name)
        for kind in (START, STOP, START):
            world.ask(name, kind)
    world.join("r1")
    both = [world.orchestrator, world.another_orchestrator()]

    def work(orchestrator: Orchestrator) -> None:
        for _ in range(8):
            orchestrator.watch_once()
            orchestrator.run_once()

    threads = [threading.Thread(target=work, args=(one,)) for one in both]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(240)
    world.settle()

    assert {("active", 2)} == {(world.state(name), world.scenario(name).run) for name in names}
    arrows = [(name, before, after) for _, name, before, after, _, _ in world.arrows()]
    assert sum(arrow[1:] == ("inactive", "init_startup") for arrow in arrows) == 60 * 2


KILLED_AFTER: list[Callable[[Transaction], object]] = [
    lambda one: steps.decide_commands(one, 256),
    lambda one: steps.use_holders(one, 256),
    lambda one: steps.end_runs(one, 256),
    lambda one: steps.start_anew(one, 256),
    lambda one: steps.release_idle(one, 256),
]


@pytest.mark.parametrize("killed_after", range(len(KILLED_AFTER)))
def test_another_orchestrator_goes_on_where_one_was_killed(world: World, killed_after: int) -> None:
    running(world, "door", "gate")
    world.add("yard")
    for name, kind in (("door", STOP), ("gate", STOP), ("gate", START), ("yard", START)):
        world.ask(name, kind)

    for step in KILLED_AFTER[: killed_after + 1]:
        world.store.write(step)
    world.orchestrator = world.another_orchestrator()
    world.settle()

    assert [world.state(n) for n in ("door", "gate", "yard")] == ["inactive", "active", "active"]
    assert [world.scenario(n).run for n in ("door", "gate", "yard")] == [1, 2, 1]


def test_what_a_killed_orchestrator_began_in_a_transaction_never_happened(world: World) -> None:
    world.add("door")
    world.ask("door", START)

    def half(transaction: Transaction) -> None:
        steps.decide_commands(transaction, 256)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        world.store.write(half)
    assert world.state("door") == "inactive"
    world.orchestrator.run_once()

    assert (world.state("door"), world.scenario("door").run) == ("init_startup", 1)


def test_every_change_of_state_is_told_once_and_in_order(world: World) -> None:
    running(world, "door")
    world.ask("door", STOP)
    world.settle()

    told = [(one["before"], one["after"], one["reason"]) for one in world.notices()]

    assert [(b, a, r) for _, _, b, a, r, _ in world.arrows()] == told
    assert len(told) == 6
    assert ASSIGNMENTS in {one.topic for one in world.bus.said}


def await_true(condition: Callable[[], bool], *, within_s: float = 10.0) -> None:
    end_s = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < end_s, "it did not happen in time"
        time.sleep(0.005)


def test_the_role_hears_a_command_and_ends_soon_when_told(world: World, tmp_path: Path) -> None:
    bus = LocalBus(tmp_path)
    told: list[Message] = []
    bus.subscribe([NOTICES], told.append)
    # It would look by itself after a minute only.
    options = OrchestratorOptions(lease_s=LEASE_S, look_s=60.0)
    orchestrator = Orchestrator(world.store, bus, SystemClock(), options=options)
    thread = threading.Thread(target=orchestrator.run)
    thread.start()
    world.join("r1")
    world.add("door")
    world.ask("door", START)

    # The message may be said before the role listens; the next one will be heard.
    def is_granted() -> bool:
        bus.publish([Message(COMMANDS, "door")])
        return world.state("door") == "in_startup_processing"

    await_true(is_granted)
    await_true(lambda: len(told) == 2)
    orchestrator.stop()
    thread.join(240)

    assert not thread.is_alive()
    bus.close()


def test_the_role_looks_by_itself_where_every_message_is_lost(world: World) -> None:
    options = OrchestratorOptions(lease_s=LEASE_S, look_s=0.05, watch_s=0.01)
    orchestrator = Orchestrator(world.store, world.bus, SystemClock(), options=options)
    thread = threading.Thread(target=orchestrator.run)
    thread.start()
    world.add("door")
    world.ask("door", START)

    await_true(lambda: world.state("door") == "init_startup")
    orchestrator.stop()
    thread.join(240)

    assert not thread.is_alive()


def test_the_role_survives_a_store_that_is_away(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    options = OrchestratorOptions(lease_s=LEASE_S, look_s=0.01, watch_s=0.01)
    orchestrator = Orchestrator(world.store, world.bus, SystemClock(), options=options)
    failures = threading.Semaphore(0)

    def unavailable(_: object) -> None:
        failures.release()
        raise StoreUnavailable("the disk is full")

    world.add("door")
    world.ask("door", START)
    with monkeypatch.context() as away:
        away.setattr(world.store, "read", unavailable)
        thread = threading.Thread(target=orchestrator.run)
        thread.start()
        for _ in range(4):
            assert failures.acquire(timeout=240)
    await_true(lambda: world.state("door") == "init_startup")
    orchestrator.stop()
    thread.join(240)

    assert not thread.is_alive()
    lines = [one for one in caplog.messages if "did not answer" in one]
    assert 1 <= len(lines) <= 3
