"""A video file, or an endless stream, behind HTTP."""

from __future__ import annotations

from typing import ClassVar

from av.container import InputContainer

from vedette.sources.container import VIDEO_FORMATS
from vedette.sources.network import NetworkSource


class HTTPSource(NetworkSource):
    """Reads a file with a known length as a file, and anything else as a live stream."""

    protocols: ClassVar[str] = "http,https,tcp,tls,crypto"
    formats: ClassVar[str] = f"{VIDEO_FORMATS},mpjpeg,hls"

    def _is_live(self, container: InputContainer) -> bool:
        return container.duration is None

    def _options(self) -> dict[str, str]:
        # A file is probed with care: its index may stand at the end.
        return {}
