"""Several scenarios on one camera: one connection to it, through outages and stops."""

from __future__ import annotations

import json
import time
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
        # Refused at once, again and again: each try is one connection, not one per scenario.
        up.wait_until(ids[1], lambda now: now["health"]["attempts"] >= 2)
        states = [up.scenario(one)["health"] for one in ids[1:]]
        assert abs(states[0]["attempts"] - states[1]["attempts"]) <= 1, states
        back = RTSPServer(port=camera.port)
        wait_for_more(up, ids[1:])
        assert connections(back.port) == 1

        for one in ids[1:]:
            assert up.cli("scenario", "stop", one).code == 0
        assert gone(back.port)
        back.kill()
