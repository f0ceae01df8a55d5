"""Scenarios over HTTP: made, started, stopped, shown."""

from __future__ import annotations

import json
import uuid

import pytest
from sqlalchemy import select

from vedette.bus.base import Message
from vedette.bus.topics import COMMANDS
from vedette.store.schema import commands, scenarios, sources

from .conftest import Running, totals_of, until


def test_a_scenario_of_an_address_is_accepted_as_the_earlier_platform_did(server: Running) -> None:
    answer = server.client.post("/scenario/", json={"url": "synthetic://street?seconds=2"})

    assert answer.status_code == 202
    assert answer.json().keys() == {"scenario_id", "status"}
    assert answer.json()["status"] == "init_startup"
    assert uuid.UUID(answer.json()["scenario_id"]).version == 7


def test_accepting_writes_source_scenario_and_command_at_once_and_wakes(server: Running) -> None:
    heard: list[Message] = []
    end = server.bus.subscribe([COMMANDS], heard.append)

    scenario_id = server.start()

    kinds = server.store.read(
        lambda t: [row.kind for row in t.connection.execute(select(commands))]
    )
    states = server.store.read(
        lambda t: [row.state for row in t.connection.execute(select(scenarios))]
    )
    until(lambda: scenario_id in [message.key for message in heard])
    end()
    assert kinds == ["start"]
    assert states == ["inactive"]  # The orchestrator alone changes it.


def test_all_of_a_running_scenario_is_shown(server: Running) -> None:
    scenario_id = server.start(
        detector="motion",
        classes=["moving"],
        confidence=0.4,
        fps=5,
        scene="zones: [{name: door, polygon: [[0.1, 0.2], [0.4, 0.2], [0.4, 0.9]]}]",
        recorded_at="2026-03-01T12:00:00+01:00",
    )
    server.run(scenario_id).commit(3)

    shown = server.show(scenario_id)

    assert shown["status"] == shown["state"] == "active"
    assert shown["wanted"] == "active"
    assert shown["run"] == 1
    assert shown["source"]["holder"] == "runner-1"
    assert shown["source"]["holder_lives"] is True
    assert shown["source"]["token"] == 1
    assert shown["totals"] == totals_of(3)
    assert shown["health"]["last_result_at"] is not None
    assert shown["parameters"]["fps"] == 5
    assert shown["parameters"]["tiles"] is None
    assert shown["parameters"]["scene"]["zones"][0]["name"] == "door"
    assert shown["parameters"]["recorded_at"] == "2026-03-01T12:00:00+01:00"
    assert [one["after"] for one in shown["history"]] == [
        "active",
        "in_startup_processing",
        "init_startup",
    ]
    assert shown["runs"][0]["reason"] is None


def test_a_scenario_names_the_model_in_use_and_its_card(server: Running) -> None:
    scenario_id = server.start()
    run = server.run(scenario_id)
    before = server.show(scenario_id)["model"]
    model = {
        "name": "vedette-s1", "licence": "Apache-2.0", "source": "Vedette itself",
        "card": "/somewhere/MODEL_CARD.md",
    }  # fmt: skip
    run.commit(1, facts=json.dumps({"live": False, "model": model}))
    known = server.show(scenario_id)["model"]
    # As runners of an earlier version wrote it.
    run.commit(1, facts='{"live": false}')

    assert before is None
    assert known == model
    assert server.show(scenario_id)["model"] is None


def test_a_stop_is_accepted_from_every_state(server: Running) -> None:
    scenario_id = server.start()
    stop = f"/scenario/{scenario_id}/"

    waiting = server.client.post(stop, params={"command": "stop"})
    server.decide_commands()
    resting = server.client.post(stop, json={"command": "stop"})
    server.client.post(stop, params={"command": "start"})
    server.run(scenario_id)
    running = server.client.post(f"/api/v1/scenarios/{scenario_id}/stop")

    assert [one.status_code for one in (waiting, resting, running)] == [202, 202, 202]
    assert waiting.json() == {"scenario_id": scenario_id, "status": "init_shutdown"}
    assert running.json()["status"] == "init_shutdown"


