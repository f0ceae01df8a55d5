"""A live source's schedule: the newest picture for whoever is free."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing

import numpy as np
import pytest

from pictures import ArrayFrame
from vedette.detectors.scripted import ScriptedDetector
from vedette.domain.detection import Detections
from vedette.domain.errors import SourceUnreachable, StreamCause
from vedette.domain.frame import Frame
from vedette.runner.ahead import Stop
from vedette.runner.crew import Crew, in_order
from vedette.runner.newest import Newest

PICTURE = np.zeros((8, 8, 3), np.uint8)
PATIENCE_S = 240.0


class Held(ScriptedDetector):
    """The scripted detector, which answers when it is let."""

    def __init__(self) -> None:
        super().__init__({}, ("person",))
        self.asked = threading.Semaphore(0)
        self.may_answer = threading.Semaphore(0)

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        self.asked.release()
        assert self.may_answer.acquire(timeout=PATIENCE_S)
        return super().detect(frames)


def test_pictures_nobody_is_free_for_are_left_out_and_counted() -> None:
    detector, newest = Held(), Newest()
    all_in = threading.Event()

    def frames() -> Iterator[Frame]:
        yield ArrayFrame(PICTURE, number=100)
        assert detector.asked.acquire(timeout=PATIENCE_S)  # The first is under way.
        for number in range(101, 110):
            yield ArrayFrame(PICTURE, number=number)
        all_in.set()

    taken = []
    with closing(Crew(1)) as crew:
        detected = newest.detected(frames(), detector, crew=crew, stop=Stop())
        with closing(detected):
            waiter = threading.Thread(
                target=lambda: (all_in.wait(PATIENCE_S), detector.may_answer.release(10))
            )
            waiter.start()
            taken = [(frame.number, frame.pts) for frame, _ in detected]
            waiter.join()

    first, last = ArrayFrame(PICTURE, number=100).pts, ArrayFrame(PICTURE, number=109).pts
    assert taken == [(0, first), (1, last)]  # Numbered by looks; the newest of those waiting.
    assert newest.skipped == {"busy": 8}


def test_an_error_comes_after_the_pictures_before_it() -> None:
    def frames() -> Iterator[Frame]:
        yield ArrayFrame(PICTURE, number=0)
        raise SourceUnreachable("the camera fell silent", cause=StreamCause.STALLED)

    with closing(Crew(1)) as crew:
        detected = Newest().detected(
            frames(), ScriptedDetector({}, ("person",)), crew=crew, stop=Stop()
        )
        assert next(detected)[0].number == 0
        with pytest.raises(SourceUnreachable, match="fell silent"):
            next(detected)


def test_stopping_ends_it_though_no_picture_comes() -> None:
    stop, silent = Stop(), threading.Event()

    def frames() -> Iterator[Frame]:
        silent.wait(PATIENCE_S)
        yield ArrayFrame(PICTURE, number=0)

    with closing(Crew(1)) as crew:
        detected = Newest().detected(
            frames(), ScriptedDetector({}, ("person",)), crew=crew, stop=stop
        )
        threading.Timer(0.2, stop.set).start()
        assert list(detected) == []
    silent.set()


class Asking(ScriptedDetector):
    """The scripted detector, which notes for whom the thread that detects said it works."""

    def __init__(self, words: dict[int, str]) -> None:
        super().__init__({}, ("person",))
        self.heard: list[str | None] = []
        self._words = words

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        self.heard.append(self._words.get(threading.get_ident()))
        return super().detect(frames)


def test_the_thread_that_detects_has_said_for_which_source() -> None:
    # Given threads that work for a finite source and for two live ones in turn
    words: dict[int, str] = {}

    def beginning(name: str) -> Callable[[], None]:
        return lambda: words.update({threading.get_ident(): name})

    def frames() -> Iterator[Frame]:
        for number in range(5):
            yield ArrayFrame(PICTURE, number=number)

    names = ("a file", "one camera", "another camera")
    detectors = {name: Asking(words) for name in names}
    with closing(Crew(2)) as crew:
        for name in names * 3:
            schedule = in_order if name == "a file" else Newest().detected
            begins = beginning(name)
            begins()  # As a run does in its own thread.
            detected = schedule(frames(), detectors[name], crew=crew, stop=Stop(), begins=begins)
            assert list(detected)

    assert {name: set(detectors[name].heard) for name in names} == {name: {name} for name in names}
