"""A stop is heeded from every state, over the API, and leaves nothing behind: seen from outside."""

from __future__ import annotations

import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from pace import Pace
from parts import need
from processes import children_of
from rtsp_server import RTSPServer, missing
from system.cluster import Cluster, cluster

# Long enough to see a frozen holder before it is given up.
LEASE_S = 4.0
OPEN_TIMEOUT_S = 2.0
# The promise: twice the open timeout and a second.
STOP_S_MAX = 2 * OPEN_TIMEOUT_S + 1
ROUNDS = 4
# What all runs share is made as it is needed: readers of the store, the crew.
THREADS_SHARED, DESCRIPTORS_SHARED = 2, 4


class Stage:
    """A deployment with a camera, a silent host and a long file; each test plays one state."""

    def __init__(self, house: Cluster, camera: RTSPServer, silent: int, clip: Path) -> None:
        self.house, self.camera, self.silent, self.clip = house, camera, silent, clip
        house.start_api()
        self.orchestrator = house.start("orchestrator")
        self.runner: subprocess.Popen[str] | None = None

    def begin(self, address: str) -> str:
        """Start a scenario; gives its id."""
        asked = {"url": address, "detector": "motion", "fps": 5}
        return str(self.house.post("/api/v1/scenarios", asked)["scenario_id"])

    def show(self, scenario_id: str) -> dict[str, Any]:
        answer: dict[str, Any] = self.house.get(f"/api/v1/scenarios/{scenario_id}")
        return answer

    def wait_for(self, scenario_id: str, **facts: str) -> None:
        """Wait until the API shows these facts, and no command that is not yet decided."""

        def shown() -> bool:
            now = self.show(scenario_id)
            return not now["waiting"] and all(now[key] == facts[key] for key in facts)

        self.house.wait_for(shown, deadline_s=240, why=f"{facts}")

    def wait_for_rows(self, scenario_id: str) -> None:
        path = f"/api/v1/scenarios/{scenario_id}/predictions"
        self.house.wait_for(
            lambda: self.house.get(path)["predictions"], deadline_s=240, why="results"
        )

    def have_runner(self) -> subprocess.Popen[str]:
        if self.runner is None or self.runner.poll() is not None:
            name = f"runner-{len(self.house.processes)}"
            self.runner = self.house.start("runner", "--name", name)
        return self.runner

    def stop(self, scenario_id: str) -> None:
        self.house.post(f"/api/v1/scenarios/{scenario_id}/stop")

    def start(self, scenario_id: str) -> None:
        self.house.post(f"/api/v1/scenarios/{scenario_id}/start")


# The states, each with how to get there. What they give is stopped then.


def at_rest(stage: Stage) -> str:
    scenario_id = active_on_a_camera(stage)
    stage.stop(scenario_id)
    stage.wait_for(scenario_id, state="inactive")
    return scenario_id


def without_any_runner(stage: Stage) -> str:
    scenario_id = stage.begin(stage.camera.url())
    stage.wait_for(scenario_id, state="init_startup", status_reason="started")
    return scenario_id


def in_startup_processing(stage: Stage) -> str:
    """Granted to a runner that does not begin."""
    stage.house.freeze(stage.have_runner())
    scenario_id = stage.begin(stage.camera.url())
    stage.wait_for(scenario_id, state="in_startup_processing")
    return scenario_id


def active_on_a_camera(stage: Stage) -> str:
    stage.have_runner()
    scenario_id = stage.begin(stage.camera.url())
    stage.wait_for_rows(scenario_id)
    stage.wait_for(scenario_id, state="active")
    return scenario_id


def active_on_a_file(stage: Stage) -> str:
    stage.have_runner()
    scenario_id = stage.begin(str(stage.clip))
    stage.wait_for_rows(scenario_id)
    stage.wait_for(scenario_id, state="active")
    return scenario_id


def connecting_to_a_silent_host(stage: Stage) -> str:
    stage.have_runner()
    scenario_id = stage.begin(f"rtsp://127.0.0.1:{stage.silent}/camera")
    stage.wait_for(scenario_id, state="active")
    return scenario_id


def waiting_to_try_again(stage: Stage) -> str:
    stage.have_runner()
    scenario_id = stage.begin("rtsp://127.0.0.1:9/camera")
    stage.house.wait_for(
        lambda: stage.show(scenario_id)["health"]["connected"] is False,
        deadline_s=240,
        why="a failed try",
    )
    return scenario_id


def runner_lost(stage: Stage) -> str:
    scenario_id = active_on_a_camera(stage)
    stage.have_runner().kill()
    stage.wait_for(scenario_id, state="init_startup", status_reason="runner_lost")
    return scenario_id


def during_shutdown(stage: Stage) -> str:
    """Told to stop, and its holder does not answer; a start that came meanwhile is taken back."""
    scenario_id = active_on_a_camera(stage)
    stage.house.freeze(stage.have_runner())
    stage.stop(scenario_id)
    stage.wait_for(scenario_id, state="in_shutdown_processing")
    stage.start(scenario_id)
    stage.wait_for(scenario_id, state="in_shutdown_processing", wanted="active")
    return scenario_id


def while_the_orchestrator_is_away(stage: Stage) -> str:
    scenario_id = active_on_a_camera(stage)
    stage.orchestrator.kill()
    stage.orchestrator.wait(240)
    return scenario_id


