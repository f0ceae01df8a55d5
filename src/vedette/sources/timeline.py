"""Times of a stream's packets, mended: they only grow, and where there were none there are some."""

from __future__ import annotations

from fractions import Fraction

from vedette.sources.decode import Payload

# So many without a key picture (10 s at 30 a second): perhaps the stream has none; try.
KEYLESS_PACKETS_MAX = 300
# A decoding time that goes back by more than this is a break in the recording, not a rounding.
_BREAK_S = 1


class Timeline:
    """What has been seen of a stream's times, packet by packet in decoding order.

    Attributes:
        by_order: The container tells no PTS; the n-th picture shown gets the n-th packet's DTS.
        delivered: Packets stamped so far.
        broken: The recording's clock began anew; times are no longer the container's own.
    """

    def __init__(self, time_base: Fraction, rate: Fraction | None) -> None:
        self.by_order = False
        self.delivered = 0
        self._time_base = time_base
        self._rate = rate or Fraction(25)  # What FFmpeg takes for pictures without any time.
        self._shift = 0
        self._last_dts: int | None = None
        self._begun = False
        self._floor_pts: int | None = None

    @property
    def broken(self) -> bool:
        return self._shift != 0

    def stamp(self, payload: Payload) -> bool:
        """Mend the times of the next packet; false as long as there is nothing to decode.

        What stands before the first key picture refers to pictures that nobody has.
        """
        if self.by_order:
            if payload.dts is None:
                payload.dts = round(self.delivered / self._rate / self._time_base)
            payload.pts = payload.dts
        self._mend_break(payload)
        self.delivered += 1
        if not self._begun:
            self._begun = payload.is_keyframe or self.delivered > KEYLESS_PACKETS_MAX
            self._floor_pts = payload.pts if payload.is_keyframe else None
        return self._begun

    def shown(self, payload: Payload) -> bool:
        """Tell whether a picture is shown: not cut by an edit list, nor from before the first."""
        if payload.pts is None or payload.is_discard:
            return False
        return self._floor_pts is None or payload.pts >= self._floor_pts

    def _mend_break(self, payload: Payload) -> None:
        if payload.dts is None:
            if payload.pts is not None:
                payload.pts += self._shift
            return
        back = 0 if self._last_dts is None else self._last_dts - payload.dts - self._shift
        if back > 0 and back * self._time_base > _BREAK_S:
            self._shift += back + max(payload.duration or 0, 1)
        if payload.pts is not None:
            payload.pts += self._shift
        payload.dts += self._shift
        self._last_dts = payload.dts
