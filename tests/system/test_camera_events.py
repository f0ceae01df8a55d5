"""A camera that goes away, and comes back, tells so: once, whoever watches it."""

from __future__ import annotations

import contextlib
import inspect
import os
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from parts import need
from rtsp_server import RTSPServer, missing
from system.cluster import Cluster, cluster
from vedette.domain.ids import ScenarioId
from vedette.domain.parameters import Parameters
from vedette.store.sqlite import FILE_NAME, SqliteStore

# What is asked for meanwhile waits for an earlier write, and then so long for another process's;
# only the long form sees it refused.
WRITE_PATIENCE_S = inspect.signature(SqliteStore).parameters["lock_patience_s"].default
HELD_S = 2 * WRITE_PATIENCE_S + 10 if int(os.environ.get("SOAK", "0")) else 1.0
SETTINGS = {"VEDETTE_READ_TIMEOUT_S": "1", "VEDETTE_OPEN_TIMEOUT_S": "1"}
OFFLINE, ONLINE = "vedette.camera.offline", "vedette.camera.online"


class Gate:
    """A camera that can go away, watched by a scenario."""

    def __init__(self, house: Cluster) -> None:
        self.house, self.camera = house, RTSPServer()
        house.start_api()
        house.start("orchestrator")
        self.runner = house.start("runner", "--name", "one")
        self.scenario_id: ScenarioId = house.add(
            self.camera.url(), Parameters(detector="motion", fps=5)
        )
        house.wait_for(lambda: house.rows(self.scenario_id), deadline_s=240, why="results")

    def events(self) -> list[dict[str, Any]]:
        page = self.house.get("/api/v1/events", scenario=self.scenario_id, limit=1000)
        found: list[dict[str, Any]] = page["events"]
        assert [one["sequence"] for one in found] == list(range(len(found)))
        return [one for one in found if one["type"] in {OFFLINE, ONLINE}]

    def wait_for(self, *types: str) -> list[dict[str, Any]]:
        """Wait until these and no others were told."""
        self.house.wait_for(
            lambda: len(self.events()) >= len(types), deadline_s=240, why=f"{types}"
        )
        found = self.events()
        assert [one["type"] for one in found] == list(types)
        return found

    def health(self) -> dict[str, Any]:
        scenario = self.house.get(f"/api/v1/scenarios/{self.scenario_id}")
        health: dict[str, Any] = scenario["health"]
        return health

    def leave(self) -> None:
        self.camera.kill()

    def come_back(self) -> None:
        self.camera = RTSPServer(port=self.camera.port)


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Gate]:
    need("rtsp", not missing(), missing())
    with cluster(tmp_path / "data", **SETTINGS) as house:
        one = Gate(house)
        yield one
        one.camera.kill()


def test_going_and_coming_back_is_told_once_each_whoever_watches(gate: Gate) -> None:
    gate.leave()
    (gone,) = gate.wait_for(OFFLINE)
    assert gone["data"]["cause"] and "127.0.0.1" in gone["data"]["detail"]
    assert (gone["subject"], gone["data"]["frame"]) == ("camera", None)

    # Whoever takes it over finds it away, and that is nothing new.
    gate.runner.kill()
    gate.runner = gate.house.start("runner", "--name", "two")
    token = gone["token"]
    gate.house.wait_for(
        lambda: (
            gate.house.get(f"/api/v1/scenarios/{gate.scenario_id}")["source"]["token"] > token
            and gate.health()["attempts"] >= 2
        ),
        deadline_s=240,
        why="tries of the next holder",
    )
    gate.wait_for(OFFLINE)

    gate.come_back()
    found = gate.wait_for(OFFLINE, ONLINE)
    assert found[1]["token"] > token
    assert gate.health()["connected"]
    page = gate.house.get("/api/v1/events", type=OFFLINE)
    assert [one["id"] for one in page["events"]] == [gone["id"]]


def test_a_return_that_could_not_be_written_down_is_told_later(gate: Gate) -> None:
    gate.leave()
    gate.wait_for(OFFLINE)
    path = gate.house.folder / FILE_NAME
    with contextlib.closing(sqlite3.connect(path, timeout=240, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        gate.come_back()
        time.sleep(HELD_S)
        other.execute("ROLLBACK")

    gate.wait_for(OFFLINE, ONLINE)
    assert gate.health()["connected"]
