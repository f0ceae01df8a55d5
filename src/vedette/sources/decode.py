"""The decoder: packets in, wished frames out, and no more decoding than those need.

Held packets wait in a ring. A wish feeds them, in order, up to the wished picture; the rest of the
group stays encoded. Where decoding restarts, what is still held was wished by nobody and is thrown
away unseen. So every picture the codec is given has all its references, and what comes out is bit
for bit what a plain full decode gives.
"""

from __future__ import annotations

import heapq
from collections import Counter, deque
from collections.abc import Iterator
from datetime import datetime
from fractions import Fraction
from typing import TypeAlias

import av
from av.error import FFmpegError

from vedette.domain.errors import DecodeFailed, StreamCause
from vedette.domain.frame import Frame
from vedette.domain.packet import Action, Packet, Verdict
from vedette.domain.stream import Position
from vedette.settings import Settings
from vedette.sources.address import redact
from vedette.sources.base import Decoder
from vedette.sources.nal import Syntax
from vedette.sources.pixels import DecodedFrame, Scalers

Payload: TypeAlias = "av.Packet[av.VideoStream]"

# A decoder keeps at most 16 pictures to put them in order (H.264, H.265); more missing than this
# will not come any more.
_REORDERED_MAX = 64
# So many packets and not one picture: the stream cannot be decoded (10 s at 30 pictures a second).
_BARREN_PACKETS_MAX = 300


