"""A native crash on one source: it alone is put apart, the others lose one failover at most."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from parts import need
from rtsp_server import RTSPServer, missing
from street_clip import make_street_clip
from system.cluster import Cluster, cluster
from tiny_onnx import build_person_detector
from vedette.domain.ids import ScenarioId
from vedette.domain.parameters import Parameters
from vedette.domain.scenario import ScenarioState
from vedette.store.statements.scenarios import history

# What a broken decoder does, put into the library that opens files: a write to address 0.
CRASHING_LIBRARY = """
import ctypes
import av

_open = av.open

def _crash(file, *args, **kwargs):
    if "crash" in str(file):
        ctypes.string_at(0)
    return _open(file, *args, **kwargs)

av.open = _crash
"""
# What a broken model does: a write to address 0 once it sees a picture. Two models are told apart
# by their input's width.
CRASHING_MODEL = """
import ctypes
import onnxruntime

class Session(onnxruntime.InferenceSession):
    def run(self, names, inputs, *others):
        for picture in inputs.values():
            if picture.shape[3] == WIDTH and picture.min() != picture.max():
                ctypes.string_at(0)
        return super().run(names, inputs, *others)

onnxruntime.InferenceSession = Session
"""
CRASHING_WIDTH = 320
LONG = "synthetic://street?people=2&vehicles=0&seed=1&seconds=600&width=320&height=180"


def failovers(house: Cluster, scenario_id: ScenarioId) -> int:
    rows = house.store.read(lambda t: history(t, scenario_id, 1000))
    return sum(row.reason == "runner_lost" for row in rows)


def deaths(house: Cluster) -> list[tuple[str, str]]:
    def question(transaction):
        return transaction.connection.exec_driver_sql(
            "SELECT source_id, evidence FROM deaths ORDER BY id"
        ).all()

    return [(row.source_id, row.evidence) for row in house.store.read(question)]


def library(folder: Path, code: str) -> str:
    """Have every Python process begin with that code; give the path to look for it."""
    (folder / "library").mkdir()
    (folder / "library" / "sitecustomize.py").write_text(code)
    return os.pathsep.join([str(folder / "library"), os.environ.get("PYTHONPATH", "")])


def test_a_native_crash_costs_other_sources_one_failover_at_most(tmp_path: Path) -> None:
    paths = library(tmp_path, CRASHING_LIBRARY)
    make_street_clip(tmp_path / "good.mp4", seed=1, seconds=5, width=320, height=180)
    shutil.copy(tmp_path / "good.mp4", tmp_path / "crash.mp4")
    with cluster(tmp_path / "data", PYTHONPATH=paths) as house:
        house.start("orchestrator")
        first = house.start("runner", "--name", "a-first")
        others = [house.add(LONG, Parameters(detector="motion", fps=1)) for _ in range(2)]
        for scenario_id in others:
            house.wait_for(
                lambda scenario_id=scenario_id: house.rows(scenario_id),
                deadline_s=240,
                why="results of the others",
            )
        crashing = house.add(str(tmp_path / "crash.mp4"), Parameters(detector="motion"))
        first.wait(240)
        house.start("runner", "--name", "b-second")
        # Once among the others, and once more in a process of its own.
        house.wait_for(lambda: len(deaths(house)) >= 2, deadline_s=240, why="the second crash")

        culprit = house.scenario(crashing).source_id
        assert {source_id for source_id, _ in deaths(house)} == {culprit}
        assert all("Segmentation fault in" in evidence for _, evidence in deaths(house))
        assert "run apart" in house.scenario(crashing).detail
        for scenario_id in others:
            house.wait_for_state(scenario_id, ScenarioState.ACTIVE)
            assert failovers(house, scenario_id) == 1
        house.command(crashing, "stop")
        house.wait_for_state(crashing, ScenarioState.INACTIVE)


def test_a_crash_in_a_live_sources_model_names_that_source(tmp_path: Path) -> None:
    need("rtsp", not missing(), missing())
    good = build_person_detector(tmp_path / "good.onnx")
    bad = build_person_detector(tmp_path / "bad.onnx", size=(CRASHING_WIDTH, CRASHING_WIDTH))
    paths = library(tmp_path, CRASHING_MODEL.replace("WIDTH", str(CRASHING_WIDTH)))
    camera = RTSPServer()
    try:
        with cluster(tmp_path / "data", PYTHONPATH=paths) as house:
            house.start("orchestrator")
            first = house.start("runner", "--name", "a-first")
            # Given others whose pictures the same threads look at
            others = [
                house.add(address, Parameters(detector=str(good), fps=5))
                for address in (LONG, camera.url())
            ]
            for scenario_id in others:
                house.wait_for(
                    lambda scenario_id=scenario_id: house.rows(scenario_id),
                    deadline_s=240,
                    why="results of the others",
                )

            crashing = house.add(camera.url(), Parameters(detector=str(bad), fps=5))
            first.wait(240)
            house.start("runner", "--name", "b-second")
            house.wait_for(lambda: len(deaths(house)) >= 2, deadline_s=240, why="the second crash")

            culprit = house.scenario(crashing).source_id
            assert {source_id for source_id, _ in deaths(house)} == {culprit}
            assert "run apart" in house.scenario(crashing).detail
            for scenario_id in others:
                house.wait_for_state(scenario_id, ScenarioState.ACTIVE)
                assert failovers(house, scenario_id) == 1
    finally:
        camera.kill()
