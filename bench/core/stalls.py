"""False takeovers: how often work is taken from a healthy runner on a bad day.

All cores are kept busy by others, and the database stalls for two seconds again and again. Every
token that grows then has grown without a fault.
"""

from __future__ import annotations

import time

from bench.core.deployment import Cluster, deployment
from bench.core.load import Stalls, busy
from bench.core.slideshow import address_of, slideshow
from bench.report import Row, row_of
from vedette.domain.ids import ScenarioId
from vedette.domain.parameters import Parameters
from vedette.domain.scenario import ScenarioState
from vedette.store.base import Transaction

# `--repeats 10` is the ten minutes that the goal speaks of.
SECONDS_PER_REPEAT = 60.0
LEASE_S = 3.0
STALL_S = 2.0
# Shorter than a lease, and longer: runners renew between two stalls, or hardly.
PAUSE_S = (0.5, 5.0)
CAMERAS = 6
RUNNERS = 2
CORES = 2
PICTURES_PER_S = 5.0


def stall_rows(repeats: int) -> list[Row]:
    """Count the tokens that grow though every runner lives and works."""
    seconds = SECONDS_PER_REPEAT * repeats
    with (
        slideshow(period_s=1 / PICTURES_PER_S) as port,
        deployment(VEDETTE_LEASE_S=str(LEASE_S)) as house,
    ):
        house.start("orchestrator")
        for number in range(RUNNERS):
            house.start("runner", "--name", f"r{number}")
        ids = [
            house.add(address_of(port, number), Parameters(detector="motion"))
            for number in range(CAMERAS)
        ]
        for one in ids:
            house.wait_for_state(one, ScenarioState.ACTIVE)
        before, rows_before = tokens_of(house), rows_of(house)
        stalls = Stalls(house.store.path, stall_s=STALL_S, pause_s=PAUSE_S)
        with busy(CORES), stalls:
            end_mono_s = time.monotonic() + seconds
            while (left_s := end_mono_s - time.monotonic()) > 0:
                time.sleep(min(left_s, 60))
                print(f"stalls: {max(left_s - 60, 0):.0f} s left", flush=True)
        grown = sum(tokens_of(house)[one] - token for one, token in before.items())
        rows = rows_of(house) - rows_before
        assert all(process.poll() is None for process in house.processes), house.logs()
        assert all(is_active(house, one) for one in ids), house.logs()
    name = f"{seconds / 60:g} min, all cores busy, {stalls.count} stalls of {STALL_S:g} s"
    return [
        row_of(f"{name}: false takeovers", [grown], "", "<= 0"),
        row_of(f"{name}: looks committed", [rows / seconds / CAMERAS], "1/s a camera"),
    ]


def tokens_of(house: Cluster) -> dict[str, int]:
    """Give the token of every source."""

    def question(transaction: Transaction) -> dict[str, int]:
        rows = transaction.connection.exec_driver_sql("SELECT id, token FROM sources").all()
        return {row.id: row.token for row in rows}

    return house.store.read(question)


def rows_of(house: Cluster) -> int:
    """Give how many looks are committed."""

    def question(transaction: Transaction) -> int:
        ask = transaction.connection.exec_driver_sql
        return int(ask("SELECT coalesce(sum(rows), 0) FROM parts").scalar_one())

    return house.store.read(question)


def is_active(house: Cluster, scenario_id: ScenarioId) -> bool:
    """Tell whether it runs."""
    return house.scenario(scenario_id).state is ScenarioState.ACTIVE
