"""Starts, stops, losses and returns over and over: nothing grows, counted from outside."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import pytest

from parts import need
from processes import children_of
from rtsp_server import RTSPServer, missing
from system.cluster import Cluster, cluster
from vedette.domain.ids import ScenarioId
from vedette.domain.parameters import Parameters
from vedette.domain.scenario import ScenarioState

SOAK = int(os.environ.get("SOAK", "0"))
# 500 and 200 are left of these after the warm-up.
CYCLES = 850 if SOAK else 20
LOSSES = 340 if SOAK else 8
# NumPy keeps small arrays for others of the very same size, up to 3.6 MB in every thread; SQLite
# keeps 2 MB of the file. Cycles of a few pictures fill that in thousands, a camera in minutes.
WARM_S = 120.0 if SOAK else 0.0
# Share of the cycles until every thread's heap has its size.
WARM_SHARE = 0.4
# Pauses grow with every loss; a new run begins at the foot of the ladder, with a second.
LOSSES_A_RUN = 4
# Per 100 cycles.
GROWTH_KB_MAX = 50.0
COUNT_GROWTH_MAX = 0.05


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
    return Size(
        rss_kb=int(facts["VmRSS"].split()[0]),
        threads=int(facts["Threads"]),
        descriptors=len(list(Path(f"/proc/{pid}/fd").iterdir())),
        children=len(children_of(pid)),
    )


def slope_per_100(values: list[int]) -> float:
    """Growth per 100 cycles, from the first to the last third of what came after the warm-up.

    Medians: one look may fall on a thread that is about to end.
    """
    late = values[round(len(values) * WARM_SHARE) :]
    third = len(late) // 3
    grown = float(np.median(late[-third:]) - np.median(late[:third]))
    return grown / (len(late) - third) * 100


class Sizes:
    """Every role of a deployment, looked at after each cycle."""

    def __init__(self, house: Cluster) -> None:
        """Start the roles."""
        self._of = {
            "api": house.start_api(),
            "orchestrator": house.start("orchestrator"),
            "runner": house.start("runner", "--name", "one"),
        }
        self._seen: dict[str, list[Size]] = {role: [] for role in self._of}

    def look(self) -> None:
        for role, process in self._of.items():
            self._seen[role].append(size(process.pid))

    def assert_nothing_grew(self) -> None:
        told = {role: grown(seen) for role, seen in self._seen.items()}
        print(f"per 100 cycles: {told}")
        assert not [role for role, found in told.items() if found], (told, self._seen)


def grown(sizes: list[Size]) -> dict[str, float]:
    """Give what of a process grows, and by how much."""
    first, last = sizes[0], sizes[-1]
    if not SOAK:  # So few cycles cannot tell 50 kB from the allocator's own ups and downs.
        found = {
            "children": last.children - first.children,
            # Readers of the store are made as they are needed: three threads, six files at most.
            "threads": max(0, last.threads - first.threads - 3),
            "descriptors": max(0, last.descriptors - first.descriptors - 6),
        }
        return {name: much for name, much in found.items() if much}
    slopes = {
        field.name: round(slope_per_100([getattr(one, field.name) for one in sizes]), 3)
        for field in fields(Size)
    }
    print(f"per 100 of {len(sizes)} cycles: {slopes}")
    return {
        name: much
        for name, much in slopes.items()
        if much >= (GROWTH_KB_MAX if name == "rss_kb" else COUNT_GROWTH_MAX)
    }


@pytest.mark.timeout(240 + 3600 * SOAK)
def test_starts_and_stops_leave_nothing_behind(tmp_path: Path) -> None:
    need("rtsp", not missing(), missing())
    server = RTSPServer()
    try:
        with cluster(tmp_path / "data") as house:
            sizes = Sizes(house)
            warm_up(house, server.url())
            scenario_id = house.add(server.url(), Parameters(detector="motion", fps=5))
            for cycle in range(1, CYCLES + 1):
                house.wait_for(
                    lambda run=cycle: house.rows(scenario_id, run), deadline_s=240, why="results"
                )
                house.get(f"/api/v1/scenarios/{scenario_id}/predictions", run=cycle)
                house.post(f"/api/v1/scenarios/{scenario_id}/stop")
                house.wait_for_state(scenario_id, ScenarioState.INACTIVE)
                sizes.look()
                house.post(f"/api/v1/scenarios/{scenario_id}/start")
                house.wait_for(
                    lambda run=cycle: house.scenario(scenario_id).run > run,
                    deadline_s=240,
                    why="the next run",
                )
    finally:
        server.kill()

    sizes.assert_nothing_grew()


@pytest.mark.timeout(240 + 7200 * SOAK)
def test_losses_and_returns_of_a_source_leave_nothing_behind(tmp_path: Path) -> None:
    need("rtsp", not missing(), missing())
    server = RTSPServer()
    port = server.port
    try:
        with cluster(
            tmp_path / "data", VEDETTE_READ_TIMEOUT_S="0.5", VEDETTE_OPEN_TIMEOUT_S="1"
        ) as house:
            sizes = Sizes(house)
            warm_up(house, server.url())
            scenario_id = house.add(server.url(), Parameters(detector="motion", fps=5))
            for loss in range(LOSSES):
                run = 1 + loss // LOSSES_A_RUN
                if loss and loss % LOSSES_A_RUN == 0:
                    begin_anew(house, scenario_id)
                before = len(house.rows(scenario_id, run))
                house.wait_for(
                    lambda run=run, before=before: len(house.rows(scenario_id, run)) > before + 2,
                    deadline_s=240,
                    why="results after a return",
                )
                house.get(f"/api/v1/scenarios/{scenario_id}")
                sizes.look()
                server.kill()
                server = RTSPServer(port=port)
            assert house.scenario(scenario_id).run == run
    finally:
        server.kill()

    sizes.assert_nothing_grew()


def warm_up(house: Cluster, address: str) -> None:
    """Look at every picture of a camera for a while."""
    if WARM_S:
        scenario_id = house.add(address, Parameters(detector="motion"))
        house.wait_for(lambda: house.rows(scenario_id), deadline_s=240, why="results")
        time.sleep(WARM_S)
        house.command(scenario_id, "stop")
        house.wait_for_state(scenario_id, ScenarioState.INACTIVE)


def begin_anew(house: Cluster, scenario_id: ScenarioId) -> None:
    house.command(scenario_id, "stop")
    house.wait_for_state(scenario_id, ScenarioState.INACTIVE)
    house.command(scenario_id, "start")
    house.wait_for_state(scenario_id, ScenarioState.ACTIVE)