def test_a_start_of_what_goes_up_is_refused_before_it_is_decided_too(server: Running) -> None:
    scenario_id = server.start()

    early = server.client.post(f"/scenario/{scenario_id}/?command=start")
    server.run(scenario_id)
    late = server.client.post(f"/api/v1/scenarios/{scenario_id}/start")

    for answer in (early, late):
        assert answer.status_code == 409
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["code"] == "TRANSITION_REFUSED"


def test_a_start_after_the_end_is_a_new_run(server: Running) -> None:
    scenario_id = server.start()
    server.run(scenario_id).end()

    assert server.show(scenario_id)["status_reason"] == "completed"
    answer = server.client.post(f"/scenario/{scenario_id}/?command=start")
    server.decide_commands()

    assert answer.json()["status"] == "init_startup"
    assert [one["run"] for one in server.show(scenario_id)["runs"]] == [2, 1]


def test_scenarios_are_listed_page_by_page(server: Running) -> None:
    made = [server.start() for _ in range(5)]
    server.run(made[0])

    first = server.client.get("/api/v1/scenarios?limit=2").json()
    rest = server.client.get(
        "/api/v1/scenarios", params={"limit": 5, "cursor": first["next_cursor"]}
    ).json()
    active = server.client.get("/api/v1/scenarios?state=active").json()

    listed = [one["scenario_id"] for one in first["scenarios"] + rest["scenarios"]]
    assert sorted(listed) == sorted(made)
    assert rest["next_cursor"] is None
    assert [one["scenario_id"] for one in active["scenarios"]] == [made[0]]


def test_a_password_is_sealed_in_the_store_and_never_shown(server: Running) -> None:
    scenario_id = server.start("rtsp://admin:geheim@127.0.0.1:9/live?token=geheim")

    stored = server.store.read(
        lambda t: [row.address for row in t.connection.execute(select(sources))]
    )
    answer = server.client.get(f"/scenario/{scenario_id}/")

    assert "geheim" not in stored[0]
    assert server.seal.open(stored[0]) == "rtsp://admin:geheim@127.0.0.1:9/live?token=geheim"
    assert "geheim" not in answer.text
    assert answer.json()["source"]["address"] == "rtsp://127.0.0.1:9/live?token=***"
    assert answer.json()["source_name"] == "127.0.0.1:9/live"


def test_one_camera_is_one_source_whoever_asks(server: Running) -> None:
    address = "rtsp://admin:geheim@127.0.0.1:9/live"
    first, second = server.show(server.start(address)), server.show(server.start(address))
    third = server.show(server.start("rtsp://127.0.0.1:9/other"))
    again = server.client.post("/scenario/", json={"source_id": first["source"]["id"]})

    assert first["source"]["id"] == second["source"]["id"]
    assert third["source"]["id"] != first["source"]["id"]
    assert server.show(again.json()["scenario_id"])["source"]["id"] == first["source"]["id"]


