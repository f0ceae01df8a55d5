"""Many sinks as one: quick ones are written at once, slow ones from a thread of their own."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from enum import Enum, auto
from pathlib import Path

from vedette.domain.errors import SinkError, SinkUnavailable
from vedette.domain.frame import Frame
from vedette.domain.scene import Scene
from vedette.domain.stream import StreamFacts
from vedette.sinks.base import Sink
from vedette.telemetry import Repeats

log = logging.getLogger(__name__)

# Waits are told of every change; this only bounds what a lost telling could cost.
WAIT_S = 1.0
# How often a wait looks whether somebody wants to stop, or whether anything goes on.
LOOK_S = 0.1
# Who stops a run waits so long for a reader that stands still; what it has not read is lost.
READER_S = 1.0
# A sink that writes one last frame and removes its file needs no longer.
DISCARD_S = 10.0


class Fanout(Sink):
    """Hands every frame to all sinks, in their order.

    A finite source waits for a slow sink whose queue is full. A live source never waits: the
    oldest frame of the queue is dropped and counted in `dropped`. What goes wrong in a thread is
    raised by the next `write` or `finish`. A sink that failed is discarded; the others go on, and
    can be finished. Somebody who wants to stop is kept waiting by no full queue and no reader.
    """

    name = "outputs"

    def __init__(
        self,
        sinks: Sequence[Sink],
        *,
        queue_frames_max: int,
        finish_s: float = 300.0,
        stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        """Gather sinks.

        Args:
            sinks: Each is opened, and finished or discarded, by this one.
            queue_frames_max: Frames waiting for each slow sink.
            finish_s: How long a slow sink that finishes may go without writing anything; one that
                does write gets the time it needs. (The kernel may take so long to sync.)
            stopping: Says whether somebody wants to stop; asked often, from the caller's thread.
        """
        self.target = ", ".join(sink.target for sink in sinks)
        self._sinks = tuple(sinks)
        self._queue_frames_max = queue_frames_max
        self._finish_s = finish_s
        self._stopping = stopping
        self._lanes: list[_Direct | _Queue] = []

    @property
    def dropped(self) -> Counter[str]:
        """Frames that a live source left out of a slow sink, by the sink's target."""
        return Counter({lane.sink.target: lane.dropped for lane in self._lanes if lane.dropped})

    def open(self, facts: StreamFacts) -> None:
        """Open all sinks; if one refuses, those already open are discarded."""
        try:
            for sink in self._sinks:
                sink.open(facts)
        except BaseException:
            # Those not opened have nothing to discard, and say nothing to it.
            for sink in reversed(self._sinks):
                sink.discard()
            raise
        self._lanes = [
            _Queue(
                sink,
                live=facts.live,
                queue_frames_max=self._queue_frames_max,
                finish_s=self._finish_s,
                stopping=self._stopping,
            )
            if sink.slow
            else _Direct(sink)
            for sink in self._sinks
        ]

    def write(self, frame: Frame, scene: Scene) -> None:
        """Hand on one frame.

        Raises:
            SinkError: a sink failed, now or in its thread; the other sinks have the frame.
        """
        failures = [lane.write(frame, scene) for lane in self._lanes]
        _raise_first(failures)

    def finish(self) -> None:
        """Finish every sink that has not failed, even if another does.

        Raises:
            SinkError: the first failure that no `write` has raised.
        """
        # First all are told to end, then all are waited for: they end side by side.
        failures = [lane.end() for lane in self._lanes]
        failures += [lane.join() for lane in self._lanes]
        _raise_first(failures)

    def discard(self) -> None:
        for lane in self._lanes:
            lane.abandon()


def _raise_first(failures: Sequence[BaseException | None]) -> None:
    for failure in failures:
        if failure is not None:
            raise failure


class _Direct:
    """A quick sink: written to by the caller. Failures are given back, each once."""

    dropped = 0

    def __init__(self, sink: Sink) -> None:
        self.sink = sink
        self._over = False

    def write(self, frame: Frame, scene: Scene) -> SinkError | None:
        if self._over:
            return None
        try:
            self.sink.write(frame, scene)
        except SinkError as error:
            self.abandon()
            return error
        return None

    def end(self) -> SinkError | None:
        if self._over:
            return None
        self._over = True
        try:
            self.sink.finish()
        except SinkError as error:
            self.sink.discard()
            return error
        return None

    def join(self) -> SinkError | None:
        return None

    def abandon(self) -> None:
        if not self._over:
            self._over = True
            self.sink.discard()


class _Wish(Enum):
    """What a queue's thread shall do when nothing is left to write."""

    GO_ON = auto()
    FINISH = auto()
    DISCARD = auto()


