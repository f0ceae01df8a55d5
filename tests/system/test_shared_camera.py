"""Several scenarios on one camera: one connection to it, through outages and stops."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from parts import need
from rtsp_server import RTSPServer, missing
from running_up import Up, running_up
from sources.test_shared import connections, gone


def looked_at(up: Up, scenario_id: str) -> int:
    totals = up.get(f"/api/v1/scenarios/{scenario_id}/predictions?limit=1000").json()
    return len(totals["predictions"])


def wait_for_more(up: Up, scenario_ids: list[str]) -> None:
    before = {one: looked_at(up, one) for one in scenario_ids}
    end_s = time.monotonic() + 30
    while any(looked_at(up, one) <= before[one] for one in scenario_ids):
        assert time.monotonic() < end_s, up.log()
        time.sleep(0.1)


@contextmanager
def throwing_out(port: int) -> Iterator[list[float]]:
    """Let everybody in who comes to a port, and out at once; give when they came."""
    came: list[float] = []
    with socket.create_server(("127.0.0.1", port)) as server:

        def take() -> None:
            with suppress(OSError):  # Closed: it is over.
                while True:
                    server.accept()[0].close()
                    came.append(time.monotonic())

        thread = threading.Thread(target=take, daemon=True)
        thread.start()
        yield came
        server.shutdown(socket.SHUT_RDWR)
        thread.join(240)


def test_scenarios_on_one_camera_share_its_one_connection(tmp_path: Path) -> None:
    reason = missing()
    need("rtsp", not reason, reason)
    camera = RTSPServer()
    with running_up(tmp_path / "data") as up:
        words = ("--detector", "motion", "--json")
        started = [
            up.cli("scenario", "start", camera.url(), "--fps", fps, *words) for fps in (5, 3, 10)
        ]
        assert not [one.err for one in started if one.code], started
        ids = [json.loads(one.out)["scenario_id"] for one in started]
        wait_for_more(up, ids)
        assert connections(camera.port) == 1

        assert up.cli("scenario", "stop", ids[0]).code == 0
        wait_for_more(up, ids[1:])
        assert connections(camera.port) == 1

        camera.kill()
        for one in ids[1:]:
            up.wait_until(one, lambda now: not now["health"]["connected"])
        # Thrown out at once, again and again: each try is one connection, not one per scenario.
        with throwing_out(camera.port) as came:
            before = up.scenario(ids[1])["health"]["attempts"]
            up.wait_until(ids[1], lambda now: now["health"]["attempts"] >= before + 4)
            tries = up.scenario(ids[1])["health"]["attempts"] - before
            assert len(came) <= tries + 1
        back = RTSPServer(port=camera.port)
        wait_for_more(up, ids[1:])
        assert connections(back.port) == 1

        for one in ids[1:]:
            assert up.cli("scenario", "stop", one).code == 0
        assert gone(back.port)
        back.kill()
