"""The command line's side of the API: asks a Vedette that runs, and says what its errors mean."""

from __future__ import annotations

import ipaddress
import json
import os
import re
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO, Self, cast
from urllib.parse import urlsplit, urlunsplit

import typer

from vedette.domain.errors import (
    BadInput,
    ConfigError,
    Conflict,
    EngineError,
    Forbidden,
    NotFound,
    TooLarge,
    TransitionRefused,
    VedetteError,
)

if TYPE_CHECKING:
    import httpx

DEFAULT_SERVER = "http://127.0.0.1:8470"
SERVER_VARIABLE = "VEDETTE_SERVER"
# A token on the command line would stand in the list of processes.
TOKEN_VARIABLE = "VEDETTE_TOKEN"  # noqa: S105  (a name, no token)
SCENARIOS = "/api/v1/scenarios"

CONNECT_TIMEOUT_S = 5.0
# A server that shares its cores with pipelines answers late; one that says nothing is not well.
ANSWER_TIMEOUT_S = 30.0
# After the last byte of an upload its disk may still have to take up what it buffered.
UPLOAD_ANSWER_TIMEOUT_S = 600.0
LIVE_MESSAGE_BYTES_MAX = 16 * 2**20
# Anything else would name another path.
_ID = re.compile(r"[0-9A-Za-z_-]{1,100}")

