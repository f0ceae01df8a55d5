from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from vedette.domain.errors import SourceEnded, StreamCause
from vedette.runner.ahead import WAIT_S, Ahead, Stop

DEADLINE_S = 240.0


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


def test_whoever_waits_is_told_of_a_stop_at_once_and_looks_no_more_often_than_needed() -> None:
    outer, silent = Stop(), threading.Event()

    def items() -> Iterator[int]:
        yield 1
        silent.wait(DEADLINE_S)

    ahead = Ahead(items(), limit=1, name="test", stop=Stop(within=outer))
    taken: list[int] = []
    reader = threading.Thread(target=lambda: taken.extend(ahead))
    reader.start()
    wait_until(lambda: taken == [1])

    outer.set()
    reader.join(WAIT_S / 4)

    assert not reader.is_alive()
    silent.set()
    assert ahead.join(DEADLINE_S)


@pytest.mark.parametrize("by", ["closing", "a stop around it"])
def test_a_thread_that_has_run_ahead_ends_though_nobody_reads_on(by: str) -> None:
    made: list[int] = []

    def items() -> Iterator[int]:
        for number in range(100):
            made.append(number)
            yield number

    outer = Stop()
    ahead = Ahead(items(), limit=1, name="test", stop=outer)
    assert next(iter(ahead)) == 0
    wait_until(lambda: len(made) == 3)
    time.sleep(0.05)  # It waits for room.

    if by == "closing":
        ahead.close()
    else:
        outer.set()

    assert ahead.join(WAIT_S / 4)


def test_a_stop_is_told_to_those_that_listen_and_to_no_others() -> None:
    told: list[str] = []
    outer = Stop()
    inner = Stop(within=outer)
    with inner.telling(lambda: told.append("then")):
        pass
    with inner.telling(lambda: told.append("now")):
        outer.set()

    assert told == ["now"]
    assert inner.is_set
    assert not Stop().is_set
