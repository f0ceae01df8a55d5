"""Who may call, under which name, from which page."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from vedette.api.app import make_app
from vedette.api.options import ApiOptions
from vedette.clock import SystemClock
from vedette.domain.errors import ConfigError

from .conftest import Running

TOKEN = "a-token-made-at-first-start"
BEARS = {"Authorization": f"Bearer {TOKEN}"}


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.0.0.9:80", "localhost:99", "LOCALHOST", "[::1]:8470"]
)
def test_names_of_loopback_are_known(server: Running, host: str) -> None:
    assert server.client.get("/api/v1/scenarios", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "10.0.0.1", "", "["],
)
def test_a_name_that_was_bent_to_this_machine_is_refused(server: Running, host: str) -> None:
    answer = server.client.get("/api/v1/scenarios", headers={"Host": host})

    assert (answer.status_code, answer.json()["code"]) == (403, "FORBIDDEN")


def test_a_name_in_the_settings_is_known(serve: Callable[..., Running]) -> None:
    server = serve(hosts=("vedette.example",), token=TOKEN)

    answer = server.client.get(
        "/api/v1/scenarios", headers={**BEARS, "Host": "Vedette.example:8470"}
    )

    assert answer.status_code == 200


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1"])
def test_foreign_pages_change_nothing(server: Running, origin: str) -> None:
    answer = server.client.post(
        "/scenario/", data={"url": "synthetic://street"}, headers={"Origin": origin}
    )

    assert answer.status_code == 403
    assert server.client.get("/api/v1/scenarios").json()["scenarios"] == []


def test_own_pages_and_named_ones_may(serve: Callable[..., Running]) -> None:
    server = serve(origins=("https://board.example/",))

    for origin in (server.url, "https://board.example"):
        answer = server.client.post(
            "/scenario/", json={"url": "synthetic://street"}, headers={"Origin": origin}
        )
        assert answer.status_code == 202


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/scenarios", "/scenario/x/", "/prediction/x/", "/metrics", "/api/v1/openapi.json",
        "/api/v1/tasks", "/nowhere",
    ],
)  # fmt: skip
def test_without_its_token_nothing_is_told(serve: Callable[..., Running], path: str) -> None:
    server = serve(token=TOKEN)

    for headers in (
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": f"Basic {TOKEN}"},
        {"Authorization": TOKEN},
        {"Authorization": "Bearer"},
    ):
        answer = server.client.get(path, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (401, "TOKEN_REQUIRED")
        assert answer.headers["www-authenticate"] == "Bearer"
    assert server.client.get(path, headers=BEARS).status_code in {200, 404}


def test_a_token_in_an_address_is_refused_even_where_it_is_right(
    serve: Callable[..., Running],
) -> None:
    server = serve(token=TOKEN)

    answer = server.client.get(f"/metrics?access_token={TOKEN}", headers=BEARS)

    assert answer.status_code == 422
    assert TOKEN not in answer.text


def test_probes_need_neither_name_nor_token(serve: Callable[..., Running]) -> None:
    server = serve(token=TOKEN)

    for path in ("/healthz", "/readyz"):
        answer = server.client.get(path, headers={"Host": "10.1.2.3:8470"})
        assert answer.json() == {"status": "ok"}


def live(server: Running, scenario_id: str, *, name: str = "127.0.0.1", **options: Any) -> None:
    """Open the websocket under some name of this machine, and hear what it says first."""
    url = f"ws://{name}:{server.port}/api/v1/scenarios/{scenario_id}/live"
    here = socket.create_connection(("127.0.0.1", server.port))
    with connect(url, sock=here, proxy=None, open_timeout=240, **options) as opened:
        opened.recv(timeout=240)


@pytest.mark.parametrize(
    ("options", "status"),
    [
        ({}, 401),
        ({"additional_headers": {"Authorization": "Bearer wrong"}}, 401),
        ({"subprotocols": [Subprotocol("vedette.live"), Subprotocol("bearer.wrong")]}, 401),
        ({"additional_headers": BEARS, "origin": "https://evil.example"}, 403),
        ({"additional_headers": BEARS, "name": "evil.example"}, 403),
    ],
)
def test_a_websocket_has_the_same_doors(
    serve: Callable[..., Running], options: dict[str, object], status: int
) -> None:
    server = serve(token=TOKEN)
    server.client.headers.update(BEARS)
    scenario_id = server.start()

    with pytest.raises(InvalidStatus) as refused:
        live(server, scenario_id, **options)

    assert refused.value.response.status_code == status
    assert b"code" in (refused.value.response.body or b"")


def test_a_websocket_bears_its_token_in_a_header_or_as_a_subprotocol(
    serve: Callable[..., Running],
) -> None:
    server = serve(token=TOKEN)
    server.client.headers.update(BEARS)
    scenario_id = server.start()

    live(server, scenario_id, additional_headers=BEARS)
    live(server, scenario_id, additional_headers=BEARS, origin=server.url)
    offered = [Subprotocol("vedette.live"), Subprotocol(f"bearer.{TOKEN}")]
    live(server, scenario_id, subprotocols=offered)


def test_answering_to_every_name_without_a_token_is_refused(server: Running) -> None:
    with pytest.raises(ConfigError):
        make_app(
            store=server.store, bus=server.bus, blobs=server.blobs, seal=server.seal,
            clock=SystemClock(), options=ApiOptions(hosts=("*",)),
        )  # fmt: skip


def test_every_error_is_a_problem(server: Running) -> None:
    for method, path, status in (
        ("GET", "/nowhere", 404),
        ("DELETE", "/api/v1/scenarios", 405),
        ("GET", "/api/v1/scenarios?limit=1001", 422),
        ("GET", "/api/v1/scenarios?state=flying", 422),
        ("GET", "/api/v1/scenarios?cursor=x", 422),
        ("GET", "/prediction/nobody/", 404),
        ("GET", "/api/v1/events?cursor=e30", 422),
    ):
        answer = server.client.request(method, path)

        said = answer.json()
        assert answer.status_code == said["status"] == status, path
        assert answer.headers["content-type"] == "application/problem+json"
        assert said["code"] and said["title"] and said["detail"]


def test_a_store_that_is_away_is_said_and_nothing_is_half_done(server: Running) -> None:
    server.store.close()

    answer = server.client.post("/scenario/", json={"url": "synthetic://street"})

    ready = server.client.get("/readyz")

    for one in (answer, ready):
        assert (one.status_code, one.json()["code"]) == (503, "STORE_UNAVAILABLE")
        assert one.headers["retry-after"] == "1"
    assert server.client.get("/healthz").status_code == 200


def test_a_bus_that_is_away_costs_no_command(server: Running) -> None:
    server.bus.close()

    assert server.show(server.start())["status"] == "init_startup"
