"""Registering a scenario with a running Vedette: what is asked, and the upload of local files."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

from vedette.cli.server_client import SCENARIOS, Server, Told
from vedette.domain.errors import BadInput, NotFound
from vedette.domain.tiles import Tiles


@dataclass(frozen=True, slots=True, kw_only=True)
class StartRequest:
    """A scenario somebody wants.

    Attributes:
        source: File or address.
        detector: As the server knows it.
        classes: Labels to keep; None keeps all.
        confidence: From which a detection counts; None takes the detector's own.
        fps: Looks per second; None looks at all.
        tiles: Overlapping parts of each picture that are looked at besides the whole.
        scene: Text of a scene file; None has no zones and no lines.
        recorded_at: When a recording began, with its time zone.
    """

    source: str
    detector: str = "auto"
    classes: tuple[str, ...] | None = None
    confidence: float | None = None
    fps: Fraction | None = None
    tiles: Tiles | None = None
    scene: str | None = None
    recorded_at: datetime | None = None

    @property
    def file(self) -> Path | None:
        """The local file that is to be uploaded; None where an address is passed on.

        Raises:
            NotFound: there is no such file.
            BadInput: it is none that can be uploaded.
        """
        from vedette.sources.address import local_path

        path = local_path(self.source)
        if path is None:
            return None
        try:
            if path.is_file():
                return path
            there = path.exists()
        except OSError as error:
            raise BadInput(f"{path}: {error.strerror}") from error
        if there:
            raise BadInput(
                f"{path}: is no file that can be uploaded; name a video file or an address "
                f"(a webcam: vedette run {path})"
            )
        raise NotFound(f"{path}: no such file")

    def asked(self) -> dict[str, Any]:
        """Give what is not left to the server, apart from the source, as the API's body has it."""
        return {
            "detector": self.detector,
            **({} if self.classes is None else {"classes": list(self.classes)}),
            **({} if self.confidence is None else {"confidence": self.confidence}),
            **({} if self.fps is None else {"fps": float(self.fps)}),
            **({} if self.tiles is None else {"tiles": str(self.tiles)}),
            **({} if self.scene is None else {"scene": self.scene}),
            **({} if self.recorded_at is None else {"recorded_at": self.recorded_at.isoformat()}),
        }


def register(
    server: Server, request: StartRequest, *, key: str | None = None, quiet: bool = False
) -> dict[str, Any]:
    """Have a scenario made and started; give what the server answered.

    Args:
        server: Whom to ask.
        request: What for.
        key: Idempotency key; None makes one.
        quiet: Show no bar while a file is uploaded.

    Raises:
        UsageError, ConfigError, EngineError: as the server says.
    """
    file = request.file
    asked = request.asked()
    if file is None:
        return server.post(SCENARIOS, {"url": request.source, **asked}, key=key)
    fields = {name: _as_text(value) for name, value in asked.items()}
    with _bar(file, quiet=quiet) as told:
        return server.upload(SCENARIOS, file, fields, key=key, told=told)


def read_scene_text(path: Path | None) -> str | None:
    """Give the text of a scene file, having seen that it is one; None for no file.

    Raises:
        BadInput: it is missing or wrong; says which line.
    """
    if path is None:
        return None
    from vedette.wiring import read_scene

    read_scene(path)
    return path.read_text(encoding="utf-8")


def parse_moment(text: str | None, *, option: str) -> datetime | None:
    """Read a moment with its time zone.

    Args:
        text: As a person writes it; None gives None.
        option: Where they wrote it, for the message.

    Raises:
        BadInput: it is none, or has no zone.
    """
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise BadInput(
            f"{option} {text}: write date, time and zone, such as 2026-03-01T12:00:00+01:00"
        )
    return moment


def _as_text(value: Any) -> str:
    return ",".join(value) if isinstance(value, list) else str(value)


@contextmanager
def _bar(file: Path, *, quiet: bool) -> Iterator[Told]:
    """Show a bar on standard error where a person watches."""
    if quiet or not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    columns = (
        TextColumn("uploading {task.description}", markup=False), BarColumn(), DownloadColumn(),
        TransferSpeedColumn(), TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(file.name, total=file.stat().st_size)
        yield lambda sent: progress.update(task, completed=sent)
