"""What may be chosen of the API; every default and limit, with its unit."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from vedette.domain.errors import ConfigError
from vedette.sources.policy import SCHEMES

EVERY_NAME = "*"
_HOST = re.compile(r"[a-z0-9._-]+", re.ASCII)
_NO_NAME = frozenset("/?#@")
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:[0-9]{1,5})?", re.ASCII)
# Browsers leave these out.
_OWN_PORTS = ("http", ":80"), ("https", ":443")


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiOptions:
    """How the doors stand, and how much goes through them.

    Attributes:
        token: What callers have to show; None asks for nothing, and is for loopback alone.
        hosts: Names beside those of loopback under which the API is called; `*` is any, and wants
            a token, for then any web page may name it.
        origins: Origins of web pages, such as `https://board.example`, that may change things,
            beside those that the API itself served.
        folders: Video files and models below these may be named by callers.
        schemes: Addresses of these may be opened.
        upload_bytes_max: Size of an uploaded video; more is refused.
        upload_silence_s: An upload that sends nothing for this long is cut off.
        uploads_max: Uploads written at once; further ones wait.
        body_bytes_max: Size of every other body.
        live_readers_max: Websockets open at once; further ones are refused.
        live_period_s: How often live views look where nothing wakes them.
        live_patience_s: A reader that takes nothing for this long is closed.
        task_lease_s: How long a worker has a task where it names no time.
    """

    token: str | None = None
    hosts: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    folders: tuple[Path, ...] = ()
    schemes: Collection[str] = SCHEMES
    upload_bytes_max: int = 4 << 30
    upload_silence_s: float = 30.0
    uploads_max: int = 16
    body_bytes_max: int = 1 << 20
    live_readers_max: int = 256
    live_period_s: float = 1.0
    live_patience_s: float = 60.0
    task_lease_s: float = 60.0


def parse_hosts(text: str) -> tuple[str, ...]:
    """Read names under which the API is called, parted by commas; a port is left out.

    Raises:
        ConfigError: one of them is none that a caller can send.
    """
    return tuple(_host(text, one.strip()) for one in text.lower().split(",") if one.strip())


def parse_origins(text: str) -> tuple[str, ...]:
    """Read origins of web pages, parted by commas.

    Raises:
        ConfigError: one of them is none that a browser sends.
    """
    return tuple(_origin(text, one.strip()) for one in text.lower().split(",") if one.strip())


def host_name(host: str) -> str:
    """Give the name out of `name:port`, in small letters; empty where there is none."""
    try:
        return (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return ""


def _host(text: str, one: str) -> str:
    if one == EVERY_NAME:
        return one
    try:
        return str(ipaddress.ip_address(one))  # Version 6 without its brackets, too.
    except ValueError:
        name = host_name(one)
    if not _NO_NAME.isdisjoint(one) or not (_HOST.fullmatch(name) or ":" in name):
        raise ConfigError(
            f"hosts={text!r}: '{one}' is no name of a server; write such as vedette.example, "
            "parted by commas"
        )
    return name


def _origin(text: str, one: str) -> str:
    origin = one.removesuffix("/")
    if not _ORIGIN.fullmatch(origin):
        raise ConfigError(
            f"origins={text!r}: '{one}' is no origin of web pages; write such as "
            "https://board.example, parted by commas"
        )
    for scheme, port in _OWN_PORTS:
        if origin.startswith(f"{scheme}://"):
            origin = origin.removesuffix(port)
    return origin