ServerOption = Annotated[
    str,
    typer.Option(
        "--server", envvar=SERVER_VARIABLE, help="Address of the Vedette to ask.", metavar="URL"
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead.")]
Told = Callable[[int], None]
"""Is told how many bytes are through so far."""


class ServerUnreachable(EngineError):
    """No answer; waiting may help."""

    retry = True


class ServerTrouble(EngineError):
    """It answered that it is not well."""


class ServerBusy(ServerTrouble):
    """Likewise, and says that waiting may help."""

    retry = True


_CLASSES: Mapping[str, type[VedetteError]] = {
    "NOT_FOUND": NotFound,
    "CONFLICT": Conflict,
    "TRANSITION_REFUSED": TransitionRefused,
    "FORBIDDEN": Forbidden,
    "TOO_LARGE": TooLarge,
}


class Server:
    """One running Vedette; a context manager, for one thread."""

    def __init__(self, address: str = DEFAULT_SERVER, *, token: str | None = None) -> None:
        """Name it; nothing is asked yet.

        Args:
            address: `http://` or `https://`, host and port.
            token: What it asks callers to show; None takes what `VEDETTE_TOKEN` holds.

        Raises:
            BadInput: that is no address.
        """
        import httpx

        from vedette.sources.address import without_credentials

        self.address = _checked(address)
        self.shown = without_credentials(self.address)
        self._token = os.environ.get(TOKEN_VARIABLE, "") if token is None else token
        bears = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        self._client = httpx.Client(
            base_url=self.address,
            headers=bears,
            timeout=httpx.Timeout(ANSWER_TIMEOUT_S, connect=CONNECT_TIMEOUT_S),
            # No proxy leads back to this machine.
            trust_env=not self._is_local,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def get(self, path: str, **query: str | int | None) -> dict[str, Any]:
        """Ask for something.

        Raises:
            ServerUnreachable: no answer.
            UsageError, ConfigError, ServerTrouble: as the server says.
        """
        chosen = {key: value for key, value in query.items() if value is not None}
        with self._translated():
            return _read(self._client.get(path, params=chosen), self.shown)

    def post(
        self, path: str, body: Mapping[str, Any] | None = None, *, key: str | None = None
    ) -> dict[str, Any]:
        """Ask for a change; errors as `get`.

        It is asked once more where the connection broke: with the same idempotency key nothing is
        done twice.
        """
        import httpx

        bears = {"Idempotency-Key": key or str(uuid.uuid4())}
        with self._translated():
            try:
                answer = self._client.post(path, json=body, headers=bears)
            except (httpx.ReadError, httpx.RemoteProtocolError):
                answer = self._client.post(path, json=body, headers=bears)
            return _read(answer, self.shown)

    def upload(
        self,
        path: str,
        file: Path,
        fields: Mapping[str, str],
        *,
        key: str | None = None,
        told: Told = lambda _: None,
    ) -> dict[str, Any]:
        """Send a video with a form's fields, piece by piece; errors as `get`.

        Raises:
            BadInput: the file cannot be read.
        """
        import httpx

        bears = {"Idempotency-Key": key or str(uuid.uuid4())}
        timeout = httpx.Timeout(UPLOAD_ANSWER_TIMEOUT_S, connect=CONNECT_TIMEOUT_S)
        try:
            content = file.open("rb")
        except OSError as error:
            raise BadInput(f"{file}: {error.strerror}") from error
        with content, self._translated(), _reading(file):
            read = cast("BinaryIO", _Counted(content, told))
            video = (file.name, read, "application/octet-stream")
            answer = self._client.post(
                path, data=dict(fields), files={"video": video}, headers=bears, timeout=timeout
            )
            return _read(answer, self.shown)

    def pages(self, path: str, name: str, **query: str | int | None) -> Iterator[dict[str, Any]]:
        """Give every entry of a list that comes in pages; errors as `get`."""
        cursor: str | None = None
        while True:
            page = self.get(path, cursor=cursor, **query)
            yield from page[name]
            cursor = page["next_cursor"]
            if cursor is None:
                return

    @contextmanager
    def download(self, path: str, **query: str | int | None) -> Iterator[Iterator[bytes]]:
        """Give the bytes of an answer as they come; errors as `get`, also midway."""
        chosen = {key: value for key, value in query.items() if value is not None}
        with self._translated(), self._client.stream("GET", path, params=chosen) as answer:
            if not answer.is_success:
                answer.read()
                raise _error(answer.status_code, answer.content, self.shown)
            yield answer.iter_bytes()

    @contextmanager
    def live(self, path: str) -> Iterator[Iterator[dict[str, Any]]]:
        """Give what a websocket tells, until the server has no more; errors as `get`."""
        from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
        from websockets.sync.client import connect
        from websockets.typing import Subprotocol

        parts = urlsplit(self.address)
        scheme = "wss" if parts.scheme == "https" else "ws"
        url = urlunsplit((scheme, parts.netloc, parts.path.rstrip("/") + path, "", ""))
        bears = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        try:
            with connect(
                url,
                additional_headers=bears,
                subprotocols=[Subprotocol("vedette.live")],
                open_timeout=CONNECT_TIMEOUT_S,
                max_size=LIVE_MESSAGE_BYTES_MAX,
                proxy=None if self._is_local else True,
            ) as connection:
                yield (json.loads(text) for text in connection)
        except InvalidStatus as error:
            said = error.response
            raise _error(said.status_code, bytes(said.body or b""), self.shown) from error
        except ConnectionClosed as error:
            raise ServerUnreachable(f"{self.shown}: the connection broke off") from error
        except (InvalidHandshake, OSError, TimeoutError) as error:
            raise self._unreachable() from error

    @property
    def _is_local(self) -> bool:
        host = urlsplit(self.address).hostname or ""
        try:
            return ipaddress.ip_address(host).is_loopback
        except ValueError:
            return host == "localhost"

    def _unreachable(self) -> ServerUnreachable:
        return ServerUnreachable(
            f"no Vedette answers at {self.shown}; start one with `vedette up`, or name another "
            "with --server"
        )

    @contextmanager
    def _translated(self) -> Iterator[None]:
        import httpx

        try:
            yield
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise self._unreachable() from error
        except httpx.TimeoutException as error:
            raise ServerUnreachable(f"{self.shown}: no answer in time; try again") from error
        except (httpx.TransportError, httpx.StreamError) as error:
            raise ServerUnreachable(f"{self.shown}: the connection broke off; try again") from error


def scenario_path(scenario_id: str, *more: str) -> str:
    """Give the path of a scenario.

    Raises:
        NotFound: what somebody typed for its id can be none.
    """
    if not _ID.fullmatch(scenario_id):
        raise NotFound(f"scenario '{scenario_id[:100]}': there is none of that id")
    return "/".join([SCENARIOS, scenario_id, *more])


class _Counted:
    """A file that tells how much of it was read."""

    def __init__(self, content: BinaryIO, told: Told) -> None:
        self._content = content
        self._told = told

    def read(self, size: int = -1) -> bytes:
        piece = self._content.read(size)
        self._told(self._content.tell())
        return piece

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._content.seek(offset, whence)

    def tell(self) -> int:
        return self._content.tell()

    def fileno(self) -> int:
        return self._content.fileno()


@contextmanager
def _reading(file: Path) -> Iterator[None]:
    """Say whose fault it is when a file cannot be read on; the network's errors are of httpx."""
    try:
        yield
    except OSError as error:
        raise BadInput(f"{file}: {error.strerror or error}") from error


def _checked(address: str) -> str:
    wrong = BadInput("--server: write http://HOST:PORT or https://HOST, such as " + DEFAULT_SERVER)
    try:
        parts = urlsplit(address)
        has_host = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError as error:
        raise wrong from error
    if parts.scheme not in {"http", "https"} or not has_host or not address.isprintable():
        raise wrong
    return address.rstrip("/")


def _read(answer: httpx.Response, shown: str) -> dict[str, Any]:
    if not answer.is_success:
        raise _error(answer.status_code, answer.content, shown)
    try:
        said = answer.json()
    except ValueError:
        said = None
    if not isinstance(said, dict):
        raise _stranger(shown)
    return said


def _error(status: int, body: bytes, shown: str) -> VedetteError:
    """Give the error that a problem of the API stands for."""
    try:
        said = json.loads(body)
        code, detail = str(said["code"]), str(said["detail"])
    except (ValueError, KeyError, TypeError):
        return _stranger(shown)
    if code == "TOKEN_REQUIRED":
        return ConfigError(
            f"{shown} asks for its token; put the one that was shown at its first start into the "
            f"variable {TOKEN_VARIABLE}"
        )
    if code in _CLASSES:
        return _CLASSES[code](detail)
    if status < 500:
        return BadInput(detail)
    kind = ServerBusy if status == 503 else ServerTrouble
    return kind(f"{shown}: {detail}")


def _stranger(shown: str) -> VedetteError:
    return BadInput(
        f"{shown}: what answers there is no Vedette of this version; name another with --server"
    )