def test_a_form_serves_as_well_as_json(server: Running) -> None:
    answer = server.client.post(
        "/scenario/",
        data={"url": "synthetic://street", "classes": "person, car", "fps": "2.5"},
    )

    parameters = server.show(answer.json()["scenario_id"])["parameters"]
    assert parameters["classes"] == ["person", "car"]
    assert parameters["fps"] == 2.5


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 422, "BAD_INPUT"),
        ({"url": "synthetic://street", "source_id": "x"}, 422, "BAD_INPUT"),
        ({"source_id": "nobody"}, 404, "NOT_FOUND"),
        ({"url": "file:///etc/passwd"}, 403, "FORBIDDEN"),
        ({"url": "concat:a|b"}, 403, "FORBIDDEN"),
        ({"url": "/etc/passwd"}, 403, "FORBIDDEN"),
        ({"url": "http://169.254.169.254/"}, 403, "FORBIDDEN"),
        ({"url": "synthetic://street", "fps": 0}, 422, "BAD_INPUT"),
        ({"url": "synthetic://street", "confidence": "0.5"}, 422, "BAD_INPUT"),
        ({"url": "synthetic://street", "fsp": 3}, 422, "BAD_INPUT"),
        ({"url": "synthetic://street", "scene": "zones: {"}, 422, "BAD_INPUT"),
        ({"url": "synthetic://street", "detector": "/etc/model.onnx"}, 403, "FORBIDDEN"),
        ({"url": "synthetic://street", "detector": "../x.onnx"}, 403, "FORBIDDEN"),
        ({"url": "synthetic://street", "recorded_at": "2026-01-01T00:00:00"}, 422, "BAD_INPUT"),
        ({"url": "synthetic://street", "tiles": "2"}, 422, "BAD_INPUT"),
        ({"url": "synthetic://street", "tiles": "4x5"}, 422, "BAD_INPUT"),
        ({"url": "synthetic://street", "tiles": "2x2", "detector": "motion"}, 422, "BAD_INPUT"),
    ],
)
def test_what_cannot_be_is_refused_and_leaves_nothing(
    server: Running, body: dict[str, object], status: int, code: str
) -> None:
    answer = server.client.post("/api/v1/scenarios", json=body)

    written = server.store.read(lambda t: list(t.connection.execute(select(scenarios))))
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert written == []


def test_no_refusal_tells_a_password(server: Running) -> None:
    for body in (
        {"url": "rtmp://admin:geheim@10.0.0.1/"},
        {"url": "rtsp://admin:geheim@169.254.169.254/"},
        {"url": ["rtsp://admin:geheim@10.0.0.1/"]},
        {"url": "rtsp://admin:geheim@10.0.0.1/" + "x" * 5000},
    ):
        answer = server.client.post("/scenario/", json=body)

        assert answer.status_code in {403, 422}
        assert "geheim" not in answer.text


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"{", "application/json", 400),
        (b"\xff\xfe", "application/json", 400),
        (b"[" * 100_000, "application/json", 400),
        (b"url=%ff", "application/x-www-form-urlencoded", 400),
        (b"url=a&url=b", "application/x-www-form-urlencoded", 422),
        (b"<a/>", "text/xml", 415),
        (b"{}", "", 415),
    ],
)
def test_unreadable_bodies_are_problems(
    server: Running, content: bytes, kind: str, status: int
) -> None:
    answer = server.client.post("/scenario/", content=content, headers={"content-type": kind})

    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_command_has_to_be_named_once(server: Running) -> None:
    scenario_id = server.start()
    path = f"/scenario/{scenario_id}/"

    none = server.client.post(path)
    unknown = server.client.post(path, params={"command": "pause"})
    two = server.client.post(path, params={"command": "stop"}, json={"command": "start"})
    nobody = server.client.post("/scenario/nobody/?command=stop")

    assert [one.status_code for one in (none, unknown, two, nobody)] == [422, 422, 422, 404]


def test_the_same_key_and_request_is_accepted_once(server: Running) -> None:
    bears = {"Idempotency-Key": "key-1"}
    asked = {"url": "synthetic://street"}

    first, again = (server.client.post("/scenario/", json=asked, headers=bears) for _ in range(2))
    other = server.client.post("/scenario/", json={**asked, "fps": 1}, headers=bears)

    kinds = server.store.read(
        lambda t: [row.kind for row in t.connection.execute(select(commands))]
    )
    assert first.json() == again.json()
    assert (first.status_code, again.status_code, other.status_code) == (202, 202, 409)
    assert kinds == ["start"]


def test_a_repeated_start_with_a_key_is_no_refusal(server: Running) -> None:
    scenario_id = server.start()
    server.run(scenario_id).end()
    path = f"/api/v1/scenarios/{scenario_id}/start"

    answers = [server.client.post(path, headers={"Idempotency-Key": "k"}) for _ in range(2)]

    assert [one.status_code for one in answers] == [202, 202]
