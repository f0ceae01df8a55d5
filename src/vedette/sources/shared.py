"""One camera, opened once, watched by many.

The first who opens a live source opens the real one; whoever comes later joins it:

    camera ──▶ Line (one thread: opens, reads, stamps) ──▶ queue of each reader ──▶ its own decoder

Cameras allow few sessions, and every further one costs the camera and the network. A reader that
joins late begins with the next key picture, as a connection of its own would; one that is too slow
loses pictures up to the next key picture, counted, and holds nobody else up.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Hashable, Iterator
from dataclasses import replace
from typing import TypeVar, cast

from vedette.domain.errors import NoRoom, Stopped
from vedette.domain.packet import Packet
from vedette.domain.stream import Position, StreamFacts
from vedette.sources.base import Decoder, Source
from vedette.sources.decode import Payload
from vedette.sources.timeline import KEYLESS_PACKETS_MAX
from vedette.threads import begin

E = TypeVar("E", bound=BaseException)

# Scenarios on a camera try again together. Who comes so soon after another's try failed hears of
# that failure, and does not try once more; shorter than any pause between tries.
_SAME_FAILURE_S = 0.4
# Whoever is told of changes looks again after so long all the same.
_WAIT_S = 10.0


class Switchboard:
    """Gives sources; those of one live camera share its one connection."""

    def __init__(self, make: Callable[[str], Source], *, ahead_max: int) -> None:
        """Begin with nothing open.

        Args:
            make: Makes the source of an address, not opened.
            ahead_max: Packets that wait for a slow reader at most.
        """
        self._make = make
        self._ahead_max = ahead_max
        self._lock = threading.Lock()
        self._lines: dict[Hashable, Line] = {}

    def source(
        self, key: Hashable, address: str, *, begins: Callable[[], None] = lambda: None
    ) -> Source:
        """Make a source, not opened.

        What is not surely live before it is opened (a file, whatever HTTP gives) is not shared:
        everybody reads it at a pace of their own.

        Args:
            key: Sources of one key are one camera.
            address: Its address.
            begins: Called first of all in the thread that opens and reads the camera.

        Raises:
            BadInput: no such kind of source.
        """
        source = self._make(address)
        if not source.surely_live:
            return source
        return SharedSource(self, key, source, begins, self._ahead_max)

    def join(
        self, key: Hashable, reader: SharedSource, source: Source, begins: Callable[[], None]
    ) -> Line:
        """Add a reader to the line of `key`; begin one with `source` where there is none."""
        with self._lock:
            self._forget_old_failures()
            before = self._lines.get(key)
            if before is not None and (before.failed_mono_s is not None or before.add(reader)):
                return before
            line = self._lines[key] = Line(
                source, begins, before, lambda line: self.forget(key, line)
            )
            line.add(reader)
        line.start()
        return line

    def forget(self, key: Hashable, line: Line) -> None:
        """Let go of a line that is over; one that could not be opened is kept for a moment."""
        with self._lock:
            if self._lines.get(key) is line and line.failed_mono_s is None:
                del self._lines[key]

    def _forget_old_failures(self) -> None:
        old_mono_s = time.monotonic() - _SAME_FAILURE_S
        for key, line in list(self._lines.items()):
            if line.failed_mono_s is not None and line.failed_mono_s < old_mono_s:
                del self._lines[key]

    @property
    def open_count(self) -> int:
        """How many cameras are open, or being opened or closed."""
        with self._lock:
            return sum(line.failed_mono_s is None for line in self._lines.values())


class Line:
    """The one connection to a camera, in a thread of its own."""

    def __init__(
        self,
        source: Source,
        begins: Callable[[], None],
        before: Line | None,
        over: Callable[[Line], None],
    ) -> None:
        """Plan it.

        Args:
            source: Not opened yet; the line's own from now on.
            begins: Called first of all in its thread.
            before: The line to the same camera that is ending; waited for, for a camera may allow
                but one.
            over: Called last of all in its thread.
        """
        self._source = source
        self._begins = begins
        self._before = before
        self._over = over
        self._changed = threading.Condition()
        self._readers: list[SharedSource] = []
        self._facts: StreamFacts | None = None
        self._error: BaseException | None = None
        self._is_ending = False
        # When it failed to open; None where it did not.
        self.failed_mono_s: float | None = None
        self._thread = threading.Thread(target=self._run, name="line", daemon=True)

    def start(self) -> None:
        """Begin to open; where there is no thread for it, that is the failure all readers hear."""
        try:
            begin(self._thread)
        except NoRoom as error:
            self._end(error)

    def add(self, reader: SharedSource) -> bool:
        """Have a reader get all packets from now on; False where the line is ending."""
        with self._changed:
            if self._is_ending:
                return False
            self._readers.append(reader)
            return True

    def leave(self, reader: SharedSource) -> None:
        """Give a reader nothing more; with the last one the line ends."""
        with self._changed:
            if reader in self._readers:
                self._readers.remove(reader)
            last = not self._readers and not self._is_ending
            self._is_ending = self._is_ending or last
            self._changed.notify_all()
        if last:
            self._source.close()

    def opened(self, is_closed: Callable[[], bool]) -> StreamFacts:
        """Wait until the camera is open, and give what it says of itself; or raise what it met."""
        with self._changed:
            while self._facts is None and self._error is None and not is_closed():
                self._changed.wait(_WAIT_S)
            if is_closed():
                raise Stopped(f"{self._source.name}: closed before it was open")
            if self._facts is not None:
                return self._facts
            assert self._error is not None
            raise alike(self._error)

    def decoder(self) -> Decoder:
        """Give a decoder of its own to a reader."""
        return self._source.decoder()

    def wait_if_ending(self) -> None:
        """Where the line is ending, wait until nothing of the camera is touched any more."""
        with self._changed:
            is_ending = self._is_ending
        if is_ending and self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        error: BaseException | None = None
        try:
            self._begins()
            if self._before is not None:
                self._before.wait_if_ending()
                self._before = None
            facts = self._source.open()
            with self._changed:
                self._facts = facts
                self._changed.notify_all()
            for packet in self._source.packets():
                with self._changed:
                    readers = list(self._readers)
                for reader in readers:
                    reader.put(packet)
        except BaseException as met:  # noqa: BLE001  (handed to the readers, who raise one alike)
            error = met
        self._source.close()
        self._end(error)

    def _end(self, error: BaseException | None) -> None:
        try:
            with self._changed:
                self._is_ending = True
                self._error = None if error is None else alike(error)
                if error is not None and self._facts is None and self._readers:
                    self.failed_mono_s = time.monotonic()
                readers = list(self._readers)
                self._changed.notify_all()
            for reader in readers:
                reader.end(self._error)
        finally:
            del error  # Its traceback and this frame would keep each other.
            self._over(self)


class SharedSource(Source):
    """One reader's share of a camera; for a pipeline it is a source like any other."""

    def __init__(
        self,
        board: Switchboard,
        key: Hashable,
        source: Source,
        begins: Callable[[], None],
        ahead_max: int,
    ) -> None:
        """Make one, not opened.

        Args:
            board: Where the camera is found, or opened.
            key: Which camera.
            source: Of the same address; opened where nobody has opened it yet.
            begins: See `Switchboard.source`.
            ahead_max: Packets that wait for this reader at most.
        """
        self.name = source.name
        self.live = True
        # The line's thread reads; whoever waits here is woken by `close`.
        self.waits = False
        self._board = board
        self._key = key
        self._own = source
        self._begins = begins
        self._ahead_max = ahead_max
        self._line: Line | None = None
        self._changed = threading.Condition()
        self._ready: deque[Packet] = deque()
        self._error: BaseException | None = None
        self._is_over = False
        self._is_closed = False
        # Since it joined, or lost pictures, nothing has come yet that decoding can begin with.
        self._is_waiting = True
        self._passed = 0
        self._floor_pts: int | None = None
        # Pictures since the last packet taken that this reader should have had.
        self._lost = 0
        self._has_begun = False

    def open(self, resume_at: Position | None = None) -> StreamFacts:  # noqa: ARG002
        if self._is_closed:
            raise Stopped(f"{self.name}: closed before it was open")
        self._line = line = self._board.join(self._key, self, self._own, self._begins)
        try:
            return line.opened(lambda: self._is_closed)
        except BaseException:
            line.leave(self)
            line.wait_if_ending()
            raise

    def packets(self) -> Iterator[Packet]:
        assert self._line is not None, "open first"
        try:
            while (packet := self._take()) is not None:
                yield packet
            if self._error is not None and not self._is_closed:
                raise alike(self._error)
        finally:
            self._line.leave(self)
            self._line.wait_if_ending()

    def decoder(self) -> Decoder:
        assert self._line is not None, "open first"
        return self._line.decoder()

    def close(self) -> None:
        with self._changed:
            self._is_closed = True
            self._ready.clear()
            self._changed.notify_all()
        if self._line is not None:
            self._line.leave(self)  # Which wakes whoever waits for the opening, too.

    def put(self, packet: Packet) -> None:
        """Take in the camera's next packet; called in the line's thread, never waits."""
        with self._changed:
            if self._is_closed:
                return
            if self._is_waiting and not self._can_begin(packet):
                self._lost += self._has_begun and packet.shown
                return
            if len(self._ready) >= self._ahead_max:
                self._is_waiting = True
                self._passed = 0
                self._lost += packet.shown
                return
            self._ready.append(self._mine(packet))
            self._has_begun = True
            self._changed.notify()

    def end(self, error: BaseException | None) -> None:
        """Hear that no more packets come, and why; called in the line's thread."""
        with self._changed:
            self._is_over = True
            self._error = error
            self._changed.notify()

    def _can_begin(self, packet: Packet) -> bool:
        self._passed += 1
        is_key = packet.restarts or cast("Payload", packet.payload).is_keyframe
        if not is_key and self._passed <= KEYLESS_PACKETS_MAX:
            return False
        self._is_waiting = False
        # What is shown before that picture refers to pictures this reader does not have.
        self._floor_pts = packet.pts if is_key else None
        return True

    def _mine(self, packet: Packet) -> Packet:
        floor = self._floor_pts
        too_early = floor is not None and packet.pts is not None and packet.pts < floor
        if not self._lost and not (too_early and packet.shown):
            return packet
        lost, self._lost = self._lost, 0
        return replace(packet, shown=packet.shown and not too_early, lost_before=lost)

    def _take(self) -> Packet | None:
        with self._changed:
            while not self._is_closed:
                if self._ready:
                    return self._ready.popleft()
                if self._is_over:
                    return None
                self._changed.wait(_WAIT_S)
        return None


def alike(error: E) -> E:
    """Give an error like another, without its traceback: one cannot be raised in many threads."""
    copied = type(error).__new__(type(error), *error.args)
    copied.__dict__.update(error.__dict__)
    return copied