class PacketDecoder(Decoder):
    """Decodes with FFmpeg, on the calling thread alone.

    Attributes:
        fed: Packets given to the codec so far: what decoding cost.
    """

    def __init__(
        self,
        codec: av.VideoCodecContext,
        syntax: Syntax,
        *,
        name: str,
        live: bool,
        settings: Settings,
        by_order: bool = False,
        resumed_at: Position | None = None,
    ) -> None:
        """Decode for one open stream.

        Args:
            codec: The stream's codec, set up and not yet fed.
            syntax: How its pictures are written.
            name: The source's name, for messages.
            live: Frames are numbered by a counter of looks.
            settings: Limits.
            by_order: The container tells no PTS of its pictures: the n-th picture to come out gets
                the n-th packet's.
            resumed_at: The first packet will be the restart picture of this position.
        """
        self.read = resumed_at.restart_number if resumed_at else 0
        self.fed = 0
        self.skipped: Counter[str] = Counter()
        self._codec = codec
        self._syntax = syntax
        self._name = name
        self._live = live
        self._settings = settings
        self._by_order = by_order
        self._scalers = Scalers()
        self._held: deque[Packet] = deque()
        self._held_bytes = 0
        self._wished: set[int] = set()
        # Shown pictures in presentation order whose fate is open: neither out nor given up.
        self._open: list[int] = []
        self._captured_at: dict[int, datetime | None] = {}
        self._unfed: set[int] = set()
        self._late: set[int] = set()
        self._order: deque[int] = deque()
        self._restarts: deque[int] = deque()
        self._restart: tuple[int, int] | None = None
        self._start_pts: int | None = resumed_at.start_pts if resumed_at else None
        self._next_number = resumed_at.restart_number if resumed_at else 0
        self._looks = 0
        self._pictures = 0
        self._last_error = ""

    def frames(self, packet: Packet, verdict: Verdict) -> Iterator[Frame]:
        while len(self._open) > len(self._held) + _REORDERED_MAX:
            self._settle(heapq.heappop(self._open), came_out=False)
        if packet.lost_before:
            self.read += packet.lost_before
            self.skipped["late"] += packet.lost_before
        if packet.shown:
            self._register(packet, verdict)
        if verdict.wishes is not None:
            self._wished |= verdict.wishes
        if packet.is_flush or (packet.restarts and (self._held or self._by_order)):
            yield from self._feed_held(self._wished_count())
            yield from self._begin_anew(packet)
        if packet.is_flush:
            self._give_up_on_rest()
            return
        self._held.append(packet)
        self._held_bytes += packet.size_bytes
        yield from self._feed_held(self._due_count(verdict))

    def position(self, frame: Frame) -> Position:
        assert isinstance(frame, DecodedFrame)
        pts, number = frame.restart or (None, 0)
        return Position(
            number=frame.number,
            pts=frame.pts,
            start_pts=frame.start_pts,
            restart_pts=pts,
            restart_number=number,
        )

    def close(self) -> None:
        self._held.clear()
        self._open.clear()

    def _register(self, packet: Packet, verdict: Verdict) -> None:
        assert packet.pts is not None
        self.read += 1
        heapq.heappush(self._open, packet.pts)
        self._unfed.add(packet.pts)
        if packet.captured_at is not None:
            self._captured_at[packet.pts] = packet.captured_at
        if packet.restarts:
            self._restarts.append(packet.pts)
        if verdict.wishes is None:
            self._wished.add(packet.pts)
        if verdict.late:
            self._late.add(packet.pts)

    def _due_count(self, verdict: Verdict) -> int:
        """Tell how many of the held packets have to be fed now."""
        if verdict.action is Action.FEED or verdict.wishes is None or self._by_order:
            return len(self._held)
        due = self._wished_count() if verdict.action is Action.LOOK else 0
        left_bytes = self._held_bytes - sum(self._held[i].size_bytes for i in range(due))
        while len(self._held) - due > self._settings.held_packets_max or (
            left_bytes > self._settings.held_bytes_max
        ):
            left_bytes -= self._held[due].size_bytes
            due += 1
        return due

    def _wished_count(self) -> int:
        for index in range(len(self._held) - 1, -1, -1):
            if self._held[index].pts in self._wished:
                return index + 1
        return 0

    def _feed_held(self, count: int) -> Iterator[Frame]:
        # Wishes come in presentation order, so up to the last of them nothing is undecided.
        decided_pts = max(self._wished, default=None)
        for _ in range(count):
            packet = self._held.popleft()
            self._held_bytes -= packet.size_bytes
            if not self._spared(packet, decided_pts):
                yield from self._feed(packet)

    def _spared(self, packet: Packet, decided_pts: int | None) -> bool:
        """Tell whether nobody wants this picture and no other picture refers to it."""
        if self._by_order or not packet.shown or packet.pts in self._wished:
            return False
        if not self._live and (
            decided_pts is None or packet.pts is None or packet.pts > decided_pts
        ):
            return False
        return self._syntax.disposable(memoryview(packet.payload))  # type: ignore[arg-type]

    def _feed(self, packet: Packet) -> Iterator[Frame]:
        assert isinstance(packet.payload, av.Packet)
        self.fed += 1
        if packet.shown and packet.pts is not None:
            self._unfed.discard(packet.pts)
            if self._by_order:
                self._order.append(packet.pts)
        yield from self._decode(packet.payload, packet.time_base)
        if not self._pictures and self.fed >= _BARREN_PACKETS_MAX:
            raise self._barren()

    def _begin_anew(self, packet: Packet) -> Iterator[Frame]:
        """Throw away what is held, take out what the codec still has, and make it forget."""
        self._held.clear()
        self._held_bytes = 0
        if self.fed:
            depth = self._codec.reorder_depth
            yield from self._decode(None, packet.time_base)
            self._codec.flush_buffers()
            # Else a codec that learnt the depth from the pictures would learn it again, at the
            # price of pictures out of order.
            self._codec.reorder_depth = depth
        self._order.clear()

    def _give_up_on_rest(self) -> None:
        while self._open:
            self._settle(heapq.heappop(self._open), came_out=False)
        if not self._pictures and (self.fed or not self.read):
            raise self._barren()

    def _decode(self, payload: Payload | None, time_base: Fraction) -> Iterator[Frame]:
        try:
            pictures = self._codec.decode(payload)
        except FFmpegError as error:  # Its picture will be missing, and is counted then.
            self._last_error = redact(str(error.strerror))
            return
        for picture in pictures:
            self._pictures += 1
            pts = picture.pts
            if self._by_order:
                pts = self._order.popleft() if self._order else None
            if pts is None:
                continue
            frame = self._taken(picture, pts, time_base)
            if frame is not None:
                yield frame

    def _taken(self, picture: av.VideoFrame, pts: int, time_base: Fraction) -> Frame | None:
        """Give the frame of a picture that came out, if it is shown and wished."""
        # It is the codec that orders: once a picture is out, those shown before it are out or lost.
        while self._open and self._open[0] < pts:
            self._settle(heapq.heappop(self._open), came_out=False)
        if not self._open or self._open[0] != pts:
            return None
        heapq.heappop(self._open)
        captured_at = self._captured_at.get(pts)
        number = self._next_number
        if not self._settle(pts, came_out=True):
            return None
        if self._live:
            number = self._looks
        self._looks += 1
        assert self._start_pts is not None
        return DecodedFrame(
            picture,
            self._scalers,
            number=number,
            pts=pts,
            time_base=time_base,
            start_pts=self._start_pts,
            captured_at=captured_at,
            restart=self._restart,
        )

    def _settle(self, pts: int, *, came_out: bool) -> bool:
        """Number the next picture in presentation order and count it if it becomes no frame."""
        if self._start_pts is None:
            self._start_pts = pts
        if self._restarts and self._restarts[0] == pts:
            self._restart = (self._restarts.popleft(), self._next_number)
        self._next_number += 1
        wished = pts in self._wished
        if came_out and wished:
            stage = ""
        elif pts in self._late:
            stage = "late"
        elif came_out or pts in self._unfed:
            stage = "pacing"
        else:
            stage = "undecodable"
        if stage:
            self.skipped[stage] += 1
        if not self._open or self._open[0] != pts:  # Two pictures may bear one PTS.
            self._wished.discard(pts)
            self._unfed.discard(pts)
            self._late.discard(pts)
            self._captured_at.pop(pts, None)
        return not stage

    def _barren(self) -> DecodeFailed:
        why = f" ({self._last_error})" if self._last_error else ""
        return DecodeFailed(
            f"{self._name}: nothing in it can be decoded as a picture{why}",
            cause=StreamCause.DECODE_FAILED,
        )
