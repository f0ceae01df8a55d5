"""Live predictions over a websocket."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from pace import Pace
from vedette.api.news import News, Position, Reader
from vedette.api.views import ScenarioBrief

from .conftest import Running, totals_of, until

# Only the bus can be this quick: the server looks by itself every few minutes.
BUS_ALONE = {"live_period_s": 300.0}


@contextlib.contextmanager
def watching(server: Running, scenario_id: str) -> Iterator[ClientConnection]:
    url = f"ws://127.0.0.1:{server.port}/api/v1/scenarios/{scenario_id}/live"
    with connect(url, proxy=None, open_timeout=240) as connection:
        yield connection


def heard(connection: ClientConnection) -> dict[str, Any]:
    return dict(json.loads(connection.recv(timeout=240)))


def frames_of(message: dict[str, Any]) -> list[int]:
    return [row["frame"] for row in message["rows"]]


def test_a_late_joiner_gets_the_present_state_first(server: Running) -> None:
    scenario_id = server.start()
    server.run(scenario_id).commit(7, events=2)

    with watching(server, scenario_id) as connection:
        first = heard(connection)

    assert first["type"] == "state"
    assert first["provisional"] is False
    assert first["scenario"]["state"] == "active"
    assert first["totals"] == totals_of(7)
    assert frames_of(first) == [6]
    assert first["events"] == []


def test_what_is_committed_comes_at_once_in_order_and_once(serve: Callable[..., Running]) -> None:
    server = serve(**BUS_ALONE)
    scenario_id = server.start()
    lease = server.run(scenario_id)
    lease.commit(2)

    with watching(server, scenario_id) as one, watching(server, scenario_id) as other:
        heard(one), heard(other)
        begun_s = time.monotonic()
        lease.commit(3, events=2)
        frames, events = {one: [], other: []}, {one: [], other: []}
        for connection in (one, other):
            news = heard(connection)
            assert news["type"] == "news"
            assert news["skipped"] == {"rows": 0, "events": 0}
            frames[connection] += frames_of(news)
            events[connection] += [event["sequence"] for event in news["events"]]
        took_s = time.monotonic() - begun_s
        lease.commit(1)
        last = heard(one)

    assert list(frames.values()) == [[2, 3, 4], [2, 3, 4]]
    assert list(events.values()) == [[0, 1], [0, 1]]
    assert frames_of(last) == [5]
    assert took_s < 30  # Far below the period: the bus woke it.


def test_what_the_bus_loses_comes_within_the_period(serve: Callable[..., Running]) -> None:
    server = serve(live_period_s=0.1)
    scenario_id = server.start()
    lease = server.run(scenario_id)

    with watching(server, scenario_id) as connection:
        heard(connection)
        server.bus.close()
        with contextlib.suppress(Exception):
            lease.commit(3)
        news = heard(connection)

    assert frames_of(news) == [0, 1, 2]


def test_what_the_present_state_held_is_not_told_again() -> None:
    """A feed may read before a reader's present state was read, and tell it after."""
    at = datetime(2026, 1, 1, tzinfo=UTC)
    brief = ScenarioBrief(
        scenario_id="s", status="active", state="active", wanted="active", status_reason="running",
        detail="", run=1, waiting=[], source_name="door", created_at=at, updated_at=at,
    )  # fmt: skip
    rows = [{"frame": frame} for frame in range(3, 8)]
    events = [{"sequence": number} for number in range(4)]

    async def told() -> News | None:
        reader = Reader()
        reader.begin(Position(brief, run=1, totals=None, last_frame=5, last_event=1))
        reader.give(News(brief, None, rows, events, run=1))
        return await reader.next()

    news = asyncio.run(told())

    assert news is not None
    assert [row["frame"] for row in news.rows] == [6, 7]
    assert [event["sequence"] for event in news.events] == [2, 3]


def test_a_change_of_state_is_told(serve: Callable[..., Running]) -> None:
    server = serve(live_period_s=0.05)
    scenario_id = server.start()

    with watching(server, scenario_id) as connection:
        first = heard(connection)
        lease = server.run(scenario_id)
        states = [first["scenario"]["state"], heard(connection)["scenario"]["state"]]
        lease.commit(1)
        heard(connection)
        lease.end()
        last = heard(connection)

    assert states == ["init_startup", "active"]
    assert (last["scenario"]["state"], last["scenario"]["status_reason"]) == (
        "inactive",
        "completed",
    )


