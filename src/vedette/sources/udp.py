"""MPEG-TS sent to a UDP port of this machine, or to a multicast group."""

from __future__ import annotations

from typing import ClassVar

from vedette.sources.network import NetworkSource


class UDPSource(NetworkSource):
    """Listens for MPEG-TS; whoever sends decides when."""

    protocols: ClassVar[str] = "udp"
    formats: ClassVar[str] = "mpegts"
    format: ClassVar[str | None] = "mpegts"

    def _options(self) -> dict[str, str]:
        # A burst larger than the buffer costs pictures, not the stream.
        return {**super()._options(), "overrun_nonfatal": "1", "buffer_size": "4194304"}
