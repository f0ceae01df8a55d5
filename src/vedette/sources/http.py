"""A video file, or an endless stream, behind HTTP."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import ClassVar

import av
from av.container import InputContainer

from vedette.domain.stream import StreamFacts
from vedette.sources.container import VIDEO_FORMATS
from vedette.sources.network import NetworkSource

# FFmpeg stamps 25 pictures a second, whatever comes, on pictures that bear no time.
_TIMELESS = "mpjpeg"
_TICKS_PER_S = 90_000


class HTTPSource(NetworkSource):
    """Reads a file with a known length as a file, and anything else as a live stream."""

    surely_live: ClassVar[bool] = False
    protocols: ClassVar[str] = "http,https,tcp,tls,crypto"
    formats: ClassVar[str] = f"{VIDEO_FORMATS},mpjpeg,hls"

    def _is_live(self, container: InputContainer) -> bool:
        # A server that cannot give parts tells a length in bytes at least; that of a playlist is
        # not that of the stream.
        of_known_size = container.size > 0 and container.format.name != "hls"
        return container.duration is None and not of_known_size

    def _options(self) -> dict[str, str]:
        # A file is probed with care: its index may stand at the end.
        return {}

    def _tick(self, container: InputContainer) -> Fraction | None:
        self._began_mono_s = self._clock.monotonic_s()
        self._last_pts = -1
        self._by_arrival = container.format.name == _TIMELESS
        return Fraction(1, _TICKS_PER_S) if self._by_arrival else None

    def _facts(self) -> StreamFacts:
        facts = super()._facts()
        return replace(facts, frame_rate=None) if self._by_arrival else facts

    def _time(self, payload: av.Packet[av.stream.Stream]) -> None:
        if self._by_arrival:
            passed_s = self._clock.monotonic_s() - self._began_mono_s
            self._last_pts = max(round(passed_s * _TICKS_PER_S), self._last_pts + 1)
            payload.pts = payload.dts = self._last_pts
            payload.time_base = self._time_base
