"""Many cameras on which next to nothing happens: a picture a minute each, beside many at rest."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from functools import partial
from subprocess import Popen

import numpy as np

from bench.core.deployment import Cluster, deployment
from bench.core.meters import private_bytes, spent_s, threads, wait_until, writes, written_bytes
from bench.core.rest import register
from bench.core.slideshow import address_of, slideshow
from bench.report import Row, row_of
from vedette.bus import topics
from vedette.bus.base import Message
from vedette.domain.ids import ScenarioId, SourceId
from vedette.domain.parameters import Parameters
from vedette.domain.scenario import Scenario, ScenarioState
from vedette.store.base import Transaction
from vedette.store.statements import scenarios

AT_REST = 10_000
ACTIVE = (100, 300, 1000)
PERIOD_S = 60.0
# All cameras are open by then, or something is wrong.
OPEN_S = 120.0


@dataclass(frozen=True, slots=True)
class Cost:
    """What a deployment took per second, and holds.

    Attributes:
        cpu: Cores, orchestrator and runner together.
        bytes: Private memory of both.
        threads: The runner's.
        writes: Transactions that wrote, per second.
        written: Bytes they had written, per second.
        looks: Pictures analysed, per second.
    """

    cpu: float
    bytes: float
    threads: float
    writes: float
    written: float
    looks: float


def slow_rows(repeats: int) -> list[Row]:
    """Give what cameras that show a picture a minute cost, and how that grows with their number."""
    measured = {count: measure(count, repeats) for count in (0, *ACTIVE)}
    measured = {count: costs for count, costs in measured.items() if costs}
    active = [count for count in measured if count]
    rows = []
    for count, costs in measured.items():
        name = f"{AT_REST:,} at rest, {count:,} active, a picture a minute"
        rows += [
            row_of(f"{name}: CPU", [one.cpu for one in costs], "cores"),
            row_of(f"{name}: memory", [one.bytes / 1e6 for one in costs], "MB"),
            row_of(f"{name}: threads of the runner", [one.threads for one in costs], ""),
            row_of(f"{name}: database writes", [one.writes for one in costs], "1/s"),
            row_of(f"{name}: bytes written", [one.written for one in costs], "B/s"),
            row_of(f"{name}: looks", [one.looks for one in costs], "1/s"),
        ]
    found = [
        exponent(active, [measured[count][turn].writes for count in active])
        for turn in range(repeats)
    ]
    added = [
        (more.bytes - none.bytes) / active[-1] / 1e6
        for more, none in zip(measured[active[-1]], measured[0], strict=True)
    ]
    return [
        *rows,
        row_of("memory per slow camera", added, "MB"),
        row_of("database writes: exponent in active scenarios", found, "", "<= 0.3"),
    ]


def exponent(active: list[int], values: list[float]) -> float:
    """Fit a power of the number of active scenarios."""
    slope, _ = np.polyfit(np.log(active), np.log(np.maximum(values, 1e-3)), 1)
    return float(slope)


def measure(count: int, repeats: int) -> list[Cost]:
    """Measure with so many active ones, a period at a time."""
    with (
        slideshow(period_s=PERIOD_S) as port,
        deployment(
            VEDETTE_COMMIT_S="1",
            VEDETTE_LEASE_S="3",
            VEDETTE_OPEN_TIMEOUT_S="60",
            VEDETTE_READ_TIMEOUT_S="300",
        ) as house,
    ):
        for at in range(0, AT_REST, 1000):
            house.store.write(partial(register, range(at, at + 1000)))
        processes = [house.start("orchestrator"), house.start("runner", "--name", "one")]
        started_s = time.monotonic()
        for at in range(0, count, 100):
            add = partial(add_slow, range(at, min(at + 100, count)), port)
            house.store.write(add, durable=True)
        house.bus.publish([Message(topics.COMMANDS)])
        while looked_at(house) < count:
            if time.monotonic() - started_s > OPEN_S:
                print(f"{count} slow cameras: {looked_at(house)} looked in {OPEN_S} s", flush=True)
                return []  # More than the machine bears.
            time.sleep(0.2)
        took_s = time.monotonic() - started_s
        print(f"{count} slow cameras: all looked at after {took_s:.1f} s", flush=True)
        time.sleep(5)  # What opening brings with it is over.
        return [cost(house, processes) for _ in range(repeats)]


def add_slow(numbers: range, port: int, transaction: Transaction) -> None:
    """Register and start cameras."""
    for number in numbers:
        scenario_id, source_id = ScenarioId(f"slow{number}"), SourceId(f"of slow{number}")
        scenarios.add_source(
            transaction, source_id, name="camera", address=address_of(port, number)
        )
        scenario = Scenario(scenario_id, source_id)
        scenarios.add_scenario(transaction, scenario, Parameters(detector="motion"))
        scenarios.add_command(transaction, scenario_id, scenarios.START)


def looked_at(house: Cluster) -> int:
    """Give how many scenarios are active and have results."""

    def question(transaction: Transaction) -> int:
        ask = transaction.connection.exec_driver_sql
        said = "SELECT count(*) FROM scenarios WHERE state = ? AND id IN "
        return int(
            ask(
                f"{said} (SELECT scenario_id FROM parts)", (str(ScenarioState.ACTIVE),)
            ).scalar_one()
        )

    return house.store.read(question)


def cost(house: Cluster, processes: list[Popen[str]]) -> Cost:
    """Measure one period."""
    pids = [one.pid for one in processes]
    before = taken(house, pids)
    began_s = time.monotonic()
    held, many = [], []
    for turn in range(1, 5):
        wait_until(began_s + turn * PERIOD_S / 4)
        held.append(sum(map(private_bytes, pids)))
        many.append(threads(pids[-1]))
    passed_s = time.monotonic() - began_s
    cpu, written, wrote, looks = (
        (late - early) / passed_s for early, late in zip(before, taken(house, pids), strict=True)
    )
    return Cost(cpu, statistics.median(held), max(many), wrote, written, looks)


def taken(house: Cluster, pids: list[int]) -> tuple[float, int, int, int]:
    """Give CPU seconds, bytes written, transactions and looks so far."""
    return (
        sum(map(spent_s, pids)),
        sum(map(written_bytes, pids)),
        writes(house.folder),
        looks_of(house),
    )


def looks_of(house: Cluster) -> int:
    """Give how many looks are committed."""

    def question(transaction: Transaction) -> int:
        ask = transaction.connection.exec_driver_sql
        return int(ask("SELECT coalesce(sum(rows), 0) FROM parts").scalar_one())

    return house.store.read(question)
