"""Predictions, counts and events over HTTP, and the few numbers for Prometheus."""

from __future__ import annotations

import io
import json

import pyarrow.parquet as pq
import pytest

from vedette.domain.count import CountKind

from .conftest import LIVE_FACTS, Running, a_bucket

NOON_MS = 1_800_000_000_000
AT_0807 = "2027-01-15T08:00:07Z"


def test_predictions_come_page_by_page(server: Running) -> None:
    scenario_id = server.start()
    lease = server.run(scenario_id)
    lease.commit(3)
    lease.commit(4)

    first = server.client.get(f"/prediction/{scenario_id}/?limit=5").json()
    rest = server.client.get(
        f"/api/v1/scenarios/{scenario_id}/predictions",
        params={"after": first["next_after"], "limit": 5},
    ).json()

    assert [row["frame"] for row in first["predictions"]] == [0, 1, 2, 3, 4]
    assert [row["frame"] for row in rest["predictions"]] == [5, 6]
    assert rest["next_after"] is None
    assert (first["scenario_id"], first["status"], first["run"]) == (scenario_id, "active", 1)
    assert first["predictions"][0]["objects"][0]["label"] == "person"


def test_ranges_are_of_frames_or_of_media_time(server: Running) -> None:
    scenario_id = server.start()
    server.run(scenario_id).commit(10)
    path = f"/prediction/{scenario_id}/"

    frames = server.client.get(path, params={"from_frame": 2, "to_frame": 4}).json()
    times = server.client.get(path, params={"from_s": 0.25, "to_s": 0.5}).json()

    assert [row["frame"] for row in frames["predictions"]] == [2, 3, 4]
    assert [row["frame"] for row in times["predictions"]] == [3, 4, 5]


def test_rows_of_a_camera_are_chosen_by_when_they_were_captured(server: Running) -> None:
    scenario_id = server.start("rtsp://127.0.0.1:9/door")
    lease = server.run(scenario_id)
    lease.commit(3)  # Of unknown time.
    lease.commit(10, captured_ms=NOON_MS)
    lease.commit(10, captured_ms=NOON_MS + 3_600_000)
    path = f"/api/v1/scenarios/{scenario_id}/predictions"

    def frames(**asked: str | int) -> list[int]:
        found: list[int] = []
        while True:
            page = server.client.get(path, params={"limit": 4, **asked}).json()
            found += [row["frame"] for row in page["predictions"]]
            if page["next_after"] is None:
                return found
            asked["after"] = page["next_after"]

    def exported(file_format: str) -> bytes:
        params = {"from": AT_0807, "to": "2027-01-15T10:00:03+01:00", "format": file_format}
        answer = server.client.get(f"/api/v1/scenarios/{scenario_id}/export", params=params)
        return answer.content

    assert frames(**{"from": AT_0807}) == [*range(10, 23)]
    assert frames(to=AT_0807) == [*range(3, 10)]
    assert frames(**{"from": AT_0807}, to="2027-01-15T10:00:03+01:00") == [10, 11, 12, 13, 14, 15]
    assert frames(**{"from": AT_0807}, to_frame=11) == [10, 11]
    assert frames(**{"from": "2027-01-15T08:30:00Z"}, to="2027-01-15T08:40:00Z") == []
    rows = [json.loads(line)["frame"] for line in exported("jsonl").splitlines()]
    assert rows == [10, 11, 12, 13, 14, 15]
    assert pq.read_table(io.BytesIO(exported("parquet")))["frame"].to_pylist() == rows
    download = server.client.get(path, params={"download": "jsonl", "from": AT_0807})
    assert len(download.text.splitlines()) == 13
    assert server.client.get(path, params={"from": "yesterday"}).status_code == 422


def test_the_latest_run_is_given_and_any_other_when_named(server: Running) -> None:
    scenario_id = server.start()
    first = server.run(scenario_id)
    first.commit(2)
    first.end()
    server.client.post(f"/scenario/{scenario_id}/?command=start")
    server.run(scenario_id).commit(5)
    path = f"/prediction/{scenario_id}/"

    latest = server.client.get(path).json()
    earlier = server.client.get(path, params={"run": 1}).json()
    none = server.client.get(path, params={"run": 3})

    assert (latest["run"], len(latest["predictions"])) == (2, 5)
    assert (earlier["run"], len(earlier["predictions"])) == (1, 2)
    assert none.status_code == 404


def test_a_scenario_never_started_has_no_predictions_yet(server: Running) -> None:
    scenario_id = server.start()

    page = server.client.get(f"/prediction/{scenario_id}/")

    assert (page.json()["run"], page.json()["predictions"]) == (None, [])
    assert server.client.get(f"/api/v1/scenarios/{scenario_id}/export").status_code == 200


@pytest.mark.parametrize("file_format", ["jsonl", "csv", "parquet"])
def test_all_rows_are_downloaded_as_a_file(server: Running, file_format: str) -> None:
    scenario_id = server.start()
    lease = server.run(scenario_id)
    lease.commit(600)
    lease.commit(600)

    old = server.client.get(f"/prediction/{scenario_id}/?download={file_format}")
    new = server.client.get(f"/api/v1/scenarios/{scenario_id}/export?format={file_format}")

    assert old.content == new.content
    assert f"{scenario_id}-1.{file_format}" in old.headers["content-disposition"]
    if file_format == "jsonl":
        frames = [json.loads(line)["frame"] for line in old.text.splitlines()]
    elif file_format == "csv":
        frames = [int(line.split(",")[3]) for line in old.text.splitlines()[1:]]
    else:
        frames = pq.read_table(io.BytesIO(old.content))["frame"].to_pylist()
    assert frames == list(range(1200))


