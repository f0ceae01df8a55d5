"""A video file on this machine."""

from __future__ import annotations

import os
from pathlib import Path
from typing import ClassVar
from urllib.parse import unquote, urlsplit

from av.error import ArgumentError, FFmpegError

from vedette.clock import Clock
from vedette.domain.errors import BadInput, VedetteError
from vedette.settings import Settings
from vedette.sources.address import scheme_of
from vedette.sources.container import ContainerSource


class FileSource(ContainerSource):
    """Reads a file to its end, as fast as it is taken up."""

    protocols: ClassVar[str] = "file"

    def __init__(self, address: str, settings: Settings, clock: Clock | None = None) -> None:
        super().__init__(address, settings, clock)
        is_url = scheme_of(address) == "file"
        self._path = Path(unquote(urlsplit(address).path) if is_url else address).expanduser()
        self.name = self._path.name

    def _check(self) -> None:
        path = self._path
        try:
            if path.is_dir():
                raise BadInput(f"{path}: is a folder; name a video file in it")
            if not path.exists():
                raise BadInput(f"{path}: no such file")
            if path.is_file() and path.stat().st_size == 0:
                raise BadInput(f"{path}: is empty")
            if not os.access(path, os.R_OK):
                raise BadInput(f"{path}: may not be read by this user")
        except (OSError, ValueError) as error:  # A name too long, or with a zero byte in it.
            raise BadInput(f"{path}: cannot be read: {error}") from error

    def _url(self) -> str:
        # The prefix keeps FFmpeg from reading another protocol into the name of a file.
        return f"file:{self._path}"

    def _open_error(self, error: FFmpegError, waited_s: float) -> VedetteError:  # noqa: ARG002
        with self._path.open("rb") as file:
            begins_as_mp4 = file.read(8)[4:] == b"ftyp"
        why = error.strerror
        if begins_as_mp4:
            why = "an MP4 without its index: its recording was cut off"
        elif isinstance(error, ArgumentError):  # FFmpeg's word for a header it will not believe.
            why = (
                "its header is damaged, or tells of pictures larger than "
                f"{self._settings.frame_pixels_max} pixels"
            )
        return BadInput(f"{self._path}: is no video that can be read ({why})")