# What follows the stop.


def nothing_more(stage: Stage, scenario_id: str) -> None:
    pass


def the_runner_wakes(stage: Stage, scenario_id: str) -> None:
    """Not before the stop is decided: a start that came before may begin a run else."""
    stage.wait_for(scenario_id, state="in_shutdown_processing", wanted="inactive")
    stage.have_runner().send_signal(signal.SIGCONT)


def the_orchestrator_returns(stage: Stage, scenario_id: str) -> None:
    stage.orchestrator = stage.house.start("orchestrator")


@dataclass(frozen=True)
class Case:
    """How to get to a state, and what is needed, after the stop, to get out of it."""

    enter: Callable[[Stage], str]
    then: Callable[[Stage, str], None] = nothing_more
    rounds: int = ROUNDS
    more_s: float = 0.0


CASES = [
    Case(at_rest),
    Case(without_any_runner),
    Case(in_startup_processing, the_runner_wakes),
    # Nobody tells whether it lives: only the end of its lease lets go.
    Case(in_startup_processing, rounds=1, more_s=LEASE_S),
    Case(active_on_a_camera),
    Case(active_on_a_file),
    Case(connecting_to_a_silent_host),
    Case(waiting_to_try_again),
    Case(runner_lost, rounds=1),
    Case(during_shutdown, the_runner_wakes),
    Case(during_shutdown, rounds=1, more_s=LEASE_S),
    Case(while_the_orchestrator_is_away, the_orchestrator_returns),
]


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    need("rtsp", not missing(), missing())
    camera = RTSPServer()
    settings = {
        "VEDETTE_LEASE_S": str(LEASE_S),
        "VEDETTE_OPEN_TIMEOUT_S": str(OPEN_TIMEOUT_S),
        "VEDETTE_SOURCE_FOLDERS": str(tmp_path),
        "VEDETTE_QUARANTINE_DEATHS": "1000",
    }
    try:
        with (
            socket.create_server(("127.0.0.1", 0)) as silent,
            cluster(tmp_path / "data", **settings) as house,
        ):
            port = silent.getsockname()[1]
            yield Stage(house, camera, port, long_clip(tmp_path / "long.mp4"))
    finally:
        camera.kill()


@pytest.mark.parametrize(
    "case", CASES, ids=lambda case: f"{case.enter.__name__}-{case.then.__name__}"
)
def test_a_stop_is_heeded_and_leaves_nothing_behind(case: Case, stage: Stage) -> None:
    threads, descriptors = [], []
    for _ in range(case.rounds):
        scenario_id = case.enter(stage)
        runs = stage.show(scenario_id)["run"]
        with Pace() as pace:
            stage.stop(scenario_id)
            case.then(stage, scenario_id)
            stage.wait_for(scenario_id, state="inactive")

        assert pace.kept(STOP_S_MAX + case.more_s), pace
        after = stage.show(scenario_id)
        assert (after["wanted"], after["run"]) == ("inactive", runs)
        assert after["source"]["holder"] is None
        runner = stage.runner
        if runner is None or runner.poll() is not None:
            continue
        if case.more_s:  # Frozen still. As it wakes it learns that its work is over.
            runner.send_signal(signal.SIGCONT)
            stage.house.wait_for(
                lambda pid=runner.pid: nothing_open(stage, pid),
                deadline_s=240,
                why="the woken runner to let go",
            )
        assert nothing_open(stage, runner.pid)
        threads.append(len(list(Path(f"/proc/{runner.pid}/task").iterdir())))
        descriptors.append(len(list(Path(f"/proc/{runner.pid}/fd").iterdir())))
    if threads:
        assert threads[-1] <= threads[0] + THREADS_SHARED, threads
        assert descriptors[-1] <= descriptors[0] + DESCRIPTORS_SHARED, descriptors


def nothing_open(stage: Stage, pid: int) -> bool:
    """Tell whether a process holds no connection to a camera, not the file, and no child."""
    ports = {stage.camera.port, stage.silent, 9}
    return (
        not children_of(pid)
        and not ports & peers_of(pid)
        and str(stage.clip) not in open_files(pid)
    )


def open_files(pid: int) -> list[str]:
    """What a process has open, as the kernel names it."""
    names = []
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        try:
            names.append(str(descriptor.readlink()))
        except FileNotFoundError:  # Closed meanwhile.
            continue
    return names


def peers_of(pid: int) -> set[int]:
    """Remote ports of the TCP connections that a process has open."""
    inodes = {name[8:-1] for name in open_files(pid) if name.startswith("socket:[")}
    lines = Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]
    fields = [line.split() for line in lines]
    return {int(one[2].split(":")[1], 16) for one in fields if one[9] in inodes}


def long_clip(path: Path) -> Path:
    """Make a file that takes a while: small pictures, many."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=Fraction(5))
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p"
        picture = np.random.default_rng(1).integers(0, 255, (48, 64, 3), np.uint8)
        (packet,) = stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24"))
        content, tick = bytes(packet), packet.time_base
        for number in range(30_000):
            copy = av.Packet(content)
            copy.stream, copy.time_base = stream, tick
            copy.pts = copy.dts = number
            copy.is_keyframe = True
            container.mux(copy)
    return path
