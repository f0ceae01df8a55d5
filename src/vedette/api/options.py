"""What may be chosen of the API; every default and limit, with its unit."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from vedette.sources.policy import SCHEMES


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
