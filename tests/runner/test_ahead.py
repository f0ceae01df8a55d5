from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from vedette.domain.errors import SourceEnded, StreamCause
from vedette.runner.ahead import Ahead

DEADLINE_S = 10.0


def wait_until(what: object) -> None:
    assert callable(what)
    end = time.monotonic() + DEADLINE_S
    while not what():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.005)


def test_items_come_in_order_and_all_of_them() -> None:
    with closing(Ahead(iter(range(100)), limit=3, name="test")) as ahead:
        assert list(ahead) == list(range(100))


def test_it_runs_ahead_by_no_more_than_its_limit() -> None:
    made: list[int] = []

    def items() -> Iterator[int]:
        for number in range(100):
            made.append(number)
            yield number

    with closing(Ahead(items(), limit=3, name="test")) as ahead:
        reader = iter(ahead)
        assert next(reader) == 0
        # One was taken, three wait in the queue, one is in the thread's hand.
        wait_until(lambda: len(made) == 5)
        time.sleep(0.05)
        assert len(made) == 5


def test_an_error_reaches_the_reader_after_the_items_before_it() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise SourceEnded("the camera went away", cause=StreamCause.SOURCE_ENDED)

    with closing(Ahead(items(), limit=3, name="test")) as ahead:
        reader = iter(ahead)
        assert next(reader) == 1
        with pytest.raises(SourceEnded, match="went away"):
            next(reader)


def test_closing_ends_the_thread_and_runs_the_finally_of_its_items_there() -> None:
    ended_in: list[str] = []

    def items() -> Iterator[int]:
        try:
            while True:
                yield 1
        finally:
            ended_in.append(threading.current_thread().name)

    ahead = Ahead(items(), limit=3, name="its own")
    assert next(iter(ahead)) == 1
    ahead.close()

    wait_until(lambda: ended_in == ["its own"])
    assert "its own" not in [thread.name for thread in threading.enumerate()]
