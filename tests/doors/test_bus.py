"""The same questions to every bus."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import bus_child
from bus_child import open_bus
from pace import Pace
from vedette.bus.base import Bus, Message
from vedette.bus.local import PAYLOAD_BYTES_MAX, QUEUE_MAX
from vedette.domain.errors import BusUnavailable

WAIT_S = 240.0

Open = Callable[[], Bus]
Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture(params=["local"])
def engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def open_one(engine: str, tmp_path: Path) -> Iterator[Open]:
    opened: list[Bus] = []

    def open_it() -> Bus:
        opened.append(open_bus(engine, str(tmp_path)))
        return opened[-1]

    yield open_it
    for bus in opened:
        bus.close()


@pytest.fixture
def start(engine: str, tmp_path: Path) -> Iterator[Start]:
    """Give a starter of other processes on the same bus; see `bus_child`."""
    children: list[subprocess.Popen[str]] = []

    def start_it(*words: str) -> subprocess.Popen[str]:
        child = subprocess.Popen(
            [sys.executable, bus_child.__file__ or "", engine, str(tmp_path), *words],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        children.append(child)
        if words[0] != "say":
            assert child.stdout is not None
            assert child.stdout.readline() == "ready\n"
        return child

    yield start_it
    for child in children:
        child.kill()
        child.communicate()


class Ear:
    """Keeps what it hears."""

    def __init__(self, bus: Bus, *topics: str) -> None:
        self._heard: queue.Queue[Message] = queue.Queue()
        self.end = bus.subscribe(topics, self._heard.put)

    def next(self) -> Message:
        return self._heard.get(timeout=WAIT_S)

    def empty(self) -> bool:
        return self._heard.empty()


def test_a_subscriber_hears_what_its_own_process_says(open_one: Open) -> None:
    bus = open_one()
    ear = Ear(bus, "doors")

    bus.publish([Message("doors", "front", '{"open": true}')])

    assert ear.next() == Message("doors", "front", '{"open": true}')


def test_a_subscriber_hears_what_other_processes_say(open_one: Open, start: Start) -> None:
    bus = open_one()
    ear = Ear(bus, "answers")
    start("echo")

    bus.publish([Message("asks", "käse", '{"now": "Grüße"}')])

    assert ear.next() == Message("answers", "käse", '{"now": "Grüße"}')


def test_a_message_is_heard_once_by_each(open_one: Open) -> None:
    one, other = open_one(), open_one()
    ears = [Ear(one, "doors"), Ear(one, "doors"), Ear(other, "doors")]

    one.publish([Message("doors", "", "first")])
    one.publish([Message("doors", "", "second")])

    for ear in ears:
        assert [ear.next().payload, ear.next().payload] == ["first", "second"]


def test_only_the_topics_asked_for_are_heard(open_one: Open) -> None:
    bus, other = open_one(), open_one()
    ear = Ear(bus, "doors", "gates")

    other.publish([Message("windows"), Message("gates"), Message("windows"), Message("doors")])

    assert [ear.next().topic, ear.next().topic] == ["gates", "doors"]
    assert ear.empty()


def test_nothing_is_heard_after_unsubscribing(open_one: Open) -> None:
    bus, other = open_one(), open_one()
    ended, stays = Ear(bus, "doors"), Ear(bus, "doors")

    ended.end()
    ended.end()
    other.publish([Message("doors")])
    bus.publish([Message("doors")])

    stays.next()
    stays.next()
    assert ended.empty()


def test_who_comes_later_is_heard_too(open_one: Open, start: Start) -> None:
    bus = open_one()
    bus.publish([Message("asks")])
    ear = Ear(bus, "answers")
    for key in ("first", "second"):
        start("echo")

        bus.publish([Message("asks", key)])

        assert ear.next().key == key
        # The first of them answers the second question too.
        while key == "second" and not ear.empty():
            assert ear.next().key == key


def test_messages_of_one_key_keep_their_order(open_one: Open, start: Start) -> None:
    bus = open_one()
    ear = Ear(bus, "numbers")
    says = [start("say", "numbers", key, "0", "200") for key in ("a", "b")]

    for child in says:
        child.wait(WAIT_S)

    heard: dict[str, list[int]] = {"a": [], "b": [], "end": []}
    while not heard["end"]:
        # Said by another process too, so that it comes behind the rest; until it is not lost.
        start("say", "numbers", "end", "0", "1").wait(WAIT_S)
        while not ear.empty():
            message = ear.next()
            heard[message.key].append(int(message.payload))

    for numbers in heard.values():
        assert numbers
        assert numbers == sorted(set(numbers))


def test_many_messages_said_at_once_all_arrive(open_one: Open) -> None:
    bus, other = open_one(), open_one()
    ear = Ear(bus, "numbers")
    said = [Message("numbers", "", str(number).rjust(100)) for number in range(QUEUE_MAX)]

    other.publish(said)

    assert said == [ear.next() for _ in said]


def test_the_longest_payload_arrives_and_a_longer_one_is_left_out(open_one: Open) -> None:
    bus, other = open_one(), open_one()
    ear = Ear(bus, "doors")
    longest = "x" * PAYLOAD_BYTES_MAX

    other.publish([Message("doors", "fits", longest), Message("doors", "not", longest + "x")])

    assert ear.next() == Message("doors", "fits", longest)
    assert ear.next() == Message("doors", "not", "")


def test_killed_listeners_are_forgotten(open_one: Open, start: Start, tmp_path: Path) -> None:
    bus = open_one()
    ear = Ear(bus, "answers")
    killed = [start("echo") for _ in range(3)]
    start("echo")
    bus.publish([Message("asks", "all")])
    for _ in range(4):
        ear.next()

    for child in killed:
        child.kill()
        child.wait()
    bus.publish([Message("asks", "one")])
    bus.publish([Message("asks", "one")])

    assert [ear.next().key, ear.next().key] == ["one", "one"]
    assert ear.empty()
    if (tmp_path / "bus").exists():
        assert len(list((tmp_path / "bus").iterdir())) == 2


def test_a_stopped_listener_holds_up_neither_who_speaks_nor_who_listens(
    open_one: Open, start: Start
) -> None:
    bus = open_one()
    ear = Ear(bus, "answers")
    stopped = start("hear", "asks")
    start("echo")
    os.kill(stopped.pid, signal.SIGSTOP)
    slowest_s = 0.0

    # Enough to fill every queue of the stopped one, with the longest messages there are.
    with Pace() as pace:
        for number in range(50):
            began_s = time.monotonic()
            bus.publish([Message("asks", str(number), "x" * PAYLOAD_BYTES_MAX)])
            slowest_s = max(slowest_s, time.monotonic() - began_s)
            assert ear.next().key == str(number)

    assert slowest_s < pace.allowed(1.0), pace


def test_a_slow_subscriber_holds_up_no_other(open_one: Open) -> None:
    bus, other = open_one(), open_one()
    free = threading.Event()
    bus.subscribe(["doors"], lambda _: free.wait(WAIT_S) and None)
    ear = Ear(bus, "doors")

    other.publish([Message("doors", "1"), Message("doors", "2")])
    bus.publish([Message("doors", "3")])

    assert {"1", "2", "3"} == {ear.next().key for _ in range(3)}
    free.set()


def test_a_subscriber_that_is_far_too_slow_loses_the_oldest(open_one: Open) -> None:
    bus = open_one()
    began, free = threading.Event(), threading.Event()
    heard: queue.Queue[int] = queue.Queue()

    def hear_slowly(message: Message) -> None:
        began.set()
        free.wait(WAIT_S)
        heard.put(int(message.payload))

    bus.subscribe(["numbers"], hear_slowly)
    bus.publish([Message("numbers", "", "0")])
    assert began.wait(WAIT_S)

    for number in range(1, QUEUE_MAX + 11):
        bus.publish([Message("numbers", "", str(number))])
    free.set()

    assert [0, *range(11, QUEUE_MAX + 11)] == [
        heard.get(timeout=WAIT_S) for _ in range(QUEUE_MAX + 1)
    ]


def test_the_calls_of_one_subscription_never_overlap(open_one: Open) -> None:
    bus, other = open_one(), open_one()
    inside = threading.Lock()
    overlaps: list[str] = []
    last = threading.Semaphore(0)

    def hear(message: Message) -> None:
        if not inside.acquire(blocking=False):
            overlaps.append(message.key)
            return
        time.sleep(0.001)
        inside.release()
        if message.payload == "49":
            last.release()

    bus.subscribe(["numbers"], hear)
    other.publish([Message("numbers", "a", str(number)) for number in range(50)])
    bus.publish([Message("numbers", "b", str(number)) for number in range(50)])

    assert last.acquire(timeout=WAIT_S) and last.acquire(timeout=WAIT_S)
    assert overlaps == []


def test_a_subscriber_that_fails_is_told_of_and_called_again(
    open_one: Open, caplog: pytest.LogCaptureFixture
) -> None:
    bus = open_one()
    heard: queue.Queue[str] = queue.Queue()

    def fail(message: Message) -> None:
        heard.put(message.key)
        raise ValueError("no")

    bus.subscribe(["doors"], fail)
    ear = Ear(bus, "doors")

    bus.publish([Message("doors", "1"), Message("doors", "2")])

    assert [heard.get(timeout=WAIT_S), heard.get(timeout=WAIT_S)] == ["1", "2"]
    assert [ear.next().key, ear.next().key] == ["1", "2"]
    assert "a subscriber failed topic=doors key=1" in caplog.text


def test_a_subscriber_may_answer_end_itself_and_close_the_bus(open_one: Open) -> None:
    bus, other = open_one(), open_one()
    ear = Ear(other, "answers")
    closed = threading.Event()

    def answer(message: Message) -> None:
        bus.publish([Message("answers", message.key)])
        end()
        bus.close()
        closed.set()

    end = bus.subscribe(["asks"], answer)
    other.publish([Message("asks", "last words")])

    assert ear.next().key == "last words"
    assert closed.wait(WAIT_S)


def test_a_closed_bus_refuses_and_leaves_nothing_behind(open_one: Open, tmp_path: Path) -> None:
    threads = set(threading.enumerate())
    descriptors = len(list(Path("/proc/self/fd").iterdir()))
    bus, other = open_one(), open_one()
    bus.subscribe(["doors"], lambda _: None)
    bus.publish([Message("doors")])
    other.publish([Message("doors")])

    bus.close()
    bus.close()
    other.publish([Message("doors")])
    other.close()

    with pytest.raises(BusUnavailable, match="closed"):
        bus.publish([Message("doors")])
    with pytest.raises(BusUnavailable, match="closed"):
        bus.subscribe(["doors"], lambda _: None)
    for thread in set(threading.enumerate()) - threads:
        thread.join(WAIT_S)
        assert not thread.is_alive()
    assert len(list(Path("/proc/self/fd").iterdir())) == descriptors
    if (tmp_path / "bus").exists():
        assert list((tmp_path / "bus").iterdir()) == []


def test_another_process_hears_within_fifty_milliseconds(open_one: Open, start: Start) -> None:
    bus = open_one()
    ear = Ear(bus, "answers")
    start("echo")
    took_s = []

    with Pace() as pace:
        for number in range(200):
            began_s = time.monotonic()
            bus.publish([Message("asks", str(number))])
            ear.next()
            took_s.append(time.monotonic() - began_s)

    # There and back; the machine may be busy with other things for some of them.
    took_s.sort()
    assert took_s[100] < pace.allowed(0.05), pace