def test_a_new_run_begins_with_its_first_frame(serve: Callable[..., Running]) -> None:
    server = serve(live_period_s=0.05)
    scenario_id = server.start()
    lease = server.run(scenario_id)
    lease.commit(5)
    lease.end()

    with watching(server, scenario_id) as connection:
        heard(connection)
        server.client.post(f"/scenario/{scenario_id}/?command=start")
        server.run(scenario_id).commit(2)
        frames: list[int] = []
        while not frames:
            news = heard(connection)
            frames = frames_of(news)

    assert frames == [0, 1]
    assert news["scenario"]["run"] == 2


def test_a_slow_reader_is_dropped_to_the_latest_and_told_how_much(
    serve: Callable[..., Running],
) -> None:
    server = serve(live_period_s=0.05)
    scenario_id = server.start()
    lease = server.run(scenario_id)
    with watching(server, scenario_id) as quick:
        heard(quick)
        slow = sluggish(server, scenario_id)
        frame, worst_s = -1, 0.0
        for _ in range(40):
            begun_s = time.monotonic()
            lease.commit(1000)
            while frame < lease.frame - 1:
                news = heard(quick)
                frame = frames_of(news)[-1]
                assert news["skipped"]["rows"] == 0
            worst_s = max(worst_s, time.monotonic() - begun_s)
        shown = sum_of(slow, until_frame=lease.frame - 1)

    assert shown["last"] == lease.frame - 1
    assert shown["skipped"] > 0
    assert shown["rows"] + shown["skipped"] == lease.frame
    assert worst_s < 30


def sluggish(server: Running, scenario_id: str) -> socket.socket:
    """Open a websocket by hand, with little room, and read nothing behind the handshake."""
    slow = socket.socket()
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    slow.connect(("127.0.0.1", server.port))
    slow.sendall(
        f"GET /api/v1/scenarios/{scenario_id}/live HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
    )
    slow.settimeout(10)
    answer = b""
    while not answer.endswith(b"\r\n\r\n"):
        answer += slow.recv(1)
    return slow


def sum_of(slow: socket.socket, *, until_frame: int) -> dict[str, int]:
    """Read all that came, up to a frame; give how many rows came, and how many were left out."""
    with slow, slow.makefile("rb") as stream:
        shown = {"rows": 0, "skipped": 0, "last": -1}
        while shown["last"] < until_frame:
            message = json.loads(frame_payload(stream))
            shown["rows"] += len(message["rows"])
            shown["skipped"] += message["skipped"]["rows"]
            if message["rows"]:
                shown["last"] = message["rows"][-1]["frame"]
        return shown


def frame_payload(stream: Any) -> bytes:
    """Read one unmasked text frame (RFC 6455, section 5.2); pings are passed over."""
    while True:
        kind, size = stream.read(2)
        if size >= 126:
            size = int.from_bytes(stream.read(2 if size == 126 else 8), "big")
        payload = bytes(stream.read(size))
        if kind & 0xF == 1:
            return payload


def test_who_takes_nothing_for_too_long_is_let_go(serve: Callable[..., Running]) -> None:
    server = serve(live_period_s=0.05, live_patience_s=0.3)
    scenario_id = server.start()
    lease = server.run(scenario_id)

    with sluggish(server, scenario_id):
        assert "vedette_live_readers 1" in server.client.get("/metrics").text
        deadline = time.monotonic() + 20
        while "vedette_live_readers 0" not in server.client.get("/metrics").text:
            assert time.monotonic() < deadline
            lease.commit(1000)


def test_there_are_at_most_so_many_readers(serve: Callable[..., Running]) -> None:
    server = serve(live_readers_max=1)
    scenario_id = server.start()

    with watching(server, scenario_id) as connection:
        heard(connection)
        with pytest.raises(InvalidStatus) as refused, watching(server, scenario_id):
            pass
    until(lambda: "vedette_live_readers 0" in server.client.get("/metrics").text)

    assert refused.value.response.status_code == 503
    with watching(server, scenario_id) as connection:
        assert heard(connection)["type"] == "state"


def test_of_what_is_not_there_nothing_is_shown(server: Running) -> None:
    with pytest.raises(InvalidStatus) as refused, watching(server, "nobody"):
        pass

    assert refused.value.response.status_code == 404
    assert json.loads(refused.value.response.body or b"")["code"] == "NOT_FOUND"


def test_the_server_ends_while_somebody_watches(server: Running) -> None:
    scenario_id = server.start()

    with watching(server, scenario_id) as connection:
        heard(connection)
        with Pace() as pace:
            server._server.should_exit = True
            server._thread.join(240)

    assert not server._thread.is_alive()
    assert pace.kept(5), pace
