"""The proof: runners killed, frozen and continued; results, owners and stops as promised.

`SOAK=1` (make soak) multiplies the faults.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import pytest

from pace import Pace
from street_clip import make_street_clip
from system.cluster import COMMIT_S, LEASE_S, Cluster, cluster
from system.look_log import LookLog
from tiny_onnx import build_person_detector
from vedette.analytics.scene_file import parse_scene
from vedette.domain.ids import ScenarioId
from vedette.domain.parameters import Parameters
from vedette.domain.scenario import ScenarioState, StatusReason

SOAK = int(os.environ.get("SOAK", "0"))
FPS = 15
SCENE = """
zones:
  - name: near
    polygon: [[0, 0.5], [1, 0.5], [1, 1], [0, 1]]
lines:
  - name: middle
    from: [0.5, 1]
    to: [0.5, 0]
"""
PLAN = parse_scene(SCENE, "the test")
# Encoder parameters, and milliseconds between pictures in turn.
KINDS = {
    "b-frames": ("keyint=30:bframes=2", (66, 67)),
    "open-group": ("keyint=250:bframes=3:open-gop=1", (66, 67)),
    "variable-rate": ("keyint=45:bframes=2", (40, 20, 180, 33)),
}
# Pictures from one where decoding may begin to the next.
GROUPS = {"b-frames": 30, "open-group": 250, "variable-rate": 45, "synthetic": 30}
# So long that all kills fit in.
LAPS = {"b-frames": 9}
# Where few kills are made they come after so many looks that beginning anew would be too many.
LEADS = {"synthetic": 150}
# A model's graph is rewritten as it is first loaded, and tried on pictures of noise.
TRIALS_MAX = 8


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("street") / "plain.mp4"
    make_street_clip(path, seed=3, seconds=20, fps=FPS, width=640, height=360)
    return path


@pytest.fixture(scope="session")
def clip(pictures: Path) -> Callable[[str], str]:
    """Give clips of the street over and over, 300 pictures each time."""

    def make(kind: str) -> str:
        target = pictures.with_name(f"{kind}.mp4")
        if target.exists():
            return str(target)
        parameters, gaps_ms = KINDS[kind]
        partial, shown_ms, count = target.with_suffix(".part.mp4"), 0, 0
        with av.open(str(partial), "w") as container:
            stream = container.add_stream("libx264", rate=1000)
            stream.codec_context.time_base = Fraction(1, 1000)
            stream.width, stream.height, stream.pix_fmt = 640, 360, "yuv420p"
            stream.options = {
                "preset": "veryfast",
                "x264-params": f"{parameters}:scenecut=0:threads=1",
            }
            for _ in range(LAPS.get(kind, 5)):
                with av.open(str(pictures)) as plain:
                    for frame in plain.decode(video=0):
                        frame.pict_type = av.video.frame.PictureType.NONE
                        frame.pts, frame.time_base = shown_ms, Fraction(1, 1000)
                        container.mux(stream.encode(frame))
                        shown_ms += gaps_ms[count % len(gaps_ms)]
                        count += 1
            container.mux(stream.encode(None))
        partial.rename(target)
        return str(target)

    return make


@pytest.fixture
def tiny(tmp_path: Path) -> str:
    return str(build_person_detector(tmp_path / "tiny.onnx"))


def finish(house: Cluster, scenario_id: ScenarioId, *, deadline_s: float = 90) -> None:
    ended = house.wait_for_state(scenario_id, ScenarioState.INACTIVE, deadline_s=deadline_s)
    assert ended.status_reason is StatusReason.COMPLETED, (ended, house.logs())


def looks_of_last_interval(log: LookLog, pid: int) -> int:
    """Count what a process that is dead looked at in the last commit interval of its life."""
    looks = log.of(pid)
    return sum(one.at_s > looks[-1].at_s - COMMIT_S for one in looks)


def comparable(rows: list[dict]) -> list[str]:
    """Rows as exported, without the name of the scenario, which is each one's own."""
    return [json.dumps({**row, "scenario_id": ""}) for row in rows]


