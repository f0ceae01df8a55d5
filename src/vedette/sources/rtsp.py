"""A camera that speaks RTSP (RFC 2326), plain or over TLS."""

from __future__ import annotations

from typing import ClassVar

from vedette.sources.network import NetworkSource


class RTSPSource(NetworkSource):
    """Reads a camera's video over one TCP connection: firewalls let it pass, nothing is lost."""

    protocols: ClassVar[str] = "rtp,srtp,tcp,tls,udp"
    formats: ClassVar[str] = "rtsp"
    format: ClassVar[str | None] = "rtsp"

    def _options(self) -> dict[str, str]:
        return {
            **super()._options(),
            "rtsp_transport": "tcp",
            "allowed_media_types": "video",
        }
