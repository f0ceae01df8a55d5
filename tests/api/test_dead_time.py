"""Counts of wall time that nobody saw: a bucket for each, and unknown in it, never zero."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from vedette.domain.count import CountKind

from .conftest import FILE_FACTS, LIVE_FACTS, Running, a_bucket

NOON_MS = 1_800_000_000_000
NUMBERS = (
    "now_mean", "now_min", "now_max", "entered", "left", "crossed_in", "crossed_out", "distinct",
)  # fmt: skip


def at(seconds: float) -> str:
    return datetime.fromtimestamp(NOON_MS / 1000 + seconds, UTC).isoformat().replace("+00:00", "Z")


def counts(server: Running, begin: float, end: float, **more: Any) -> list[dict[str, Any]]:
    """Ask for a stretch of time, in seconds from noon on, page by page."""
    found: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        answer = server.client.get(
            "/api/v1/counts", params={"from": at(begin), "to": at(end), **more, **cursor}
        )
        assert answer.status_code == 200, answer.text
        page = answer.json()
        found += page["counts"]
        if page["next_cursor"] is None:
            return found
        cursor = {"cursor": page["next_cursor"]}


def seen_at(one: dict[str, Any]) -> float:
    return datetime.fromisoformat(one["start"]).timestamp() - NOON_MS / 1000


def a_camera(server: Running, *seconds: float, **more: Any) -> str:
    """Give a live scenario whose rows lie at these seconds from noon on."""
    scenario_id = server.start("rtsp://127.0.0.1:9/door")
    buckets = [a_bucket(NOON_MS + round(one * 1000), **more) for one in seconds]
    server.run(scenario_id).commit(counts=tuple(buckets), facts=LIVE_FACTS)
    return scenario_id


@pytest.mark.parametrize("limit", [1, 2, 100])
def test_dead_time_has_buckets_in_which_all_is_unknown(server: Running, limit: int) -> None:
    scenario_id = a_camera(server, 0, 30)

    found = counts(server, 0, 60, scenario=scenario_id, limit=limit)

    assert [seen_at(one) for one in found] == [0, 10, 20, 30, 40, 50]
    assert [one["coverage"] for one in found] == [1, 0, 0, 1, 0, 0]
    for one in found:
        unknown = one["coverage"] == 0
        assert all((one[name] is None) == unknown for name in NUMBERS)
        assert (one["kind"], one["place"], one["label"]) == ("zone", "door", "person")
        assert (one["scenario_id"], one["run"], one["start_s"]) == (scenario_id, 1, None)
    assert counts(server, 0, 60, scenario=scenario_id, run=1) == found
    assert counts(server, 0, 60, camera="127.0.0.1:9/door") == found


def test_time_in_which_there_is_no_row_at_all_is_unknown_too(server: Running) -> None:
    scenario_id = a_camera(server, 0)

    found = counts(server, 7200, 7230, scenario=scenario_id)

    assert [(seen_at(one), one["now_mean"]) for one in found] == [
        (7200, None), (7210, None), (7220, None),
    ]  # fmt: skip


def test_wide_buckets_are_filled_likewise_and_stay_whole(server: Running) -> None:
    scenario_id = a_camera(server, 0, 130)

    found = counts(server, 30, 190, scenario=scenario_id, bucket="1m")

    assert [(seen_at(one), one["entered"]) for one in found] == [
        (0, 3), (60, None), (120, 3), (180, None),
    ]  # fmt: skip


def test_what_is_asked_for_alone_is_filled(server: Running) -> None:
    scenario_id = server.start("rtsp://127.0.0.1:9/door")
    line = a_bucket(NOON_MS, kind=CountKind.LINE, place="edge", label="car")
    server.run(scenario_id).commit(counts=(a_bucket(NOON_MS), line), facts=LIVE_FACTS)

    for more in ({"line": "edge"}, {"label": "car"}):
        found = counts(server, 0, 20, scenario=scenario_id, **more)
        assert [(seen_at(one), one["place"]) for one in found] == [(0, "edge"), (10, "edge")]
    assert counts(server, 0, 20, scenario=scenario_id, zone="nowhere") == []


def test_time_between_two_runs_is_told_once(server: Running) -> None:
    scenario_id = server.start("rtsp://127.0.0.1:9/door")
    first = server.run(scenario_id)
    first.commit(counts=(a_bucket(NOON_MS),), facts=LIVE_FACTS)
    first.end()
    server.client.post(f"/scenario/{scenario_id}/?command=start")
    server.run(scenario_id).commit(counts=(a_bucket(NOON_MS + 30_000),), facts=LIVE_FACTS)

    found = counts(server, 0, 50, scenario=scenario_id, limit=2)

    known = {(one["run"], seen_at(one)) for one in found if one["coverage"]}
    assert known == {(1, 0), (2, 30)}
    assert sorted(seen_at(one) for one in found) == [0, 10, 20, 30, 40]
    named = counts(server, 0, 50, scenario=scenario_id, run=1)
    assert [(one["run"], one["coverage"]) for one in named] == [(1, 1)] + [(1, 0)] * 4


def test_a_run_that_never_saw_anything_is_unknown_from_its_start_on(server: Running) -> None:
    scenario_id = server.start("rtsp://127.0.0.1:9/door")
    first = server.run(scenario_id)
    first.commit(counts=(a_bucket(NOON_MS),), facts=LIVE_FACTS)
    first.end()
    server.client.post(f"/scenario/{scenario_id}/?command=start")
    server.run(scenario_id)

    found = counts(server, 10, 30, scenario=scenario_id)

    assert [(seen_at(one), one["run"], one["coverage"], one["start_s"]) for one in found] == [
        (10, 2, 0, None), (20, 2, 0, None),
    ]  # fmt: skip


def test_without_both_ends_and_for_files_only_rows_are_given(server: Running) -> None:
    camera = a_camera(server, 0, 30)
    file = server.start()
    server.run(file).commit(counts=(a_bucket(0), a_bucket(20_000)), facts=FILE_FACTS)

    for params in (
        {"scenario": camera, "from": at(0)},
        {"scenario": camera, "to": at(60)},
        {"scenario": file, "from_s": 0, "to_s": 60},
    ):
        answer = server.client.get("/api/v1/counts", params=params)
        assert [one["coverage"] for one in answer.json()["counts"]] == [1, 1]
    assert counts(server, 0, 60, scenario=file) == []


def test_more_buckets_than_can_be_given_are_refused_with_what_to_do(server: Running) -> None:
    scenario_id = a_camera(server, 0)
    asked = {"scenario": scenario_id, "from": at(0), "to": at(30 * 86_400)}

    answer = server.client.get("/api/v1/counts", params=asked)
    hours = server.client.get("/api/v1/counts", params={**asked, "bucket": "1h", "limit": 1000})

    assert (answer.status_code, answer.json()["code"]) == (422, "BAD_INPUT")
    assert "bucket=1m or 1h" in answer.json()["detail"]
    assert len(hours.json()["counts"]) == 720