def test_counts_of_a_file_lie_in_media_time_and_unknown_is_null(server: Running) -> None:
    scenario_id = server.start()
    nothing_seen = a_bucket(
        10_000, now_mean=None, now_min=None, now_max=None, entered=0, left=0, covered_s=0.0
    )
    server.run(scenario_id).commit(counts=(a_bucket(0), nothing_seen, a_bucket(20_000)))

    page = server.client.get("/api/v1/counts", params={"scenario": scenario_id}).json()
    minute = server.client.get(
        "/api/v1/counts", params={"scenario": scenario_id, "bucket": "1m"}
    ).json()["counts"]

    first, unknown, _ = page["counts"]
    assert (first["start_s"], first["start"], first["width_s"]) == (0, None, 10)
    assert (first["now_mean"], first["entered"], first["coverage"]) == (1.5, 3, 1)
    assert unknown["start_s"] == 10
    assert unknown["coverage"] == 0
    assert [unknown[key] for key in ("now_mean", "now_min", "now_max", "entered", "left")] == [
        None
    ] * 5
    assert [(one["entered"], one["coverage"]) for one in minute] == [(6, pytest.approx(1 / 3))]


def test_counts_of_a_camera_lie_in_wall_time_with_what_was_not_seen(server: Running) -> None:
    scenario_id = server.start("rtsp://127.0.0.1:9/door")
    line = a_bucket(NOON_MS + 10_000, kind=CountKind.LINE, place="door", crossed_in=2)
    server.run(scenario_id).commit(
        counts=(a_bucket(NOON_MS), line),
        covered=((NOON_MS, NOON_MS + 4000), (NOON_MS + 6000, NOON_MS + 10_000)),
        facts=LIVE_FACTS,
    )
    asked = {"from": "2027-01-15T08:00:00Z", "to": "2027-01-15T08:00:20Z"}

    def counts(**more: str | int) -> list[dict[str, object]]:
        answer = server.client.get("/api/v1/counts", params={**asked, **more})
        return list(answer.json()["counts"])

    page = server.client.get(
        "/api/v1/counts", params={**asked, "scenario": scenario_id, "run": 1}
    ).json()

    assert [(one["start"], one["kind"]) for one in page["counts"] if one["coverage"]] == [
        ("2027-01-15T08:00:00Z", "zone"),
        ("2027-01-15T08:00:10Z", "line"),
    ]
    assert [(one["start"], one["covered"]) for one in page["coverage"]] == [
        ("2027-01-15T08:00:00Z", True),
        ("2027-01-15T08:00:04Z", False),
        ("2027-01-15T08:00:06Z", True),
        ("2027-01-15T08:00:10Z", False),
    ]
    assert len(counts(camera="127.0.0.1:9/door")) == 4
    assert len(counts()) == 2
    assert len(counts(camera="other")) == 0
    assert [one["kind"] for one in counts(zone="door")] == ["zone"]
    assert [one["crossed_in"] for one in counts(line="door")] == [2]
    assert len(counts(label="car")) == 0


def test_counts_come_page_by_page(server: Running) -> None:
    scenario_id = server.start()
    server.run(scenario_id).commit(counts=tuple(a_bucket(10_000 * index) for index in range(5)))
    found: list[float] = []
    cursor: str | None = None

    for _ in range(3):
        params = {"camera": "street", "limit": 2, **({"cursor": cursor} if cursor else {})}
        page = server.client.get("/api/v1/counts", params=params).json()
        found += [one["start_s"] for one in page["counts"]]
        cursor = page["next_cursor"]

    assert found == [0, 10, 20, 30, 40]
    assert cursor is None


def test_events_are_cloud_events_page_by_page(server: Running) -> None:
    scenario_id = server.start()
    server.run(scenario_id).commit(events=5)

    first = server.client.get("/api/v1/events", params={"scenario": scenario_id, "limit": 3}).json()
    rest = server.client.get(
        "/api/v1/events", params={"limit": 3, "cursor": first["next_cursor"]}
    ).json()

    events = first["events"] + rest["events"]
    assert [one["sequence"] for one in events] == [0, 1, 2, 3, 4]
    assert rest["next_cursor"] is None
    assert events[0]["specversion"] == "1.0"
    assert events[0]["type"] == "vedette.zone.entered"
    assert events[0]["source"] == f"/api/v1/scenarios/{scenario_id}"
    assert events[0]["time"] == "2027-01-15T08:00:00Z"
    assert events[0]["data"]["place"] == "door"
    assert events[0]["token"] == 1


def test_metrics_count_what_is_there(server: Running) -> None:
    server.run(server.start())
    server.start()

    text = server.client.get("/metrics").text

    assert 'vedette_scenarios{state="active"} 1' in text.splitlines()
    assert 'vedette_scenarios{state="inactive"} 1' in text.splitlines()
    assert "vedette_commands_waiting 1" in text.splitlines()
    assert "vedette_runners_alive 1" in text.splitlines()
