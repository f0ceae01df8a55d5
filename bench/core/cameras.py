"""Failover of a live camera: what waiting for its next key frame takes, and what the rest.

Nobody can begin in the middle of a group of pictures. When the next holder asked the camera for
pictures, and when the first came that can be decoded by itself, is heard on the wire.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.core.deployment import Cluster, deployment
from bench.core.failover import COMMIT_S, LIMITS, SETTLE_S, first_of, newest_of, p99
from bench.core.wire import Wire, wire_to
from bench.report import Row, row_of
from rtsp_server import DISTRIBUTION_PYTHON, PATH, missing
from vedette.domain.ids import ScenarioId
from vedette.domain.parameters import Parameters

KILLS_PER_REPEAT = 10
CAMERA = Path(__file__).with_name("group_camera.py")
_WATCHES = """
import av, sys
with av.open(sys.argv[1], options={"rtsp_transport": "tcp"}) as camera:
    for number, packet in enumerate(camera.demux(video=0)):
        if number == 1:
            print("watching", flush=True)
"""


@dataclass(frozen=True, slots=True)
class Fault:
    """What one fault cost: all of it, and of that the wait for a key frame; seconds."""

    all_s: float
    waited_s: float


def camera_rows(repeats: int) -> list[Row]:
    """Give the delays after kill -9 of whoever reads an RTSP camera."""
    lack = missing()
    if lack:
        print(f"live cameras are left out: {lack}", flush=True)
        return []
    with (
        camera() as port,
        watched(f"rtsp://127.0.0.1:{port}{PATH}"),
        wire_to(port) as wire,
        deployment(**LIMITS) as house,
    ):
        faults = kill_again_and_again(house, wire, KILLS_PER_REPEAT * repeats)
    rest = [one.all_s - one.waited_s for one in faults]
    name = f"RTSP, kill -9 to the next result, {len(faults)} faults"
    return [
        row_of(name, [one.all_s for one in faults], "s"),
        row_of("RTSP: of that, waiting for a key frame", [one.waited_s for one in faults], "s"),
        row_of("RTSP: of that, the rest", rest, "s"),
        row_of("RTSP: the rest, p99", [p99(rest)], "s", "<= 1.5"),
    ]


@contextmanager
def camera() -> Iterator[int]:
    """Give the port of a camera with a key frame every two seconds."""
    process = subprocess.Popen(
        [DISTRIBUTION_PYTHON, str(CAMERA)],
        stdout=subprocess.PIPE,
        text=True,
        env={"PATH": os.defpath, "HOME": os.environ.get("HOME", "/")},
    )
    assert process.stdout is not None
    try:
        yield int(process.stdout.readline().split()[1])
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@contextmanager
def watched(address: str) -> Iterator[None]:
    """Have somebody else watch all along: a server that nobody watches begins a group anew."""
    process = subprocess.Popen(
        [sys.executable, "-c", _WATCHES, address], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "watching\n"
        yield
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def kill_again_and_again(house: Cluster, wire: Wire, count: int) -> list[Fault]:
    """Kill whoever reads the camera; a second runner is always ready."""
    chance = random.Random(6)
    house.start("orchestrator")
    runners = {name: house.start("runner", "--name", name) for name in ("r0", "r1")}
    address = f"rtsp://127.0.0.1:{wire.port}{PATH}"
    scenario_id = house.add(address, Parameters(detector="motion"))
    faults = []
    for number in range(count):

        def is_at_work() -> bool:
            newest = newest_of(house, scenario_id, 1)
            return newest is not None and newest.holder in runners

        house.wait_for(is_at_work, deadline_s=60, why="work")
        time.sleep(SETTLE_S + chance.uniform(0, 2 * COMMIT_S))
        token, holder = newest_of(house, scenario_id, 1)
        faults.append(kill(house, wire, scenario_id, token, runners.pop(holder)))
        name = f"r{number + 2}"
        runners[name] = house.start("runner", "--name", name)
    return faults


def kill(
    house: Cluster, wire: Wire, scenario_id: ScenarioId, token: int, process: subprocess.Popen[str]
) -> Fault:
    """Kill a runner, and see what followed."""
    at_ms = time.time_ns() / 1e6
    process.send_signal(signal.SIGKILL)
    house.wait_for(
        lambda: first_of(house, scenario_id, 1, token), deadline_s=60, why="the next holder"
    )
    first_ms, _ = first_of(house, scenario_id, 1, token)
    process.wait(10)
    session = wire.sessions[-1]
    assert session.played_ms is not None and session.shown_ms is not None
    assert at_ms < session.played_ms < session.shown_ms < first_ms
    return Fault((first_ms - at_ms) / 1000, (session.shown_ms - session.played_ms) / 1000)
