"""The schedule of a finite source: whoever would wait, works.

A pipeline's own thread takes a picture through decoding, scaling and detection by itself, and takes
up the results in frame order. As long as the process has idle cores, helpers do the same for
further pictures of it. So with as many sources as cores nothing is handed from thread to thread,
and one source alone still uses all cores. (A thread for each stage costs a tenth more: every frame
is handed over three times, and comes out of another core's cache.)
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import TypeVar

from vedette.detectors.base import Detector
from vedette.domain.detection import Detections
from vedette.domain.frame import Frame
from vedette.runner.ahead import JOIN_S, STOP_LOOK_S, Ahead, Stop, close

R = TypeVar("R")

# Pictures of one source that may be decoded and not yet taken up, beyond one per worker.
SPARE_IN_FLIGHT = 2


class Crew:
    """Threads for detection, shared by all pipelines of a process.

    Attributes:
        workers: How many of them should be busy at once: one per core.
    """

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="detect")
        self._lock = threading.Lock()
        self._busy = 0
        self._waiting = 0

    @property
    def has_room(self) -> bool:
        """True while fewer threads are at work than there should be."""
        return self._busy < self.workers

    @property
    def is_wanted(self) -> bool:
        """True while work waits for a thread, or more threads are at work than there should be."""
        return self._waiting > 0 or self._busy > self.workers

    def submit(self, work: Callable[[], R], *, begins: Callable[[], None]) -> Future[R]:
        """Have one of the threads do it, in the order of asking.

        `begins` is called before it, in that thread: they work for all sources in turn, and where
        native code crashes it must be known for which.
        """

        def counted() -> R:
            self._count(waiting=-1)
            try:
                begins()
                return work()
            finally:
                self._count(busy=-1)

        self._count(busy=1, waiting=1)
        try:
            return self._threads.submit(counted)
        except BaseException:
            self._count(busy=-1, waiting=-1)
            raise

    @contextmanager
    def joined(self) -> Iterator[None]:
        """Count the calling thread among those at work."""
        self._count(busy=1)
        try:
            yield
        finally:
            self._count(busy=-1)

    def close(self) -> None:
        """End the threads after the work in hand."""
        self._threads.shutdown(wait=True)

    def _count(self, *, busy: int = 0, waiting: int = 0) -> None:
        with self._lock:
            self._busy += busy
            self._waiting += waiting


def in_order(
    frames: Iterator[Frame],
    detector: Detector,
    *,
    crew: Crew,
    stop: Stop,
    begins: Callable[[], None] = lambda: None,
) -> Generator[tuple[Frame, Detections]]:
    """Detect in every frame and give results in frame order; ends early when `stop` is set.

    `frames` is advanced by one thread at a time, not always the same. A detector that keeps state
    sees its frames one by one, as results are taken up: what it remembers is then always that of
    the frame last given. `begins` is called first of all in every other thread that touches them.
    """
    if not detector.keeps_state:
        yield from _Shared(frames, detector, crew, stop, begins).detected()
        return
    # Decoding is all that can be done ahead.
    limit = crew.workers + SPARE_IN_FLIGHT
    with closing(Ahead(frames, limit=limit, name="decode", stop=stop, begins=begins)) as pictures:
        for frame in pictures:
            yield frame, detector.detect([frame])[0]


class _Shared:
    """One source's frames, on which the pipeline's thread and its helpers work together."""

    def __init__(
        self,
        frames: Iterator[Frame],
        detector: Detector,
        crew: Crew,
        stop: Stop,
        begins: Callable[[], None],
    ) -> None:
        self._begins = begins
        self._frames = frames
        self._detector = detector
        self._crew = crew
        self._stop = stop
        self._left = Stop(stop)
        self._decoding = threading.Lock()
        # Below, all is changed under this lock; turns count frames as they come from the decoder.
        self._change = threading.Condition()
        self._results: dict[int, tuple[Frame, Detections] | BaseException] = {}
        self._taken_in = 0
        self._given_out = 0
        self._ended = False
        self._helpers = 0
        self._deserted = False

    def detected(self) -> Generator[tuple[Frame, Detections]]:
        with self._crew.joined():
            try:
                while not self._stop.is_set:
                    result = self._results.pop(self._given_out, None)
                    if isinstance(result, BaseException):
                        raise result
                    if result is not None:
                        self._given_out += 1
                        yield result
                    elif self._has_room:
                        self._call_helpers()
                        self._work_once()
                    elif self._ended and self._given_out == self._taken_in:
                        return
                    else:
                        self._wait()
            finally:
                self._leave()

    @property
    def _has_room(self) -> bool:
        in_flight_max = self._crew.workers + SPARE_IN_FLIGHT
        return not self._ended and self._taken_in - self._given_out < in_flight_max

    def _call_helpers(self) -> None:
        with self._change:
            while self._helpers < self._crew.workers - 1 and self._crew.has_room:
                self._helpers += 1
                self._crew.submit(self._help, begins=self._begins)

    def _help(self) -> None:
        while self._has_room and not self._left.is_set:
            self._work_once()
            if self._crew.is_wanted:
                break
        with self._change:
            self._helpers -= 1
            self._change.notify()
            last_out = self._deserted and not self._helpers
        if last_out:
            close(self._frames)

    def _work_once(self) -> None:
        """Take the next picture in and detect in it."""
        if not self._decoding.acquire(timeout=STOP_LOOK_S):
            return  # Somebody is long about a picture; look at the stop flag again.
        try:
            if self._left.is_set or not self._has_room:
                return
            turn = self._taken_in
            taken = self._next_frame()
            if taken is None:
                return
            self._taken_in += 1
        finally:
            self._decoding.release()
        result = self._looked_at(taken) if isinstance(taken, Frame) else taken
        with self._change:
            self._results[turn] = result
            self._change.notify()

    def _next_frame(self) -> Frame | BaseException | None:
        try:
            return next(self._frames)
        except StopIteration:
            self._ended = True
            return None
        except BaseException as error:  # noqa: BLE001  (raised where its turn comes)
            self._ended = True
            return error

    def _looked_at(self, frame: Frame) -> tuple[Frame, Detections] | BaseException:
        try:
            return frame, self._detector.detect([frame])[0]
        except BaseException as error:  # noqa: BLE001  (raised where its turn comes)
            return error

    def _wait(self) -> None:
        """Wait for the helper who has the next result, or for a stop."""
        with self._change:
            if self._given_out not in self._results:
                self._change.wait(STOP_LOOK_S)

    def _leave(self) -> None:
        self._left.set()
        with self._change:
            self._change.wait_for(lambda: not self._helpers, JOIN_S)
            self._deserted = bool(self._helpers)
        if not self._deserted:  # Else a helper is stuck in a picture, and closes when it is out.
            close(self._frames)
