"""The doors to the outside: who may call, under which name, from which page, with how much.

A web page that somebody here looks at may call this machine too. It cannot choose the `Host` and
`Origin` that its browser sends, so those tell it apart from a caller of ours.
"""

from __future__ import annotations

import hmac
import ipaddress
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from vedette.api import problems
from vedette.api.options import EVERY_NAME, ApiOptions, host_name
from vedette.domain.errors import BadInput, Forbidden, TooLarge, VedetteError

# Probes of a cluster call by address and bear no token; these tell nothing but "here".
OPEN_PATHS = frozenset({"/healthz", "/readyz"})
# Here alone a video may be uploaded; it is counted while it is stored.
UPLOAD_PATHS = frozenset({"/scenario/", "/scenario", "/api/v1/scenarios"})
SUBPROTOCOL = "vedette.live"
BEARER_SUBPROTOCOL = "bearer."
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
_REFUSED = 4403


class Doors:
    """ASGI middleware: lets through who may, and no more bytes than may."""

    def __init__(self, app: ASGIApp, options: ApiOptions) -> None:
        self._app = app
        self._options = options
        self._origins = frozenset(one.rstrip("/").lower() for one in options.origins)
        self._hosts = frozenset(one.lower() for one in options.hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        try:
            if scope["path"] not in OPEN_PATHS:
                self._check(scope)
            if scope["type"] == "http":
                receive = self._bounded(scope, receive)
        except VedetteError as error:
            await _refuse(scope, receive, send, problems.problem_of(error))
            return
        await self._app(scope, receive, send)

    def _check(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if not self._knows(host):
            raise Forbidden(
                f"the name '{host[:100]}' is none of this server's; to call it so, name it in "
                "the setting 'hosts' (VEDETTE_HOSTS)"
            )
        origin = headers.get("origin")
        changes = scope["type"] == "websocket" or scope["method"] not in _SAFE_METHODS
        if origin is not None and changes and not self._may_come_from(origin, host):
            raise Forbidden(
                f"pages of '{origin[:100]}' may not call this server; to let them, name it in the "
                "setting 'origins' (VEDETTE_ORIGINS)"
            )
        self._check_token(scope, headers)

    def _knows(self, host: str) -> bool:
        name = host_name(host)
        return EVERY_NAME in self._hosts or name in self._hosts or _is_loopback(name)

    def _may_come_from(self, origin: str, host: str) -> bool:
        place = origin.rstrip("/").lower()
        return place in self._origins or place in {
            f"http://{host}".lower(),
            f"https://{host}".lower(),
        }

    def _check_token(self, scope: Scope, headers: Headers) -> None:
        query = scope.get("query_string", b"").decode("latin-1")
        if any(
            key.lower() == "access_token" for key, _ in parse_qsl(query, keep_blank_values=True)
        ):
            raise BadInput("a token in an address ends up in logs; send it as a header")
        if self._options.token is None:
            return
        kind, _, shown = headers.get("authorization", "").partition(" ")
        if kind.lower() != "bearer":
            shown = _offered(scope)
        if not hmac.compare_digest(shown.strip().encode(), self._options.token.encode()):
            raise problems.TokenRequired(
                "show the token that was made at first start: Authorization: Bearer …"
            )

    def _bounded(self, scope: Scope, receive: Receive) -> Receive:
        """Give a `receive` that ends where the body grows too large."""
        headers = Headers(scope=scope)
        most = self._options.body_bytes_max
        if scope["path"] in UPLOAD_PATHS and _is_upload(headers):
            # The video and what is around it; what is stored is counted to the byte.
            most += self._options.upload_bytes_max
        promised = headers.get("content-length", "")
        too_large = TooLarge(f"a body has at most {most} bytes")
        if promised.isdecimal() and int(promised) > most:
            raise too_large
        got = 0

        async def receive_bounded() -> Message:
            nonlocal got
            message = await receive()
            if message["type"] == "http.request":
                got += len(message.get("body", b""))
                if got > most:
                    raise HTTPException(413, str(too_large))
            return message

        return receive_bounded


def _is_loopback(name: str) -> bool:
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"


def _is_upload(headers: Headers) -> bool:
    return headers.get("content-type", "").lower().startswith("multipart/form-data")


def _offered(scope: Scope) -> str:
    """Give the token that a browser's websocket bears: it can set no header but this."""
    for offered in scope.get("subprotocols", ()):
        if offered.startswith(BEARER_SUBPROTOCOL):
            return str(offered.removeprefix(BEARER_SUBPROTOCOL))
    return ""


async def _refuse(scope: Scope, receive: Receive, send: Send, said: Mapping[str, Any]) -> None:
    if scope["type"] == "http":
        await problems.answer(said)(scope, receive, send)
        return
    await receive()  # The opening handshake.
    if "websocket.http.response" in scope.get("extensions", {}):
        response = problems.answer(said)
        headers = [
            (re.sub(rb"[^a-z-]", b"", key.lower()), value) for key, value in response.raw_headers
        ]
        start = {
            "type": "websocket.http.response.start",
            "status": said["status"],
            "headers": headers,
        }
        await send(start)
        await send({"type": "websocket.http.response.body", "body": response.body})
    else:
        await send({"type": "websocket.close", "code": _REFUSED, "reason": said["code"]})
