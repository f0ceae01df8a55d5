"""What a runner does while nobody can write to the database: it goes on, keeps, and is bounded."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import pytest

from parts import need
from rtsp_server import RTSPServer, missing
from system.cluster import Cluster, cluster
from system.look_log import LookLog
from vedette.domain.ids import ScenarioId
from vedette.domain.parameters import Parameters
from vedette.store.sqlite_file import FILE_NAME

# Looks that take longer than a lease at the camera's pace, many commits long.
MANY = 60
# An instant farther than this from any look is not covered.
GAP_MAX_S = 2.0


@pytest.fixture
def camera() -> Iterator[RTSPServer]:
    need("rtsp", not missing(), missing())
    one = RTSPServer()
    yield one
    one.kill()


@contextlib.contextmanager
def nobody_writes(house: Cluster) -> Iterator[None]:
    """Sit on the database's write lock."""
    path = house.folder / FILE_NAME
    with contextlib.closing(sqlite3.connect(path, timeout=240, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


def begun(house: Cluster, log: LookLog, address: str) -> tuple[ScenarioId, int]:
    """Start a scenario; give it and the process of its runner once there are results."""
    house.start("orchestrator")
    runner = house.start("runner", "--name", "one")
    scenario_id = house.add(address, Parameters(detector="motion"))
    house.wait_for(lambda: house.rows(scenario_id), deadline_s=240, why="results")
    assert log.of(runner.pid)
    return scenario_id, runner.pid


def test_nothing_is_lost_while_the_database_is_away(camera: RTSPServer, tmp_path: Path) -> None:
    log = LookLog(tmp_path, detector="motion")
    with cluster(tmp_path / "data", **log.environment) as house:
        scenario_id, pid = begun(house, log, camera.url())
        with nobody_writes(house):
            before, seen = len(log.of(pid)), len(house.rows(scenario_id))
            house.wait_for(
                lambda: len(log.of(pid)) >= before + MANY, deadline_s=240, why="looks all the same"
            )
            assert len(house.rows(scenario_id)) <= seen + 1, "nothing can be written meanwhile"
        house.wait_for(
            lambda: len(house.rows(scenario_id)) >= seen + MANY, deadline_s=240, why="what was kept"
        )

        rows = house.rows(scenario_id)
        assert [row["frame"] for row in rows] == sorted({row["frame"] for row in rows})
        moments = [datetime.fromisoformat(row["captured_at"]) for row in rows]
        gaps_s = [(after - one).total_seconds() for one, after in pairwise(moments)]
        assert max(gaps_s) < GAP_MAX_S
        # A runner that cannot renew at a database that is away is not silent.
        assert set(house.tokens(scenario_id)) == {1}


def test_what_is_kept_meanwhile_is_bounded(camera: RTSPServer, tmp_path: Path) -> None:
    log = LookLog(tmp_path, detector="motion")
    with cluster(tmp_path / "data", VEDETTE_ORPHAN_S="1", **log.environment) as house:
        scenario_id, pid = begun(house, log, camera.url())
        with nobody_writes(house):
            house.wait_for(lambda: stands_still(log, pid), deadline_s=240, why="a full buffer")
            seen = len(house.rows(scenario_id))
        house.wait_for(
            lambda: len(house.rows(scenario_id)) >= seen + MANY, deadline_s=240, why="going on"
        )
        assert set(house.tokens(scenario_id)) == {1}


def stands_still(log: LookLog, pid: int) -> bool:
    """Tell whether nothing is looked at for longer than any camera takes to give a picture."""
    before = len(log.of(pid))
    time.sleep(1.5)
    return len(log.of(pid)) == before
