"""A camera of this machine, through Video4Linux."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from av.error import FFmpegError

from vedette.domain.errors import BadInput, SourceUnreachable, StreamCause, VedetteError
from vedette.sources.container import ContainerSource


class WebcamSource(ContainerSource):
    """Reads `/dev/video0` and the like at the camera's own pace."""

    protocols: ClassVar[str] = "file"
    formats: ClassVar[str] = "video4linux2"
    format: ClassVar[str | None] = "v4l2"
    live_by_nature: ClassVar[bool] = True
    surely_live: ClassVar[bool] = True

    def _check(self) -> None:
        if not Path(self._address).exists():
            raise BadInput(f"{self._address}: no such camera; plugged in?")

    def _open_error(self, error: FFmpegError, waited_s: float) -> VedetteError:  # noqa: ARG002
        if isinstance(error, PermissionError):
            return BadInput(f"{self._address}: not allowed; be in the group `video`")
        return SourceUnreachable(
            f"{self._address}: {error.strerror}; does another program use it?",
            cause=StreamCause.CONNECTION_FAILED,
        )
