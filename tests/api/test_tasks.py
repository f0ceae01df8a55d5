"""Short tasks over HTTP, as a foreign worker does them."""

from __future__ import annotations

from typing import Any

import pytest

from .conftest import Running


def add(server: Running, **more: Any) -> str:
    answer = server.client.post("/api/v1/tasks", json={"kind": "photo", **more})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["task_id"])


def take(server: Running, worker: str = "w", **more: Any) -> list[dict[str, Any]]:
    asked = {"worker": worker, "kinds": ["photo"], **more}
    answer = server.client.post("/api/v1/tasks/take", json=asked)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["tasks"])


def test_a_task_goes_from_pending_to_its_result(server: Running) -> None:
    task_id = add(server, payload={"blob": "photos/1.jpg"})

    (taken,) = take(server)
    held = {"token": taken["token"]}
    renewed = server.client.post(f"/api/v1/tasks/{task_id}/renew", json={**held, "lease_s": 30})
    done = server.client.post(
        f"/api/v1/tasks/{task_id}/complete", json={**held, "result": {"people": 4}}
    )
    shown = server.client.get(f"/api/v1/tasks/{task_id}").json()

    assert (taken["task_id"], taken["payload"]) == (task_id, {"blob": "photos/1.jpg"})
    assert renewed.json()["state"] == "in_progress"
    assert done.json() == shown
    assert (shown["state"], shown["result"], shown["worker"]) == ("completed", {"people": 4}, "w")
    assert take(server) == []


def test_the_token_of_a_task_given_away_is_refused(server: Running) -> None:
    task_id = add(server)
    (taken,) = take(server)

    wrong = {"token": taken["token"] + 1, "result": {}}
    answer = server.client.post(f"/api/v1/tasks/{task_id}/complete", json=wrong)

    assert (answer.status_code, answer.json()["code"]) == (409, "STALE_TOKEN")


def test_a_failed_task_is_tried_again_as_often_as_allowed(server: Running) -> None:
    task_id = add(server, attempts_max=2)

    for attempt in (1, 2):
        (taken,) = take(server)
        assert taken["attempt"] == attempt
        said = {"token": taken["token"], "error": "the photo is dark"}
        answer = server.client.post(f"/api/v1/tasks/{task_id}/fail", json=said)

    assert (answer.json()["state"], answer.json()["error"]) == ("failed", "the photo is dark")
    assert take(server) == []


def test_tasks_are_listed_page_by_page(server: Running) -> None:
    made = [add(server) for _ in range(3)]

    first = server.client.get("/api/v1/tasks?kind=photo&state=pending&limit=2").json()
    rest = server.client.get("/api/v1/tasks", params={"cursor": first["next_cursor"]}).json()

    assert sorted(one["task_id"] for one in first["tasks"] + rest["tasks"]) == sorted(made)


def test_the_same_key_adds_a_task_once(server: Running) -> None:
    bears = {"Idempotency-Key": "k"}

    answers = [
        server.client.post("/api/v1/tasks", json={"kind": "photo"}, headers=bears) for _ in range(2)
    ]

    assert answers[0].json() == answers[1].json()
    assert len(server.client.get("/api/v1/tasks").json()["tasks"]) == 1


@pytest.mark.parametrize(
    "payload", [b'{"a": NaN}', b'{"a": "\\ud800"}', b'{"a": 1e999}', b'{"\\ud800": 1}']
)
def test_what_nobody_could_read_again_is_refused(server: Running, payload: bytes) -> None:
    answer = server.client.post(
        "/api/v1/tasks",
        content=b'{"kind": "photo", "payload": ' + payload + b"}",
        headers={"content-type": "application/json"},
    )

    assert answer.status_code in {400, 422}
    assert server.client.get("/api/v1/tasks").json()["tasks"] == []
