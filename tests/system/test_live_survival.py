"""A live stream through kills and outages: every gap is declared, nothing unseen called covered.

The camera shows the time in every picture, and the detector reads it: so what a run really saw is
known from the pictures themselves, whatever any clock of ours says.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from clock_reader import build_clock_reader, shown_ms
from parts import need
from rtsp_server import TIME_CODES, RTSPServer, missing
from system.cluster import Cluster, cluster
from vedette.domain.ids import ScenarioId
from vedette.domain.parameters import Parameters
from vedette.domain.scenario import ScenarioState

SOAK = int(os.environ.get("SOAK", "0"))
GAP_MS = 1000
FPS = 10
# From a picture's making to its stamp. What comes while FFmpeg finds out what the stream is (up to
# a key picture, a second, and half a second more) is stamped when it can be read first.
LATE_MS, LATE_OPENING_MS = 250, 2500
# A track has to be 0.3 s old, and seen twice, to be counted.
UNCONFIRMED_S = 0.3 + 2 / FPS
BUCKET_S = 10
# Counts of the time before and after, when nobody watched, are asked for too: there are none.
AROUND = timedelta(seconds=3 * BUCKET_S)


class Look(NamedTuple):
    """When a picture was made, as it says itself, and when it came, as its row says."""

    shown_ms: int
    captured_ms: int


class Stretch(NamedTuple):
    from_ms: int
    to_ms: int


class Watched:
    """A camera that shows the time, two runners that may watch it, and what can befall them."""

    def __init__(self, house: Cluster, model: Path) -> None:
        self.house = house
        self.camera = RTSPServer(pictures=TIME_CODES)
        self.accepted_at = datetime.now(UTC)
        house.start_api()
        self.orchestrator = house.start("orchestrator")
        self.runners: dict[str, subprocess.Popen[str]] = {}
        self.scenario_id: ScenarioId = house.add(
            self.camera.url(), Parameters(detector=str(model), fps=FPS)
        )
        self.accepted_at = datetime.now(UTC)

    def have_two_runners(self) -> None:
        self.runners = {name: one for name, one in self.runners.items() if one.poll() is None}
        while len(self.runners) < 2:
            name = f"runner-{len(self.house.processes)}"
            self.runners[name] = self.house.start("runner", "--name", name)

    def wait_for_looks(self, looks: int = 15) -> None:
        """Wait until so many looks at pictures that are made from now on are committed."""
        from_ms = now_ms()

        def seen() -> bool:
            rows = self.house.rows(self.scenario_id)
            return len(rows) >= looks and captured_ms(rows[-looks]) > from_ms

        self.house.wait_for(seen, deadline_s=240, why="live results")

    def holder(self) -> subprocess.Popen[str]:
        return self.runners[self.source()["holder"]]

    def source(self) -> dict[str, Any]:
        return self.house.get(f"/api/v1/scenarios/{self.scenario_id}")["source"]

    # What can befall them.

    def runner_killed(self) -> None:
        self.holder().kill()

    def runner_frozen(self) -> None:
        """For longer than its lease: somebody else goes on, and it learns so as it wakes."""
        frozen, token = self.holder(), self.source()["token"]
        self.house.freeze(frozen)
        self.house.wait_for(
            lambda: self.source()["token"] > token + 1, deadline_s=240, why="another holder"
        )
        self.wait_for_looks(3)
        frozen.send_signal(signal.SIGCONT)

    def camera_killed(self) -> None:
        port = self.camera.port
        self.camera.kill()
        wait_ms(3 * GAP_MS)
        assert self.house.scenario(self.scenario_id).state is ScenarioState.ACTIVE
        self.camera = RTSPServer(pictures=TIME_CODES, port=port)

    def camera_frozen(self) -> None:
        self.camera.freeze()
        wait_ms(3 * GAP_MS)
        self.camera.go_on()

    def orchestrator_killed(self) -> None:
        """Nobody decides for a while: what runs goes on unseen by that."""
        self.orchestrator.kill()
        self.orchestrator.wait(240)
        self.wait_for_looks(5)
        self.orchestrator = self.house.start("orchestrator")


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    need("rtsp", not missing(), missing())
    settings = {
        "VEDETTE_GAP_MAX_S": str(GAP_MS / 1000),
        "VEDETTE_READ_TIMEOUT_S": "1",
        "VEDETTE_OPEN_TIMEOUT_S": "1",
        "VEDETTE_QUARANTINE_DEATHS": "1000",
    }
    with cluster(tmp_path / "data", **settings) as house:
        one = Watched(house, build_clock_reader(tmp_path / "clock.onnx"))
        try:
            yield one
        finally:
            one.camera.kill()


@pytest.mark.timeout(240 + 1800 * SOAK)
def test_what_is_called_covered_is_what_the_pictures_prove_through_kills_and_outages(
    watched: Watched,
) -> None:
    seed = random.randrange(10**6)
    befalls = [
        watched.runner_killed,
        watched.camera_killed,
        watched.runner_frozen,
        watched.camera_frozen,
        watched.orchestrator_killed,
    ] * (1 + 7 * SOAK)
    random.Random(seed).shuffle(befalls)
    watched.have_two_runners()
    watched.wait_for_looks()

    for befall in befalls:
        befall()
        watched.wait_for_looks()
        watched.have_two_runners()
    watched.house.post(f"/api/v1/scenarios/{watched.scenario_id}/stop")
    watched.house.wait_for_state(watched.scenario_id, ScenarioState.INACTIVE)

    stopped_at = datetime.now(UTC)
    told = f"seed {seed}: {[befall.__name__ for befall in befalls]}"
    looks = looks_of(watched)
    tiles = coverage_of(watched, stopped_at)
    covered = [Stretch(*one[:2]) for one in tiles if one[2]]
    assert_they_tile(tiles, watched.accepted_at, stopped_at)
    assert_every_covered_instant_was_seen(covered, looks)
    # Whoever goes on does so with a look that does not follow from the one before.
    assert len(unclaimed(covered, looks)) <= len(befalls), told
    assert dark_ms(looks) > 2000 * sum(one.__name__.startswith("camera") for one in befalls), told
    assert_dead_time_is_no_zero(watched, stopped_at, covered, connections=len(befalls) + 1)


def now_ms() -> int:
    return ms(datetime.now(UTC))


def ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def captured_ms(row: dict[str, Any]) -> int:
    return ms(datetime.fromisoformat(row["captured_at"]))


def looks_of(watched: Watched) -> list[Look]:
    """Every row has a picture of its own, each later than the one before."""
    rows = watched.house.rows(watched.scenario_id)
    looks = [Look(shown_ms(row, captured_ms(row)), captured_ms(row)) for row in rows]
    assert [row["frame"] for row in rows] == list(range(len(rows)))
    assert all(a["pts_s"] < b["pts_s"] for a, b in pairwise(rows))
    assert all(a.shown_ms < b.shown_ms for a, b in pairwise(looks))
    late_ms = [look.captured_ms - look.shown_ms for look in looks]
    assert min(late_ms) >= 0
    assert max(late_ms) <= LATE_OPENING_MS
    assert np.median(late_ms) <= LATE_MS
    return looks


def coverage_of(watched: Watched, stopped_at: datetime) -> list[tuple[int, int, bool]]:
    answer = watched.house.get(
        "/api/v1/counts",
        scenario=watched.scenario_id,
        run=1,
        to=stopped_at.isoformat(),
        **{"from": watched.accepted_at.isoformat()},
    )
    return [
        (ms(datetime.fromisoformat(one["start"])), ms(datetime.fromisoformat(one["end"])),
         one["covered"])
        for one in answer["coverage"]
    ]  # fmt: skip


def assert_they_tile(
    tiles: list[tuple[int, int, bool]], accepted_at: datetime, stopped_at: datetime
) -> None:
    """They tile the time from the accepted start to the accepted stop, by turns."""
    assert abs(tiles[0][0] - ms(accepted_at)) <= 1
    assert abs(tiles[-1][1] - ms(stopped_at)) <= 1
    for one, following in pairwise(tiles):
        assert one[1] == following[0]
        assert one[2] != following[2]


def assert_every_covered_instant_was_seen(covered: list[Stretch], looks: list[Look]) -> None:
    """A stretch lies between two looks whose pictures, and all between, are near enough."""
    for stretch in covered:
        # A row's time has been cut to whole milliseconds, a stretch's has been rounded.
        within = [
            look for look in looks if stretch.from_ms - 1 <= look.captured_ms <= stretch.to_ms
        ]
        assert len(within) >= 2
        assert within[0].captured_ms - stretch.from_ms <= 1
        assert stretch.to_ms - within[-1].captured_ms <= 1
        # By the pictures' own time: a stamp may be late, and make a gap look shorter than it was.
        assert stretch.to_ms - within[-1].shown_ms <= LATE_OPENING_MS
        for one, following in pairwise(within):
            late_ms = max(LATE_MS, one.captured_ms - one.shown_ms)
            assert following.shown_ms - one.shown_ms <= GAP_MS + late_ms, (one, following)


def unclaimed(covered: list[Stretch], looks: list[Look]) -> list[tuple[Look, Look]]:
    """Looks that are near enough to each other, the time between which is not called covered."""
    return [
        (one, following)
        for one, following in pairwise(looks)
        if following.captured_ms - one.captured_ms < GAP_MS
        and not any(
            stretch.from_ms - 1 <= one.captured_ms and following.captured_ms <= stretch.to_ms
            for stretch in covered
        )
    ]


def dark_ms(looks: list[Look]) -> int:
    """Time of which no picture near enough was seen."""
    gaps = [following.shown_ms - one.shown_ms for one, following in pairwise(looks)]
    return sum(gap for gap in gaps if gap > GAP_MS)


def overlap_ms(stretch: Stretch, covered: list[Stretch]) -> int:
    return sum(
        max(0, min(stretch.to_ms, one.to_ms) - max(stretch.from_ms, one.from_ms)) for one in covered
    )


def assert_dead_time_is_no_zero(
    watched: Watched, stopped_at: datetime, covered: list[Stretch], *, connections: int
) -> None:
    """The beacon is in every picture: where it is counted less, nothing was seen, or it is new."""
    buckets = watched.house.get(
        "/api/v1/counts",
        scenario=watched.scenario_id,
        run=1,
        label="beacon",
        to=(stopped_at + AROUND).isoformat(),
        limit=1000,
        **{"from": (watched.accepted_at - AROUND).isoformat()},
    )["counts"]
    missed_s = 0.0
    for one in buckets:
        start_ms = ms(datetime.fromisoformat(one["start"]))
        bucket = Stretch(start_ms, start_ms + BUCKET_S * 1000)
        covered_s = one["coverage"] * BUCKET_S
        assert covered_s * 1000 <= overlap_ms(bucket, covered) + 2
        if covered_s == 0:
            numbers = {one[key] for key in ("now_mean", "now_min", "now_max", "entered", "left")}
            assert numbers == {None}
            continue
        assert one["now_max"] <= 1
        missed_s += covered_s * (1 - one["now_mean"])
    assert buckets
    assert missed_s <= connections * UNCONFIRMED_S


def wait_ms(duration_ms: int) -> None:
    """Let time pass that is to be dark."""
    threading.Event().wait(duration_ms / 1000)
