"""Failover: from a fault of the runner at work to the next accepted result, and what is repeated.

A long file is analysed by one of two runners, as fast as it can; that one is killed or stopped at
a random moment, again and again.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.core import counted_runner
from bench.core.deployment import Cluster, deployment
from bench.core.load import busy
from bench.core.long_clip import GROUP, long_clip
from bench.core.meters import MachineLoad, spent_s
from bench.report import Row, row_of
from vedette.domain.ids import ScenarioId
from vedette.domain.parameters import Parameters
from vedette.domain.scenario import StatusReason
from vedette.store.base import Transaction

KILLS_PER_REPEAT = 10
FREEZES_PER_REPEAT = 3
LEASE_S = 3.0
COMMIT_S = 0.25
LIMITS = {
    "VEDETTE_LEASE_S": str(LEASE_S),
    "VEDETTE_COMMIT_S": str(COMMIT_S),
    "VEDETTE_QUARANTINE_DEATHS": "1000000",
}
# The runner at work is left alone for so long, not to be hit in the middle of taking over.
SETTLE_S = 0.5
# What others take of the machine, beside the runner at work.
OTHERS_CORES = 0.2


@dataclass(frozen=True, slots=True)
class Fault:
    """What one fault cost.

    Attributes:
        delay_s: Up to the commit of the first result of the next token.
        twice: Looks that the next runner repeated; None where the file had ended meanwhile.
        twice_max: One commit interval of looks, and a group of pictures.
        load: Share of the machine's cores that were busy just before ...
        own_load: ... and what part of them the runner at work kept busy.
    """

    delay_s: float
    twice: int | None
    twice_max: float
    load: float
    own_load: float


def failover_rows(repeats: int) -> list[Row]:
    """Give the delays of kills and freezes, and the looks that were made twice."""
    kills, freezes = KILLS_PER_REPEAT * repeats, FREEZES_PER_REPEAT * repeats
    with busy(OTHERS_CORES), deployment(**LIMITS) as house:
        house.start("orchestrator")
        work = UnderFaults(house)
        killed = work.faults(signal.SIGKILL, kills)
        frozen = work.faults(signal.SIGSTOP, freezes)
    faults = killed + frozen
    repeated = [one for one in killed if one.twice is not None]
    looks = [float(one.twice or 0) for one in repeated]
    shares = [(one.twice or 0) / one.twice_max for one in repeated]
    return [
        row_of("cores busy just before a fault", [one.load for one in faults], "ratio"),
        row_of("of them by the runner at work", [one.own_load for one in faults], "ratio"),
        *delay_rows("kill -9", killed, 1.5),
        *delay_rows("SIGSTOP", frozen, LEASE_S + 1.5),
        row_of(f"frames analysed twice per kill, {len(looks)} kills", looks, "frames"),
        row_of(
            "frames analysed twice / (a commit interval + a group), all kills",
            [sum(looks) / sum(one.twice_max for one in repeated)],
            "ratio",
            "<= 1",
        ),
        row_of("the same, kill by kill", shares, "ratio"),
    ]


def delay_rows(name: str, faults: list[Fault], goal_s: float) -> list[Row]:
    """Give the median and the ends, and the 99th percentile by itself."""
    values = [one.delay_s for one in faults]
    return [
        row_of(f"{name} to the next result, {len(values)} faults", values, "s"),
        row_of(f"{name} to the next result, p99", [p99(values)], "s", f"<= {goal_s:g}"),
    ]


def p99(values: list[float]) -> float:
    """Give the value that one in a hundred exceeds; of few values the most."""
    return sorted(values)[min(len(values) - 1, round(0.99 * len(values)))]


class UnderFaults:
    """A long file analysed by two runners, of which the one at work is hit again and again."""

    def __init__(self, house: Cluster) -> None:
        self._house = house
        self._chance = random.Random(5)
        self._runners: dict[str, subprocess.Popen[str]] = {}
        self._made = 0
        self._load = MachineLoad()
        for _ in range(2):
            self._add_runner()
        self._id = house.add(str(long_clip()), Parameters(detector="motion"))
        self._run = 1

    def faults(self, sent: signal.Signals, count: int) -> list[Fault]:
        """Hit so many times."""
        found = []
        for number in range(count):
            if number % 10 == 0:
                print(f"{sent.name}: {number} of {count}", flush=True)
            found.append(self._fault(sent))
        return found

    def _fault(self, sent: signal.Signals) -> Fault:
        """Hit whoever is at work; give how long the next accepted result took to come."""
        token, holder, rate, own_load = self._at_work()
        load = self._load.taken()
        process = self._runners.pop(holder)
        at_ms = time.time_ns() / 1e6
        process.send_signal(sent)
        self._house.wait_for(
            lambda: first_of(self._house, self._id, self._run, token),
            deadline_s=60,
            why="the next holder",
        )
        first_ms, next_holder = first_of(self._house, self._id, self._run, token)
        _, last = counted_runner.looks(self._account_of(holder))
        first, _ = counted_runner.looks(self._account_of(next_holder))
        process.kill()
        process.wait(10)
        self._add_runner()
        return Fault(
            delay_s=(first_ms - at_ms) / 1000,
            # A file that was begun anew begins with its first picture.
            twice=max(last + 1 - first, 0) if first > 0 else None,
            twice_max=COMMIT_S * rate + GROUP,
            load=load,
            own_load=own_load,
        )

    def _at_work(self) -> tuple[int, str, float, float]:
        """Wait until somebody live is at work; give token, holder, looks per second and load."""

        def is_at_work() -> bool:
            newest = newest_of(self._house, self._id, self._run)
            return newest is not None and newest[1] in self._runners

        while True:
            if self._is_over():
                self._house.command(self._id, "start")
                self._run += 1
            self._house.wait_for(is_at_work, deadline_s=60, why="work")
            token, holder = newest_of(self._house, self._id, self._run)
            self._load.taken()
            pid = self._runners[holder].pid
            cpu_s = spent_s(pid)
            _, before = counted_runner.looks(self._account_of(holder))
            # Commits come at fixed moments: hit anywhere between two.
            watched_s = SETTLE_S + self._chance.uniform(0, COMMIT_S)
            time.sleep(watched_s)
            _, after = counted_runner.looks(self._account_of(holder))
            if not self._is_over():
                own_load = (spent_s(pid) - cpu_s) / watched_s / (os.cpu_count() or 1)
                return token, holder, (after - before) / watched_s, own_load

    def _is_over(self) -> bool:
        return self._house.scenario(self._id).status_reason is StatusReason.COMPLETED

    def _add_runner(self) -> None:
        name = f"r{self._made}"
        self._made += 1
        account = self._account_of(name)
        counted_runner.prepare(account)
        self._runners[name] = start_counted(self._house, account, name)

    def _account_of(self, name: str) -> Path:
        return self._house.folder / f"looks-{name}"


def start_counted(house: Cluster, account: Path, name: str) -> subprocess.Popen[str]:
    """Start a runner that keeps account of its looks, and wait until it is ready."""
    with (house.folder / f"runner-{name}.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "bench.core.counted_runner", str(account), "runner",
             "--data", str(house.folder), "--name", name],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env={**os.environ, **LIMITS},
        )  # fmt: skip
    house.processes.append(process)
    assert process.stdout is not None
    assert "ready" in process.stdout.readline(), house.logs()
    return process


def newest_of(house: Cluster, scenario_id: ScenarioId, run: int) -> Any:
    """Give token and holder of the newest part, or None."""

    def question(transaction: Transaction) -> Any:
        return transaction.connection.exec_driver_sql(
            "SELECT token, holder FROM parts WHERE scenario_id = ? AND run = ? "
            "ORDER BY first DESC LIMIT 1",
            (scenario_id, run),
        ).first()

    return house.store.read(question)


def first_of(house: Cluster, scenario_id: ScenarioId, run: int, after_token: int) -> Any:
    """Give when the first part of a newer token was committed (wall ms), and by whom, or None."""

    def question(transaction: Transaction) -> Any:
        return transaction.connection.exec_driver_sql(
            "SELECT at_ms, holder FROM parts WHERE scenario_id = ? AND run = ? AND token > ? "
            "ORDER BY at_ms, first LIMIT 1",
            (scenario_id, run, after_token),
        ).first()

    return house.store.read(question)
