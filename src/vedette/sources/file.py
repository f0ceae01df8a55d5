"""A video file on this machine."""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path
from typing import ClassVar

from av.error import ArgumentError, FFmpegError

from vedette.clock import Clock
from vedette.domain.errors import BadInput, VedetteError
from vedette.settings import Settings
from vedette.sources.address import local_path, without_credentials
from vedette.sources.container import ContainerSource

# How a file begins that people name by mistake.
_BEGINNING_BYTES = 64
_OTHER_KINDS = {
    "a picture": rb"\x89PNG|\xff\xd8\xff|BM.{4}\0{4}|RIFF.{4}WEBP|II\*\0|MM\0\*|.{4}ftypheic",
    "sound": rb"RIFF.{4}WAVE|FORM.{4}AIF|ID3|fLaC|#!AMR|\xff[\xf1-\xf3\xf9-\xfb]",
    "text": rb"(\xef\xbb\xbf)?(?!YUV4MPEG2)[\t\r\n -~]+\Z",
    "an MP4 without its index: its recording was cut off": rb".{4}ftyp",
}


class FileSource(ContainerSource):
    """Reads a file to its end, as fast as it is taken up."""

    protocols: ClassVar[str] = "file"

    def __init__(self, address: str, settings: Settings, clock: Clock | None = None) -> None:
        super().__init__(address, settings, clock)
        self._path = local_path(address) or Path(address)
        # What is meant as the address of a camera may come here for want of a scheme.
        shown = str(self._path)
        mistaken = re.search(r"(?s):.*@", shown) and not os.path.exists(shown)  # noqa: PTH110
        self._shown = without_credentials(shown) if mistaken else shown
        self.name = Path(self._shown).name

    def call(self, name: str) -> None:
        super().call(name)
        self._shown = name

    def _check(self) -> None:
        path = self._path
        try:
            if path.is_dir():
                raise BadInput(f"{self._shown}: is a folder; name a video file in it")
            if not path.exists():
                raise BadInput(f"{self._shown}: no such file")
            if path.is_file() and path.stat().st_size == 0:
                raise BadInput(f"{self._shown}: is empty")
            if not os.access(path, os.R_OK):
                raise BadInput(f"{self._shown}: may not be read by this user")
        except (OSError, ValueError) as error:  # A name too long, or with a zero byte in it.
            why = error.strerror if isinstance(error, OSError) else error
            raise BadInput(f"{self._shown}: cannot be read: {why}") from None

    def _url(self) -> str:
        # The prefix keeps FFmpeg from reading another protocol into the name of a file.
        return f"file:{self._path}"

    def _open_error(self, error: FFmpegError, waited_s: float) -> VedetteError:  # noqa: ARG002
        with self._path.open("rb") as file:
            beginning = file.read(_BEGINNING_BYTES)
        why = error.strerror
        if isinstance(error, ArgumentError):  # What FFmpeg says of formats that are not allowed.
            why = "in a format that Vedette does not read"
        elif error.errno == errno.EBUSY:  # What it says of raw pictures whose size it refuses.
            why = f"its pictures are larger than {self._settings.frame_pixels_max} pixels"
        for kind, begins in _OTHER_KINDS.items():
            if re.match(begins, beginning, re.DOTALL):
                why = f"it is {kind}"
                break
        return BadInput(f"{self._shown}: is no video that can be read ({why})")
