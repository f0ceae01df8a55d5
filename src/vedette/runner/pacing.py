"""Which pictures are looked at: a verdict for every packet, before anything is decoded."""

from __future__ import annotations

import heapq
from abc import ABC, abstractmethod
from collections import deque
from fractions import Fraction

from vedette.clock import Clock
from vedette.domain.packet import (
    FEED,
    FEED_LATE,
    HOLD,
    HOLD_LATE,
    LOOK_AT_ALL,
    Action,
    Packet,
    Verdict,
)
from vedette.domain.stream import Position

# Share of the tolerated lag from which pictures are only decoded: decoding is several times
# cheaper than a look, so this alone catches up before anything has to be left out undecoded.
_LAG_LOOK_SHARE = 0.25


# The first restart only shows where we joined; a second one that more will come.
_RESTARTS_TRUSTED = 2

# A picture is decoded at most 16 pictures out of its order (H.264, H.265).
_SLOTS_KEPT = 16


class Pacer(ABC):
    """Judges the packets of one source, in the order they come."""

    @abstractmethod
    def judge(self, packet: Packet) -> Verdict:
        """Say what to do with `packet`, and which pictures so far are wished."""


class FinitePacer(Pacer):
    """Chooses by PTS alone: never by load, clock or how the packets are cut.

    The k-th wish is the first picture, in presentation order, at or after `start + k / fps`; a
    picture is looked at once, however many wishes fall on it.
    """

    def __init__(self, fps: Fraction | None, resume_at: Position | None = None) -> None:
        """Pace at `fps` looks per second of media time; None: every picture.

        Args:
            fps: Looks per second; exact.
            resume_at: Where the run was taken up to: pictures up to there are not looked at again,
                and the later ones are those that an undisturbed run would choose.
        """
        assert fps is None or fps > 0
        self._fps = fps
        self._start_pts: int | None = resume_at.start_pts if resume_at else None
        self._looked_pts: int | None = resume_at.pts if resume_at else None
        # Pictures of which it is not yet certain that none is shown before them.
        self._open: list[int] = []

    def judge(self, packet: Packet) -> Verdict:
        if self._fps is None and self._looked_pts is None:
            return LOOK_AT_ALL
        wishes: set[int] = set()
        if packet.is_flush or packet.restarts:
            wishes.update(self._resolve(None, packet.time_base))
        if packet.shown and packet.pts is not None:
            heapq.heappush(self._open, packet.pts)
        if packet.dts is not None:
            wishes.update(self._resolve(packet.dts, packet.time_base))
        return Verdict(Action.LOOK, frozenset(wishes)) if wishes else HOLD

    def _resolve(self, until_pts: int | None, time_base: Fraction) -> list[int]:
        """Decide over the pictures up to `until_pts`: nothing to come is shown before them."""
        wishes = []
        while self._open and (until_pts is None or self._open[0] <= until_pts):
            pts = heapq.heappop(self._open)
            if self._start_pts is None:
                self._start_pts = pts
            if self._due(pts, time_base):
                self._looked_pts = pts
                wishes.append(pts)
        return wishes

    def _due(self, pts: int, time_base: Fraction) -> bool:
        if self._looked_pts is None:
            return True
        if self._fps is None:
            return pts > self._looked_pts
        return self._slot(pts, self._fps * time_base) > self._slot(
            self._looked_pts, self._fps * time_base
        )

    def _slot(self, pts: int, slots_per_tick: Fraction) -> int:
        assert self._start_pts is not None
        ticks = pts - self._start_pts
        return ticks * slots_per_tick.numerator // slots_per_tick.denominator


class LivePacer(Pacer):
    """Looks at as many pictures as fit and never falls behind.

    Every picture on the grid of `fps` is looked at while we keep up; when a packet has waited too
    long it is only decoded, and when it is later than `lag_max_s` everything is left out up to the
    next restart.
    """

    def __init__(self, fps: Fraction | None, clock: Clock, *, lag_max_s: float) -> None:
        assert fps is None or fps > 0
        self._fps = fps
        self._clock = clock
        self._lag_max_s = lag_max_s
        # More than one: reordered pictures come out of step with their time.
        self._slots: deque[int] = deque(maxlen=_SLOTS_KEPT)
        self._leaving_out = False
        self._restarts = 0

    def judge(self, packet: Packet) -> Verdict:
        lag_s = self._lag_s(packet)
        self._restarts += packet.restarts
        if lag_s > self._lag_max_s:
            # A stream that never restarts would be left out for ever.
            self._leaving_out = self._restarts >= _RESTARTS_TRUSTED
        elif packet.restarts:
            self._leaving_out = False
        if self._leaving_out:
            return HOLD_LATE
        if not packet.shown or packet.pts is None or not self._due(packet.pts, packet.time_base):
            return FEED
        if lag_s > self._lag_max_s * _LAG_LOOK_SHARE:
            return FEED_LATE
        if self._fps is not None:
            self._slots.append(packet.pts * packet.time_base * self._fps // 1)
        return Verdict(Action.LOOK, frozenset({packet.pts}))

    def _lag_s(self, packet: Packet) -> float:
        if packet.arrived_mono_s is None:
            return 0.0
        return self._clock.monotonic_s() - packet.arrived_mono_s

    def _due(self, pts: int, time_base: Fraction) -> bool:
        return self._fps is None or pts * time_base * self._fps // 1 not in self._slots