@pytest.mark.timeout(240 * (1 + 4 * SOAK))
@pytest.mark.parametrize(
    ("kind", "detector", "kills"),
    [
        ("b-frames", "motion", 12),
        ("open-group", "onnx", 4),
        ("variable-rate", "motion", 4),
        ("synthetic", "onnx", 3),
    ],
)
def test_a_file_analysed_under_kills_gives_what_an_undisturbed_run_gives(
    kind: str,
    detector: str,
    kills: int,
    clip: Callable[[str], str],
    tiny: str,
    tmp_path: Path,
) -> None:
    seed = random.randrange(10**6)
    chance = random.Random(seed)
    if kind == "synthetic":  # Cannot seek: whoever goes on reads it from its start.
        address = "synthetic://street?people=6&vehicles=3&seed=4&seconds=90&width=640&height=360"
    else:
        address = clip(kind)
    parameters = Parameters(detector=tiny if detector == "onnx" else detector, plan=PLAN)
    log = LookLog(tmp_path, detector=detector)
    settings = {"VEDETTE_QUARANTINE_DEATHS": "1000", **log.environment}
    with cluster(tmp_path / "data", **settings) as house:
        house.start("orchestrator")
        runner = house.start("runner", "--name", "first")
        undisturbed = house.add(address, parameters)
        finish(house, undisturbed)
        expected = comparable(house.rows(undisturbed))
        assert len(expected) > 500
        looks_before = len(log.looks())
        assert len(expected) <= looks_before <= len(expected) + TRIALS_MAX

        disturbed = house.add(address, parameters)
        prefixes: list[list[str]] = []
        killed, excused = 0, 0
        while killed < kills * (1 + 4 * SOAK):
            began = len(log.of(runner.pid)) if killed == 0 else 0
            began += LEADS.get(kind, 0)
            house.wait_for(
                lambda began=began, pid=runner.pid: (
                    len(log.of(pid)) > began
                    or house.scenario(disturbed).status_reason is StatusReason.COMPLETED
                ),
                deadline_s=240,
                why="looks after a kill",
            )
            # Whatever it does then: that is the point.
            time.sleep(chance.uniform(0, 3 * COMMIT_S))
            if house.scenario(disturbed).status_reason is StatusReason.COMPLETED:
                break
            prefixes.append(comparable(house.rows(disturbed)))
            runner.kill()
            runner.wait(240)
            killed += 1
            excused += looks_of_last_interval(log, runner.pid) + GROUPS[kind]
            runner = house.start("runner", "--name", f"after-{killed}")
        finish(house, disturbed, deadline_s=240)

        rows = comparable(house.rows(disturbed))
        assert rows == expected, f"seed {seed}"
        assert house.told(disturbed) == house.told(undisturbed), f"seed {seed}"
        looked_twice = len(log.looks()) - looks_before - len(expected)
        print(f"{kind}: {killed} kills, {looked_twice} looked at twice, {excused} excused")
        assert 0 <= looked_twice <= excused
        assert killed >= kills, f"only {killed} kills fitted in"
        assert len(set(house.tokens(disturbed))) > 1
        for prefix in prefixes:
            assert prefix == rows[: len(prefix)]


def test_a_frozen_runner_makes_nothing_visible_after_it_wakes(
    clip: Callable[[str], str], tmp_path: Path
) -> None:
    with cluster(tmp_path / "data") as house:
        house.start("orchestrator")
        runners = {"one": house.start("runner", "--name", "one")}
        scenario_id = house.add(clip("b-frames"), Parameters(detector="motion", plan=PLAN))
        house.wait_for(lambda: house.tokens(scenario_id), deadline_s=240, why="first results")
        runners["two"] = house.start("runner", "--name", "two")

        house.freeze(runners["one"])
        frozen_with = max(house.tokens(scenario_id))
        house.wait_for(
            lambda: max(house.tokens(scenario_id)) > frozen_with,
            deadline_s=240,
            why="results of the next holder",
        )
        time.sleep(2 * LEASE_S)
        taken_over_at = len(house.tokens(scenario_id))
        os.kill(runners["one"].pid, signal.SIGCONT)
        finish(house, scenario_id)

        tokens = house.tokens(scenario_id)
        assert tokens == sorted(tokens)
        assert frozen_with not in tokens[taken_over_at:]
        frames = [row["frame"] for row in house.rows(scenario_id)]
        assert frames == list(range(len(frames)))
        # Frozen as it held the write lock, it was killed; else it learnt that its work is lost.
        is_killed = runners["one"].poll() == -signal.SIGKILL
        assert is_killed or "given to somebody else" in house.logs()


