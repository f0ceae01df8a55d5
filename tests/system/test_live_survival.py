"""A live stream through kills and outages: every gap is declared, nothing unseen called covered."""

from __future__ import annotations

import time
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import pytest

from parts import need
from rtsp_server import RTSPServer, missing
from system.cluster import LEASE_S, Cluster, cluster
from vedette.domain.count import BUCKET_MS
from vedette.domain.ids import ScenarioId
from vedette.domain.parameters import Parameters
from vedette.domain.scenario import ScenarioState
from vedette.store.statements.counting import StoredBucket, count_buckets, coverage_intervals

Stretches = list[tuple[int, int]]

GAP_MS = 1000
# Between a picture's sending and its arrival, and of the test's own looks.
SLACK_MS = 400


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def captured_ms(rows: list[dict]) -> list[int]:
    return [round(datetime.fromisoformat(row["captured_at"]).timestamp() * 1000) for row in rows]


def wait_for_looks(house: Cluster, scenario_id: ScenarioId, after_ms: int) -> None:
    def seen() -> bool:
        rows = house.rows(scenario_id)
        return bool(rows) and captured_ms(rows[-1:])[0] > after_ms

    house.wait_for(seen, deadline_s=20, why="live results")


@pytest.mark.timeout(120)
def test_covered_and_uncovered_time_tile_a_live_run_through_kills_and_outages(
    tmp_path: Path,
) -> None:
    need("rtsp", not missing(), missing())
    server = RTSPServer()
    gap = str(GAP_MS / 1000)
    try:
        with cluster(
            tmp_path / "data",
            VEDETTE_GAP_MAX_S=gap,
            VEDETTE_READ_TIMEOUT_S="1",
            VEDETTE_OPEN_TIMEOUT_S="1",
        ) as house:
            house.start("orchestrator")
            first = house.start("runner", "--name", "first")
            accepted_ms = now_ms()
            scenario_id = house.add(server.url(), Parameters(detector="motion", fps=5))
            wait_for_looks(house, scenario_id, now_ms() + 2500)
            house.start("runner", "--name", "second")

            killed_ms = now_ms()
            first.kill()
            first.wait(10)
            wait_for_looks(house, scenario_id, killed_ms + 2500)

            port = server.port
            gone_ms = now_ms()
            server.kill()
            time.sleep(4 * GAP_MS / 1000)
            assert house.scenario(scenario_id).state is ScenarioState.ACTIVE
            back_ms = now_ms()
            server = RTSPServer(port=port)
            wait_for_looks(house, scenario_id, now_ms() + 1500)
            house.command(scenario_id, "stop")
            house.wait_for_state(scenario_id, ScenarioState.INACTIVE)
            stopped_ms = now_ms()

            rows = house.rows(scenario_id)
            intervals = house.store.read(
                lambda t: coverage_intervals(
                    t, scenario_id, 1, from_ms=accepted_ms, to_ms=stopped_ms
                )
            )
            buckets = house.store.read(
                lambda t: count_buckets(t, scenario_id=scenario_id, limit=1000)
            )
    finally:
        server.kill()

    looks = captured_ms(rows)
    covered = [(one.from_ms, one.to_ms) for one in intervals if one.covered]
    assert [row["frame"] for row in rows] == list(range(len(rows)))
    assert all(a["pts_s"] < b["pts_s"] for a, b in pairwise(rows))
    # They tile the time from accepted start to accepted stop.
    assert (intervals[0].from_ms, intervals[-1].to_ms) == (accepted_ms, stopped_ms)
    assert all(a.to_ms == b.from_ms for a, b in pairwise(intervals))
    assert_only_what_was_seen_is_covered(covered, looks)
    # While the camera was gone nothing was seen, and nothing is called seen.
    for from_ms, to_ms in covered:
        assert to_ms <= gone_ms + SLACK_MS or from_ms >= back_ms
    # Most of the rest was: the kill cost a lease at the most.
    seen_ms = sum(to_ms - from_ms for from_ms, to_ms in covered)
    assert seen_ms > stopped_ms - accepted_ms - (back_ms - gone_ms) - (LEASE_S * 1000 + 8000)
    assert_no_dead_time_is_counted(buckets, covered)


def assert_only_what_was_seen_is_covered(covered: Stretches, looks: list[int]) -> None:
    """What is called covered lies between looks that are near enough."""
    for from_ms, to_ms in covered:
        within = [look for look in looks if from_ms - 1 <= look <= to_ms + 1]
        assert len(within) >= 2
        assert within[0] - from_ms <= 1
        assert to_ms - within[-1] <= 1
        assert all(b - a <= GAP_MS for a, b in pairwise(within))


def assert_no_dead_time_is_counted(buckets: list[StoredBucket], covered: Stretches) -> None:
    assert buckets
    for one in buckets:
        start_ms = one.bucket.start_ms
        inside_ms = sum(
            max(0, min(to_ms, start_ms + BUCKET_MS) - max(from_ms, start_ms))
            for from_ms, to_ms in covered
        )
        assert one.bucket.covered_s * 1000 <= inside_ms + 2
        assert (one.bucket.now_mean is None) == (one.bucket.covered_s == 0)
