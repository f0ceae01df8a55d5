"""Commands per second: decided, and carried out, against the same transactions with nothing around.

The bare ones are those very functions, one after the other in one process: no role waits, is woken
or looks, and no pipeline is made. Both are grouped as the store and the orchestrator group them,
and are as durable.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from bench.clips import KINDS, clip_path
from bench.core.deployment import Cluster, deployment
from bench.core.rest import scenario_of
from bench.core.slideshow import address_of, slideshow
from bench.report import Row, row_of
from vedette.bus import topics
from vedette.bus.base import Message
from vedette.domain.ids import RunnerId, Token
from vedette.domain.parameters import Parameters
from vedette.domain.scenario import PipelineUp, Scenario, ScenarioState
from vedette.orchestrator.dispatcher import grant_waiting
from vedette.orchestrator.options import OrchestratorOptions
from vedette.orchestrator.steps import decide_commands
from vedette.store.base import Transaction
from vedette.store.statements import leases, scenarios
from vedette.store.statements.reports import report

COMMANDS = 2000
# Fewer: each has a pipeline, with threads and a connection.
STARTS = 300
BATCH = OrchestratorOptions().batch_max
# Longer than any pause between two pictures.
SLOW = {"VEDETTE_OPEN_TIMEOUT_S": "60", "VEDETTE_READ_TIMEOUT_S": "300", "VEDETTE_COMMIT_S": "1"}
PERIOD_S = 60.0
BARE_RUNNER = RunnerId("bare")
CARRIED_OUT_S = 120.0


def command_rows(repeats: int) -> list[Row]:
    """Give the rates of both, and their ratios."""
    decided, decided_share, active, active_share, showing = [], [], [], [], []
    for _ in range(repeats):
        with deployment() as house:
            bare = bare_decided_rate(house)
        with deployment() as house:
            decided.append(decided_rate(house))
        decided_share.append(decided[-1] / bare)
        with deployment() as house:
            bare = bare_active_rate(house)
        with silent_host() as port:
            active.append(active_rate(f"rtsp://127.0.0.1:{port}/{{}}".format))
        active_share.append(active[-1] / bare)
        with slideshow(period_s=PERIOD_S) as port:
            showing.append(active_rate(partial(address_of, port)))
    return [
        row_of("commands accepted and decided", decided, "1/s"),
        row_of("commands / the same transactions, bare", decided_share, "ratio", ">= 0.5"),
        row_of("commands to active", active, "1/s"),
        row_of("commands to active / the same, bare", active_share, "ratio", ">= 0.5"),
        row_of("commands to active, cameras that show at once", showing, "1/s"),
    ]


def accept(
    number: int, address: str = "synthetic://street", detector: str = "auto"
) -> Callable[[Transaction], None]:
    """Give the transaction that accepts a start, as the API has it."""
    scenario_id, source_id = scenario_of(number)

    def work(transaction: Transaction) -> None:
        scenarios.add_source(transaction, source_id, name="clip", address=address)
        scenario = Scenario(scenario_id, source_id)
        scenarios.add_scenario(transaction, scenario, Parameters(detector=detector))
        scenarios.add_command(transaction, scenario_id, scenarios.START)

    return work


def accept_all(house: Cluster, works: list[Callable[[Transaction], None]]) -> None:
    """Accept as many starts, each in a transaction of its own."""
    accepted = [house.store.submit(one, durable=True) for one in works]
    for one in accepted:
        one.result()


def decide_all(house: Cluster) -> None:
    """Decide what was accepted, a batch at a time."""
    while house.store.write(partial(decide_commands, limit=BATCH), durable=True):
        pass


def bare_decided_rate(house: Cluster) -> float:
    """Issue the accepting and the deciding transactions with nothing around them."""
    started = time.perf_counter()
    accept_all(house, [accept(number) for number in range(COMMANDS)])
    decide_all(house)
    return COMMANDS / (time.perf_counter() - started)


def decided_rate(house: Cluster) -> float:
    """Accept as many commands with an orchestrator at work in its own process."""
    house.start("orchestrator")
    time.sleep(1)  # It has loaded what it needs, and found nothing to do.
    started = time.perf_counter()
    accepted = [house.store.submit(accept(number), durable=True) for number in range(COMMANDS)]
    house.bus.publish([Message(topics.COMMANDS)])
    for one in accepted:
        one.result()

    def left(transaction: Transaction) -> int:
        ask = transaction.connection.exec_driver_sql
        return int(ask("SELECT count(*) FROM commands").scalar_one())

    while house.store.read(left):
        time.sleep(0.001)
    return COMMANDS / (time.perf_counter() - started)


def bare_active_rate(house: Cluster) -> float:
    """Accept, decide, grant and report, with nothing around it."""
    house.store.write(_register)
    started = time.perf_counter()
    accept_all(house, [accept(number) for number in range(STARTS)])
    decide_all(house)
    while house.store.write(partial(grant_waiting, limit=BATCH, dead=())):
        pass
    reported = [house.store.submit(_report_of(number)) for number in range(STARTS)]
    for one in reported:
        one.result()
    took_s = time.perf_counter() - started
    assert house.store.read(_count_active) == STARTS
    return STARTS / took_s


def _register(transaction: Transaction) -> None:
    leases.register(
        transaction, BARE_RUNNER, "bare", host="", pid=0, version="", capacity=10_000,
        lease_ms=600_000,
    )  # fmt: skip


def _report_of(number: int) -> Callable[[Transaction], Scenario]:
    scenario_id, source_id = scenario_of(number)
    return partial(
        report,
        scenario_id=scenario_id,
        run=1,
        happening=PipelineUp(),
        source_id=source_id,
        token=Token(1),
    )


def active_rate(address_of: Callable[[int], str]) -> float:
    """Start as many scenarios, with all roles at work, and wait until the last is active."""
    with deployment(**SLOW) as house:
        house.start("orchestrator")
        house.start("runner", "--name", "one")
        # The runner has loaded what it needs.
        warm = house.add(str(clip_path(KINDS[2])), Parameters(detector="motion"))
        house.wait_for_state(warm, ScenarioState.INACTIVE, deadline_s=60)
        works = [accept(one, address_of(one), "motion") for one in range(STARTS)]
        started = time.perf_counter()
        accepted = [house.store.submit(one, durable=True) for one in works]
        house.bus.publish([Message(topics.COMMANDS)])
        for one in accepted:
            one.result()
        while house.store.read(_count_active) < STARTS:
            assert time.perf_counter() - started < CARRIED_OUT_S, house.logs()
            time.sleep(0.01)
        return STARTS / (time.perf_counter() - started)


@contextmanager
def silent_host() -> Iterator[int]:
    """Give the port of a host that takes up calls and says nothing: it costs nobody anything."""
    with socket.create_server(("127.0.0.1", 0), backlog=4096) as listening:
        yield listening.getsockname()[1]


def _count_active(transaction: Transaction) -> int:
    ask = transaction.connection.exec_driver_sql
    said = "SELECT count(*) FROM scenarios WHERE state = ?"
    return int(ask(said, (str(ScenarioState.ACTIVE),)).scalar_one())
