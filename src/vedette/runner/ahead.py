"""The schedule of a frame's road: who works ahead of whom, and what happens when one is late.

A finite source never loses a picture: reading and decoding run ahead in one thread, several frames
are in detection at once, results are taken up in frame order, and whoever is ahead waits.

A live source never waits: one thread reads, one decodes, and whoever is free to detect takes the
newest picture; those it was too busy for are counted.

Decoding and inference release the interpreter's lock, so threads of one process use all cores.
"""

from __future__ import annotations

import queue
import threading
from collections import Counter, deque
from collections.abc import Generator, Iterator
from concurrent.futures import Executor, Future
from contextlib import closing, contextmanager
from typing import Generic, TypeVar

from vedette.detectors.base import Detector
from vedette.domain.detection import Detections
from vedette.domain.frame import Frame

T = TypeVar("T")

# How long a wait may last before the stop flag is looked at again.
STOP_LOOK_S = 0.1

# How long closing waits for a thread that reads: longer than a packet takes, shorter than a person
# waits. A thread stuck in a silent socket ends by its own read timeout and holds nothing else up.
JOIN_S = 1.0


class Stop:
    """A flag that many threads look at; once set it stays set.

    One made `within` another is set with it, not the other way round.
    """

    def __init__(self, within: Stop | None = None) -> None:
        self._event = threading.Event()
        self._within = within

    def set(self) -> None:
        """Ask all who look at it to come to an end."""
        self._event.set()

    @property
    def is_set(self) -> bool:
        """True once somebody asked."""
        return self._event.is_set() or (self._within is not None and self._within.is_set)


@contextmanager
def closing_early(items: Iterator[T]) -> Iterator[Iterator[T]]:
    """Close a generator in the thread that runs it, so that its own `finally` runs there."""
    try:
        yield items
    finally:
        if isinstance(items, Generator):
            items.close()


class Ahead(Generic[T]):
    """Runs an iterator in a thread of its own, at most `limit` items ahead of its reader.

    Iterating gives the items and raises what the iterator raised; `close` ends the thread, and so
    does `stop` where one is given: the items then end early.
    """

    def __init__(
        self, items: Iterator[T], *, limit: int, name: str, stop: Stop | None = None
    ) -> None:
        self._items = items
        self._queue: queue.Queue[tuple[str, T | BaseException | None]] = queue.Queue(limit)
        self._stop = Stop(stop)
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def __iter__(self) -> Iterator[T]:
        self._thread.start()
        while not self._stop.is_set:
            try:
                kind, value = self._queue.get(timeout=STOP_LOOK_S)
            except queue.Empty:
                continue
            if kind == "item":
                yield value  # type: ignore[misc]
            elif kind == "error":
                assert isinstance(value, BaseException)
                raise value
            else:
                return

    def close(self) -> None:
        """Ask the thread to end and wait a moment for it."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(JOIN_S)

    def _run(self) -> None:
        try:
            with closing_early(self._items) as items:
                for item in items:
                    if not self._put("item", item):
                        return
            self._put("end", None)
        except BaseException as error:  # noqa: BLE001  (handed to the reader, who raises it)
            self._put("error", error)

    def _put(self, kind: str, value: T | BaseException | None) -> bool:
        while not self._stop.is_set:
            try:
                self._queue.put((kind, value), timeout=STOP_LOOK_S)
            except queue.Full:
                continue
            return True
        return False


def in_order(
    frames: Iterator[Frame],
    detector: Detector,
    *,
    executor: Executor,
    in_flight: int,
    stop: Stop,
) -> Generator[tuple[Frame, Detections]]:
    """Detect in every frame, `in_flight` of them at once, and give results in frame order.

    A detector that keeps state sees its frames one by one, as results are taken up: what it
    remembers is then always that of the frame last given.
    """
    if detector.keeps_state:
        with closing(Ahead(frames, limit=in_flight, name="decode", stop=stop)) as pictures:
            for frame in pictures:
                yield frame, detector.detect([frame])[0]
        return

    room = threading.Semaphore(in_flight)
    left = Stop(stop)

    def submitted() -> Iterator[tuple[Frame, Future[list[Detections]]]]:
        with closing_early(frames):
            for frame in frames:
                while not room.acquire(timeout=STOP_LOOK_S):
                    if left.is_set:
                        return
                yield frame, executor.submit(detector.detect, [frame])

    with closing(Ahead(submitted(), limit=in_flight, name="decode", stop=left)) as ahead:
        try:
            for frame, future in ahead:
                yield frame, future.result()[0]
                room.release()
        finally:
            left.set()  # Before the thread is waited for: it may be waiting for room.


class Newest:
    """Gives a live source's newest picture to whoever is free, and counts those left out.

    Attributes:
        skipped: Pictures nobody was free for, under `busy`.
    """

    def __init__(self) -> None:
        self.skipped: Counter[str] = Counter()
        self._changed = threading.Condition()
        self._waiting: Frame | None = None
        self._ended = False
        self._error: BaseException | None = None

    def detected(
        self,
        frames: Iterator[Frame],
        detector: Detector,
        *,
        executor: Executor,
        in_flight: int,
        stop: Stop,
    ) -> Generator[tuple[Frame, Detections]]:
        """Detect in the newest frame whenever there is room; results in frame order.

        Frames are numbered anew, by looks.
        """
        looks = 0
        left = Stop()
        under_way: deque[tuple[Frame, Future[list[Detections]]]] = deque()
        thread = threading.Thread(
            target=self._take_in, args=(frames, left), name="decode", daemon=True
        )
        thread.start()
        try:
            while not stop.is_set:
                done = self._next_done(under_way, detector, executor, in_flight)
                if done is None:
                    return
                frame, found = done
                if frame is None or found is None:
                    continue
                frame.number = looks
                looks += 1
                yield frame, found
        finally:
            left.set()
            thread.join(JOIN_S)

    def _next_done(
        self,
        under_way: deque[tuple[Frame, Future[list[Detections]]]],
        detector: Detector,
        executor: Executor,
        in_flight: int,
    ) -> tuple[Frame | None, Detections | None] | None:
        """Give the next result, (None, None) if none came in a moment, None at the end."""
        with self._changed:
            room = 1 if detector.keeps_state else in_flight
            if self._waiting is not None and len(under_way) < room:
                frame, self._waiting = self._waiting, None
            elif under_way:
                frame = None
                if not under_way[0][1].done():
                    self._changed.wait(STOP_LOOK_S)
            elif self._ended:
                if self._error is not None:
                    raise self._error
                return None
            else:
                self._changed.wait(STOP_LOOK_S)
                return None, None
        if frame is not None:
            if detector.keeps_state:
                return frame, detector.detect([frame])[0]
            future = executor.submit(detector.detect, [frame])
            future.add_done_callback(self._tell)
            under_way.append((frame, future))
        if under_way and under_way[0][1].done():
            ready, result = under_way.popleft()
            return ready, result.result()[0]
        return None, None

    def _take_in(self, frames: Iterator[Frame], left: Stop) -> None:
        try:
            with closing_early(frames):
                for frame in frames:
                    with self._changed:
                        if self._waiting is not None:
                            self.skipped["busy"] += 1
                        self._waiting = frame
                        self._changed.notify()
                    if left.is_set:
                        break
        except BaseException as error:  # noqa: BLE001  (handed to the reader, who raises it)
            self._error = error
        with self._changed:
            self._ended = True
            self._changed.notify()

    def _tell(self, _: Future[list[Detections]]) -> None:
        with self._changed:
            self._changed.notify()
