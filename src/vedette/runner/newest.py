"""The schedule of a live source: one thread reads, one decodes, nobody waits for anybody.

Whoever of the crew is free to detect takes the newest picture; those all were too busy for are
counted.
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future
from datetime import datetime
from functools import partial

from vedette.detectors.base import Detector
from vedette.domain.detection import Detections
from vedette.domain.frame import PTS_S_DIGITS, Frame
from vedette.runner.ahead import JOIN_S, WAIT_S, Stop, closing_early
from vedette.runner.crew import Crew
from vedette.threads import begin


class Newest:
    """Gives a live source's newest picture to whoever is free, and counts those left out.

    Attributes:
        skipped: Pictures nobody was free for, under `busy`.
    """

    def __init__(self) -> None:
        self.skipped: Counter[str] = Counter()
        self._looks = 0
        self._before: tuple[float, datetime] | None = None
        self._ahead_s = 0.0
        self._changed = threading.Condition()
        self._waiting: Frame | None = None
        self._ended = False
        self._error: BaseException | None = None
        self._thread: threading.Thread | None = None

    def detected(
        self,
        frames: Iterator[Frame],
        detector: Detector,
        *,
        crew: Crew,
        stop: Stop,
        begins: Callable[[], None] = lambda: None,
    ) -> Generator[tuple[Frame, Detections]]:
        """Detect in the newest frame whenever there is room; results in frame order.

        Frames are numbered anew, by looks. `begins` is called first of all in every other thread
        that touches them.
        """
        left = Stop()
        under_way: deque[tuple[Frame, Future[list[Detections]]]] = deque()
        self._thread = thread = threading.Thread(
            target=self._take_in, args=(frames, left, begins), name="decode", daemon=True
        )
        begin(thread)
        try:
            with stop.telling(self._wake):
                while not stop.is_set:
                    done = self._next_done(under_way, detector, crew, stop, begins=begins)
                    if done is None:
                        return
                    frame, found = done
                    if frame is None or found is None:
                        continue
                    self._continue(frame)
                    yield frame, found
        finally:
            left.set()
            thread.join(JOIN_S)

    def join(self, timeout_s: float) -> bool:
        """Wait for the thread that decodes; False where it is still there."""
        if self._thread is not None and self._thread.is_alive():
            self._thread.join(timeout_s)
        return self._thread is None or not self._thread.is_alive()

    def go_on_after(self, looks: int, media_s: float | None, captured_at: datetime | None) -> None:
        """Number looks, and count media time, as if the stream had never been left.

        A camera's own time begins anew with every connection; how long nobody watched is known
        from the wall clock alone.
        """
        self._looks = looks
        if media_s is not None and captured_at is not None:
            self._before = (media_s, captured_at)

    def _continue(self, frame: Frame) -> None:
        if self._before is not None and frame.captured_at is not None:
            media_s, captured_at = self._before
            away_s = max((frame.captured_at - captured_at).total_seconds(), 0.0)
            self._ahead_s = media_s + away_s - frame.pts_s
            self._before = None
        frame.number = self._looks
        frame.pts_s = round(frame.pts_s + self._ahead_s, PTS_S_DIGITS)
        self._looks += 1

    def _next_done(
        self,
        under_way: deque[tuple[Frame, Future[list[Detections]]]],
        detector: Detector,
        crew: Crew,
        stop: Stop,
        *,
        begins: Callable[[], None],
    ) -> tuple[Frame | None, Detections | None] | None:
        """Give the next result, (None, None) if something else came up, None at the end."""
        with self._changed:
            if stop.is_set:
                return None, None
            room = 1 if detector.keeps_state else crew.workers
            if self._waiting is not None and len(under_way) < room:
                frame, self._waiting = self._waiting, None
            elif under_way:
                frame = None
                if not under_way[0][1].done():
                    self._changed.wait(WAIT_S)
            elif self._ended:
                error, self._error = self._error, None
                try:
                    if error is not None:
                        raise error
                finally:  # Its traceback and this frame would keep each other, and all we run.
                    del error
                return None
            else:
                self._changed.wait(WAIT_S)
                return None, None
        if frame is not None:
            if detector.keeps_state:
                return frame, detector.detect([frame])[0]
            future = crew.submit(partial(detector.detect, [frame]), begins=begins)
            future.add_done_callback(self._tell)
            under_way.append((frame, future))
        if under_way and under_way[0][1].done():
            ready, result = under_way.popleft()
            return ready, result.result()[0]
        return None, None

    def _take_in(self, frames: Iterator[Frame], left: Stop, begins: Callable[[], None]) -> None:
        try:
            begins()
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
        self._wake()

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify()