FREEZES_INSIDE = """
import os, signal, sys, time
from pathlib import Path
from vedette.store.sqlite import SqliteStore
from vedette.store.statements import outbox

def half(transaction):
    outbox.add(transaction, "half", "0", "never seen")
    print("inside", flush=True)
    os.kill(os.getpid(), signal.SIGSTOP)
    time.sleep(60)  # Another thread may be the one that is stopped first.

SqliteStore(Path(sys.argv[1])).write(half)
"""


def test_a_process_frozen_with_the_write_lock_holds_others_up_for_a_lease_at_most(
    clip: Callable[[str], str], tmp_path: Path
) -> None:
    with cluster(tmp_path / "data") as house:
        house.start("orchestrator")
        house.start("runner", "--name", "one")
        scenario_id = house.add(clip("b-frames"), Parameters(detector="motion", plan=PLAN))
        house.wait_for(lambda: house.tokens(scenario_id), deadline_s=240, why="first results")

        with subprocess.Popen(
            [sys.executable, "-c", FREEZES_INSIDE, str(house.folder)],
            stdout=subprocess.PIPE,
            text=True,
        ) as frozen:
            try:
                assert frozen.stdout is not None
                assert frozen.stdout.readline() == "inside\n"
                parts = len(house.tokens(scenario_id))
                with Pace() as pace:
                    house.wait_for(
                        lambda: len(house.tokens(scenario_id)) > parts,
                        deadline_s=240,
                        why="results in spite of a frozen writer",
                    )
                assert pace.kept(LEASE_S + 1), pace
                assert frozen.wait(240) == -signal.SIGKILL
            finally:
                frozen.kill()
        assert "killing a stopped process" in house.logs()
        finish(house, scenario_id)
        assert set(house.tokens(scenario_id)) == {1}


@pytest.mark.timeout(120 * (1 + 4 * SOAK))
def test_commands_survive_kills_of_the_orchestrator_in_order_and_act_once(tmp_path: Path) -> None:
    chance = random.Random(7)
    address = "synthetic://street?people=1&vehicles=0&seed=1&seconds=600&width=320&height=180"
    with cluster(tmp_path / "data") as house:
        house.start("runner", "--name", "one")
        orchestrator = house.start("orchestrator")
        ids = [house.add(address, Parameters(detector="motion", fps=1)) for _ in range(4)]
        starts = dict.fromkeys(ids, 1)
        for turn in range(12 * (1 + 4 * SOAK)):
            scenario_id = chance.choice(ids)
            house.command(scenario_id, "stop")
            house.command(scenario_id, "start")
            starts[scenario_id] += 1
            if turn % 3 == 0:
                orchestrator.kill()
                orchestrator.wait(240)
                orchestrator = house.start("orchestrator")

        for scenario_id in ids:
            house.wait_for_state(scenario_id, ScenarioState.ACTIVE, deadline_s=240)
        # A stop and a start that were both decided while it was on its way down are one new run.
        for scenario_id in ids:
            assert 1 <= house.scenario(scenario_id).run <= starts[scenario_id]
        for scenario_id in ids:
            house.command(scenario_id, "stop")
        for scenario_id in ids:
            house.wait_for_state(scenario_id, ScenarioState.INACTIVE, deadline_s=240)
