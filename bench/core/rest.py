"""Scenarios at rest: what they cost while nobody wants anything of them."""

from __future__ import annotations

import math
import time
from functools import partial

from bench.core.deployment import deployment
from bench.core.meters import spent_s, written_bytes
from bench.report import Row, row_of
from vedette.domain.ids import ScenarioId, SourceId
from vedette.domain.parameters import Parameters
from vedette.domain.scenario import Scenario
from vedette.store.base import Transaction
from vedette.store.statements import scenarios

COUNTS = (100, 10_000)
SECONDS = 10.0


def rest_rows(repeats: int) -> list[Row]:
    """Give CPU, memory and writes of an orchestrator and a runner with nothing to do."""
    del repeats  # Ten seconds of rest tell as much as a hundred.
    rows = []
    written = {}
    for count in COUNTS:
        with deployment() as house:
            for at in range(0, count, 1000):
                house.store.write(partial(register, range(at, min(at + 1000, count))))
            processes = [house.start("orchestrator"), house.start("runner", "--name", "one")]
            time.sleep(3)
            before = [(spent_s(one.pid), written_bytes(one.pid)) for one in processes]
            time.sleep(SECONDS)
            after = [(spent_s(one.pid), written_bytes(one.pid)) for one in processes]
            cpu_s = sum(late[0] - early[0] for early, late in zip(before, after, strict=True))
            written[count] = sum(
                late[1] - early[1] for early, late in zip(before, after, strict=True)
            )
            name = f"{count:,} scenarios at rest"
            rows += [
                row_of(f"{name}: CPU of orchestrator and runner", [cpu_s / SECONDS], "cores"),
                row_of(f"{name}: bytes written", [written[count] / SECONDS], "B/s"),
            ]
    exponent = math.log(max(written[10_000], 1) / max(written[100], 1)) / math.log(100)
    rows.append(row_of("writes at rest: exponent in scenarios", [exponent], "", "<= 0.3"))
    return rows


def scenario_of(number: int) -> tuple[ScenarioId, SourceId]:
    """Give the ids of one of many."""
    return ScenarioId(f"s{number:05}"), SourceId(f"of s{number:05}")


def register(numbers: range, transaction: Transaction, address: str = "synthetic://street") -> None:
    """Register scenarios that nobody started."""
    for number in numbers:
        scenario_id, source_id = scenario_of(number)
        scenarios.add_source(transaction, source_id, name="clip", address=address)
        scenarios.add_scenario(transaction, Scenario(scenario_id, source_id), Parameters())
