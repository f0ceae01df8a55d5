"""A finite source's schedule: whoever would wait, works."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing

import numpy as np
import pytest

from pictures import ArrayFrame
from vedette.detectors.scripted import ScriptedDetector
from vedette.domain.detection import Detections
from vedette.domain.errors import SourceEnded, StreamCause
from vedette.domain.frame import Frame
from vedette.runner.ahead import JOIN_S, Stop
from vedette.runner.crew import SPARE_IN_FLIGHT, Crew, in_order

PICTURE = np.zeros((8, 8, 3), np.uint8)
DEADLINE_S = 240.0


class Watched(ScriptedDetector):
    """The scripted detector, which notes who asks and may be slow for some."""

    def __init__(self, slow: dict[int, float] | None = None, every_s: float = 0.0) -> None:
        super().__init__({}, ("person",))
        self.threads: set[str] = set()
        self.at_once = self.most_at_once = 0
        self._slow = slow or {}
        self._every_s = every_s
        self._lock = threading.Lock()

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        with self._lock:
            self.threads.add(threading.current_thread().name)
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        time.sleep(self._slow.get(frames[0].number, self._every_s))
        with self._lock:
            self.at_once -= 1
        return super().detect(frames)


class Frames:
    """Numbered frames; notes how many were taken, and whether they were closed."""

    def __init__(self, count: int, fails_at: int | None = None) -> None:
        self.taken = 0
        self.closed = False
        self._count = count
        self._fails_at = fails_at

    def __call__(self) -> Iterator[Frame]:
        try:
            for number in range(self._count):
                if number == self._fails_at:
                    raise SourceEnded("the file broke off", cause=StreamCause.SOURCE_ENDED)
                self.taken += 1
                yield ArrayFrame(PICTURE, number=number)
        finally:
            self.closed = True


def take(detected: Iterator[tuple[Frame, Detections]], given: list[int]) -> None:
    for frame, _ in detected:
        given.append(frame.number)


@pytest.fixture
def crew() -> Iterator[Crew]:
    with closing(Crew(3)) as three:
        yield three


def test_results_come_in_frame_order_and_all_of_them(crew: Crew) -> None:
    detector = Watched(slow={3: 0.05, 10: 0.05, 11: 0.02}, every_s=0.001)
    frames = Frames(60)

    given = [frame.number for frame, _ in in_order(frames(), detector, crew=crew, stop=Stop())]

    assert given == list(range(60))
    assert frames.closed


def test_one_source_keeps_the_whole_crew_busy_and_no_more(crew: Crew) -> None:
    detector = Watched(every_s=0.005)

    list(in_order(Frames(60)(), detector, crew=crew, stop=Stop()))

    assert detector.most_at_once == crew.workers


def test_as_many_sources_as_workers_hand_nothing_over(crew: Crew) -> None:
    detector = Watched(every_s=0.002)
    ready = threading.Barrier(crew.workers)

    def run() -> None:
        with crew.joined():  # All are at work before the first one could call a helper.
            ready.wait(DEADLINE_S)
            list(in_order(Frames(30)(), detector, crew=crew, stop=Stop()))
            ready.wait(DEADLINE_S)

    threads = [threading.Thread(target=run, name=f"pipeline {n}") for n in range(crew.workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE_S)

    assert detector.threads == {thread.name for thread in threads}


def test_no_more_is_decoded_than_the_crew_can_take_up(crew: Crew) -> None:
    frames = Frames(100)

    with closing(in_order(frames(), Watched(), crew=crew, stop=Stop())) as detected:
        next(detected)
        time.sleep(0.05)  # Helpers would run on meanwhile.
        assert frames.taken <= 1 + crew.workers + SPARE_IN_FLIGHT


def test_an_error_comes_after_the_results_before_it(crew: Crew) -> None:
    given: list[int] = []

    frames = Frames(20, fails_at=10)()
    with pytest.raises(SourceEnded, match="broke off"):
        take(in_order(frames, Watched(every_s=0.002), crew=crew, stop=Stop()), given)

    assert given == list(range(10))


def test_an_error_of_the_detector_comes_in_its_turn(crew: Crew) -> None:
    class Failing(Watched):
        def detect(self, frames: Sequence[Frame]) -> list[Detections]:
            if frames[0].number == 7:
                raise ValueError("NaN")
            return super().detect(frames)

    given: list[int] = []

    detected = in_order(Frames(20)(), Failing(every_s=0.002), crew=crew, stop=Stop())
    with pytest.raises(ValueError, match="NaN"):
        take(detected, given)

    assert given == list(range(7))


def test_leaving_early_waits_for_nobody_and_closes_the_decoder(crew: Crew) -> None:
    """A limit ends the run while helpers are at work."""
    frames = Frames(100)
    started = time.monotonic()

    with closing(in_order(frames(), Watched(), crew=crew, stop=Stop())) as detected:
        assert next(detected)[0].number == 0

    assert time.monotonic() - started < JOIN_S
    assert frames.closed


def test_a_helper_that_is_stuck_in_a_picture_closes_the_decoder_when_it_is_out() -> None:
    let_go, stuck, closed = threading.Event(), threading.Event(), threading.Event()

    def frames() -> Iterator[Frame]:
        try:
            for number in range(100):
                if number and threading.current_thread().name.startswith("detect"):
                    stuck.set()
                    let_go.wait(DEADLINE_S)
                yield ArrayFrame(PICTURE, number=number)
        finally:
            closed.set()

    class Waiting(Watched):
        def detect(self, frames: Sequence[Frame]) -> list[Detections]:
            if not threading.current_thread().name.startswith("detect"):
                stuck.wait(DEADLINE_S)
            return super().detect(frames)

    with closing(Crew(2)) as crew:
        with closing(in_order(frames(), Waiting(), crew=crew, stop=Stop())) as detected:
            next(detected)
            assert stuck.wait(DEADLINE_S)
        assert not closed.is_set()
        let_go.set()
        assert closed.wait(DEADLINE_S)


def test_a_stop_ends_it_while_a_result_is_waited_for() -> None:
    stop, asked, answer = Stop(), threading.Event(), threading.Event()

    class Silent(Watched):
        def detect(self, frames: Sequence[Frame]) -> list[Detections]:
            if threading.current_thread().name.startswith("detect"):
                asked.set()
                answer.wait(DEADLINE_S)
            elif not asked.wait(DEADLINE_S):
                raise AssertionError("no helper came")
            return super().detect(frames)

    with closing(Crew(2)) as crew:
        given: list[int] = []

        def run() -> None:
            for frame, _ in in_order(Frames(100)(), Silent(), crew=crew, stop=stop):
                given.append(frame.number)

        thread = threading.Thread(target=run)
        thread.start()
        assert asked.wait(DEADLINE_S)
        stop.set()
        thread.join(DEADLINE_S / 2)
        assert not thread.is_alive()
        answer.set()
    assert len(given) < 100
