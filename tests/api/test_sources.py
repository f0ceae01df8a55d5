"""The sources that are registered, as the outside reads them."""

from __future__ import annotations

import base64

import pytest

from .conftest import Running


def test_sources_come_page_by_page_without_passwords(server: Running) -> None:
    camera = server.start("rtsp://viewer:s3cret@127.0.0.1:9/door")
    server.start("rtsp://viewer:s3cret@127.0.0.1:9/door")
    street = server.start()
    server.run(camera)

    first = server.client.get("/api/v1/sources", params={"limit": 1})
    cursor = first.json()["next_cursor"]
    rest = server.client.get("/api/v1/sources", params={"limit": 1, "cursor": cursor})
    every = server.client.get("/api/v1/sources").json()

    assert [*first.json()["sources"], *rest.json()["sources"]] == every["sources"]
    assert every["next_cursor"] is None
    assert "s3cret" not in first.text + rest.text
    told = {one["source_id"]: one for one in every["sources"]}
    assert told.keys() == {server.show(one)["source"]["id"] for one in (camera, street)}
    door = told[server.show(camera)["source"]["id"]]
    assert (door["name"], door["kind"]) == ("127.0.0.1:9/door", "rtsp")
    assert door["address"] == "rtsp://127.0.0.1:9/door"
    assert (door["holder"], door["holder_lives"]) == ("runner-1", True)
    other = told[server.show(street)["source"]["id"]]
    assert (other["kind"], other["holder"], other["holder_lives"]) == ("synthetic", None, None)


def test_an_upload_is_a_source_of_its_own_kind(server: Running) -> None:
    server.client.post("/scenario/", files={"video": ("door.mp4", b"a video")})

    (one,) = server.client.get("/api/v1/sources").json()["sources"]

    assert (one["name"], one["kind"], one["address"]) == ("door.mp4", "uploaded", "uploaded")


@pytest.mark.parametrize("key", [b"{}", b"[1]", b'["\\ud800"]', b"["])
def test_a_cursor_that_was_not_given_is_refused(server: Running, key: bytes) -> None:
    cursor = base64.urlsafe_b64encode(key).decode().rstrip("=")

    answer = server.client.get("/api/v1/sources", params={"cursor": cursor})

    assert (answer.status_code, answer.json()["code"]) == (422, "BAD_INPUT")