class _Queue:
    """A slow sink: a bounded queue, and a thread that writes, finishes and discards."""

    def __init__(
        self,
        sink: Sink,
        *,
        live: bool,
        queue_frames_max: int,
        finish_s: float,
        stopping: Callable[[], bool],
    ) -> None:
        self.sink = sink
        self.dropped = 0
        self._live = live
        self._queue_frames_max = queue_frames_max
        self._finish_s = finish_s
        self._stopping = stopping
        self._frames: deque[tuple[Frame, Scene]] = deque()
        self._wish = _Wish.GO_ON
        self._failure: BaseException | None = None
        self._failed = False
        self._change = threading.Condition()
        self._repeats = Repeats(log, f"frames dropped by {sink.name} {sink.target}")
        # A daemon: a place that never answers must not keep the program from ending.
        self._thread = threading.Thread(target=self._run, name=f"sink {sink.name}", daemon=True)
        self._thread.start()

    def write(self, frame: Frame, scene: Scene) -> BaseException | None:
        with self._change:
            if not self._live:
                while self._is_full() and not self._failed and not self._stopping():
                    self._change.wait(LOOK_S)
            if self._failed or self._wish is not _Wish.GO_ON:
                return self._take_failure()
            # Who stops hands on what is in hand; room for that is in a finite source's queue.
            if self._is_full(1 if self._live else 2):
                self._frames.popleft()
                self.dropped += 1
                self._repeats.add(f"frame {frame.number}")
            self._frames.append((frame, scene))
            self._change.notify_all()
            return None

    def end(self) -> BaseException | None:
        self._wish_for(_Wish.FINISH)
        return None

    def join(self) -> BaseException | None:
        """Wait for the end while it comes nearer, or while a reader may still read."""
        progress, since_mono_s = self._progress(), time.monotonic()
        while self._is_alive_after(LOOK_S):
            before, progress = progress, self._progress()
            if self.sink.awaits_reader:
                # Until somebody stops the run the reader has all the time that the sink gives it.
                bound_s, waits = READER_S, self._stopping()
            else:
                bound_s, waits = self._finish_s, progress == before
            if not waits:
                since_mono_s = time.monotonic()
            elif time.monotonic() - since_mono_s > bound_s:
                return self._give_up()
        with self._change:
            return self._take_failure()

    def abandon(self) -> None:
        self._wish_for(_Wish.DISCARD)
        self.sink.let_go()
        self._thread.join(DISCARD_S)

    def _give_up(self) -> SinkUnavailable | None:
        if self.sink.awaits_reader:
            message = "stopped while nobody read it target=%s frames_unread=%d"
            log.warning(message, self.sink.target, len(self._frames) + 1)
            self.abandon()
            return None
        return SinkUnavailable(
            f"{self.sink.target}: the {self.sink.name} could not be finished in time; "
            "is its place slow or gone?"
        )

    def _is_alive_after(self, wait_s: float) -> bool:
        self._thread.join(wait_s)
        return self._thread.is_alive()

    def _progress(self) -> tuple[int, str]:
        """Give what changes while the thread writes: frames left, and the kernel's count of bytes.

        The file itself is not asked: where its place hangs, so would the question.
        """
        written = ""
        with contextlib.suppress(OSError):  # Not every system counts; frames are a sign too.
            written = Path(f"/proc/self/task/{self._thread.native_id}/io").read_text()
        return len(self._frames), written

    def _is_full(self, times: int = 1) -> bool:
        return len(self._frames) >= times * self._queue_frames_max

    def _wish_for(self, wish: _Wish) -> None:
        with self._change:
            self._wish = wish
            self._change.notify_all()

    def _take_failure(self) -> BaseException | None:
        failure, self._failure = self._failure, None
        return failure

    def _run(self) -> None:
        try:
            while (item := self._next()) is not None:
                self.sink.write(*item)
                del item  # A frame holds a picture; none is kept while waiting for the next.
            if self._wish is _Wish.FINISH:
                self.sink.finish()
            else:
                self.sink.discard()
        except BaseException as error:  # noqa: BLE001  # Whatever it is, the caller raises it.
            self.sink.discard()
            with self._change:
                self._failure, self._failed = error, True
                self._frames.clear()
                self._change.notify_all()

    def _next(self) -> tuple[Frame, Scene] | None:
        """Give the next frame; None when it is time to end."""
        with self._change:
            while not self._frames and self._wish is _Wish.GO_ON:
                self._change.wait(WAIT_S)
            if self._wish is _Wish.DISCARD:
                self._frames.clear()
            item = self._frames.popleft() if self._frames else None
            self._change.notify_all()
            return item
