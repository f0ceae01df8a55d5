"""Starts, stops, losses and returns over and over: nothing grows, counted from outside."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from parts import need
from rtsp_server import RTSPServer, missing
from system.cluster import cluster
from vedette.domain.parameters import Parameters
from vedette.domain.scenario import ScenarioState

SOAK = int(os.environ.get("SOAK", "0"))
CYCLES = 500 if SOAK else 20
LOSSES = 200 if SOAK else 8
# Cycles until caches are full and every thread's heap has its size: they are left out.
WARM = 100 if SOAK else 5
# Per 100 cycles.
GROWTH_KB_MAX = 50.0
THREADS_MAX = 0.05


@dataclass(frozen=True)
class Size:
    """A process as the kernel sees it."""

    rss_kb: int
    threads: int
    descriptors: int
    children: int


def size(pid: int) -> Size:
    status = Path(f"/proc/{pid}/status").read_text()
    facts = dict(line.split(":", 1) for line in status.splitlines())
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return Size(
        rss_kb=int(facts["VmRSS"].split()[0]),
        threads=int(facts["Threads"]),
        descriptors=len(list(Path(f"/proc/{pid}/fd").iterdir())),
        children=len(children),
    )


def slope_per_100(values: list[int]) -> float:
    """Growth per 100 cycles by least squares."""
    late = values[WARM:]
    return float(np.polyfit(np.arange(len(late)), late, 1)[0]) * 100


@pytest.mark.timeout(240 + 3600 * SOAK)
def test_starts_and_stops_leave_nothing_behind(tmp_path: Path) -> None:
    need("rtsp", not missing(), missing())
    server = RTSPServer()
    try:
        with cluster(tmp_path / "data") as house:
            house.start("orchestrator")
            runner = house.start("runner", "--name", "one")
            scenario_id = house.add(server.url(), Parameters(detector="motion", fps=5))
            sizes = []
            for cycle in range(1, CYCLES + 1):
                house.wait_for(
                    lambda run=cycle: house.rows(scenario_id, run), deadline_s=15, why="results"
                )
                house.command(scenario_id, "stop")
                house.wait_for_state(scenario_id, ScenarioState.INACTIVE)
                sizes.append(size(runner.pid))
                house.command(scenario_id, "start")
                house.wait_for(
                    lambda run=cycle: house.scenario(scenario_id).run > run,
                    deadline_s=15,
                    why="the next run",
                )
    finally:
        server.kill()

    assert_nothing_grew(sizes)


@pytest.mark.timeout(240 + 7200 * SOAK)
def test_losses_and_returns_of_a_source_leave_nothing_behind(tmp_path: Path) -> None:
    need("rtsp", not missing(), missing())
    server = RTSPServer()
    port = server.port
    try:
        with cluster(
            tmp_path / "data", VEDETTE_READ_TIMEOUT_S="0.5", VEDETTE_OPEN_TIMEOUT_S="1"
        ) as house:
            house.start("orchestrator")
            runner = house.start("runner", "--name", "one")
            scenario_id = house.add(server.url(), Parameters(detector="motion", fps=5))
            sizes = []
            for _ in range(LOSSES):
                before = len(house.rows(scenario_id))
                house.wait_for(
                    lambda before=before: len(house.rows(scenario_id)) > before + 2,
                    deadline_s=70,
                    why="results after a return",
                )
                sizes.append(size(runner.pid))
                server.kill()
                server = RTSPServer(port=port)
            assert house.scenario(scenario_id).run == 1
    finally:
        server.kill()

    assert_nothing_grew(sizes)


def assert_nothing_grew(sizes: list[Size]) -> None:
    assert {one.children for one in sizes} == {sizes[0].children}
    if SOAK:
        assert slope_per_100([one.rss_kb for one in sizes]) < GROWTH_KB_MAX, sizes
        assert slope_per_100([one.threads for one in sizes]) < THREADS_MAX, sizes
        assert slope_per_100([one.descriptors for one in sizes]) < THREADS_MAX, sizes
    else:  # So few cycles cannot tell 50 kB from the allocator's own ups and downs.
        first, last = sizes[0], sizes[-1]
        # Readers of the store are made as they are needed: three threads, six files at the most.
        assert last.threads <= first.threads + 3, sizes
        assert last.descriptors <= first.descriptors + 6, sizes
