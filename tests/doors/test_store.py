"""The same questions to every store."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future
from pathlib import Path

import pytest

import store_child
from pace import Pace
from store_child import add_pair, open_store
from vedette.domain.errors import Conflict, StaleToken, StoreUnavailable
from vedette.store.base import Store, Transaction
from vedette.store.statements import outbox

WAIT_S = 240.0
MANY = 100_000

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture(params=["sqlite"])
def engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def store(engine: str, tmp_path: Path) -> Iterator[Store]:
    opened = open_store(engine, str(tmp_path))
    opened.migrate()
    yield opened
    opened.close()


@pytest.fixture
def start(engine: str, tmp_path: Path) -> Iterator[Start]:
    """Give a starter of other processes on the same store; see `store_child`."""
    children: list[subprocess.Popen[str]] = []

    def start_it(*words: str) -> subprocess.Popen[str]:
        children.append(
            subprocess.Popen(
                [sys.executable, store_child.__file__ or "", engine, str(tmp_path), *words],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            )
        )  # fmt: skip
        return children[-1]

    yield start_it
    for child in children:
        child.kill()
        child.communicate()


def _line(child: subprocess.Popen[str]) -> str:
    assert child.stdout is not None
    return child.stdout.readline().strip()


def _rows(store: Store) -> list[tuple[str, str, str]]:
    return [
        (row.topic, row.key, row.payload) for row in store.read(lambda it: outbox.waiting(it, MANY))
    ]


def _pairs(store: Store, writer: str) -> list[int]:
    """Give the numbers written by one writer, having seen that every pair is whole."""
    counted = Counter(int(key) for topic, key, _ in _rows(store) if topic == writer)
    assert set(counted.values()) <= {2}
    return sorted(counted)


class Gate:
    """Holds the store inside a transaction, so that others gather behind it."""

    def __init__(self, store: Store) -> None:
        self._open = threading.Event()
        inside = threading.Event()

        def wait(_: Transaction) -> None:
            inside.set()
            self._open.wait(WAIT_S)

        self.future = store.submit(wait)
        assert inside.wait(WAIT_S)

    def open(self) -> None:
        self._open.set()


# One transaction.


def test_a_transaction_gives_its_answer_and_is_seen_afterwards(store: Store) -> None:
    answer = store.write(lambda it: (outbox.add(it, "a", "1", "x"), 42)[1])

    assert answer == 42
    assert _rows(store) == [("a", "1", "x")]


def test_a_transaction_that_raises_is_undone_whole(store: Store) -> None:
    def break_off(it: Transaction) -> None:
        add_pair(it, "a", 1)
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        store.write(break_off)

    assert _rows(store) == []


def test_asyncio_callers_write_and_read_without_blocking(store: Store) -> None:
    async def talk() -> list[outbox.OutboxRow]:
        await asyncio.gather(
            *(store.awrite(lambda it, n=n: add_pair(it, "a", n)) for n in range(20))
        )
        return await store.aread(lambda it: outbox.waiting(it, MANY))

    assert len(asyncio.run(talk())) == 40


def test_a_question_changes_nothing(store: Store) -> None:
    with pytest.raises(Exception, match=r"readonly|read-only"):
        store.read(lambda it: outbox.add(it, "a", "1", "x"))

    assert _rows(store) == []


def test_a_row_that_is_there_already_is_a_conflict(store: Store) -> None:
    def add_boot(it: Transaction) -> None:
        it.connection.exec_driver_sql("INSERT INTO meta (key, value) VALUES ('mine', 'x')")

    store.write(add_boot)

    with pytest.raises(Conflict):
        store.write(add_boot)


# Many at once.


def test_of_many_in_one_commit_those_that_fail_are_undone_alone(store: Store) -> None:
    gate = Gate(store)

    def act(it: Transaction, number: int) -> int:
        add_pair(it, "a", number)
        if number % 3 == 0:
            raise StaleToken("given to somebody else")
        if number % 3 == 1:
            raise KeyboardInterrupt
        return number

    futures = [store.submit(lambda it, n=n: act(it, n)) for n in range(30)]
    gate.open()

    for number, future in enumerate(futures):
        match number % 3:
            case 0:
                with pytest.raises(StaleToken):
                    future.result(WAIT_S)
            case 1:
                with pytest.raises(KeyboardInterrupt):
                    future.result(WAIT_S)
            case _:
                assert future.result(WAIT_S) == number
    assert _pairs(store, "a") == list(range(2, 30, 3))


def test_a_statement_that_cannot_be_right_spoils_no_other(store: Store) -> None:
    gate = Gate(store)
    good = store.submit(lambda it: add_pair(it, "a", 1))
    wrong = store.submit(lambda it: it.connection.exec_driver_sql("SELECT * FROM nowhere"))
    late = store.submit(lambda it: add_pair(it, "a", 2))
    gate.open()

    with pytest.raises(Exception, match="nowhere") as caught:
        wrong.result(WAIT_S)

    assert not isinstance(caught.value, StoreUnavailable)  # Waiting would not help.
    good.result(WAIT_S)
    late.result(WAIT_S)
    assert _pairs(store, "a") == [1, 2]


def test_a_cancelled_transaction_is_not_carried_out_and_holds_up_nobody(store: Store) -> None:
    gate = Gate(store)
    cancelled = [store.submit(lambda it: add_pair(it, "a", 1)) for _ in range(3)]
    stays = store.submit(lambda it: add_pair(it, "a", 2))

    assert all(future.cancel() for future in cancelled)
    gate.open()

    stays.result(WAIT_S)
    for future in cancelled:
        with pytest.raises(CancelledError):
            future.result(WAIT_S)
    assert _pairs(store, "a") == [2]


def test_what_follows_a_transaction_may_fail_without_harm(store: Store) -> None:
    def fail(_: Future[None]) -> None:
        raise SystemExit

    gate = Gate(store)
    gate.future.add_done_callback(fail)
    gate.open()
    gate.future.result(WAIT_S)

    store.write(lambda it: add_pair(it, "a", 1))

    assert _pairs(store, "a") == [1]


def test_transactions_are_carried_out_in_the_order_of_asking(store: Store) -> None:
    gate = Gate(store)
    futures = [
        store.submit(lambda it, n=n: add_pair(it, "a", n), durable=n % 3 == 0) for n in range(600)
    ]
    gate.open()
    for future in futures:
        future.result(WAIT_S)

    keys = [int(key) for _, key, _ in _rows(store)]
    assert keys == sorted(keys)


def test_a_patient_transaction_waits_for_the_next_one_and_comes_before_it(store: Store) -> None:
    seen: list[int] = []
    patient = store.submit(lambda _: seen.append(1), patience_s=10 * WAIT_S)
    time.sleep(0.2)
    assert not patient.done()

    store.write(lambda _: seen.append(2))

    patient.result(WAIT_S)
    assert seen == [1, 2]


def test_a_patient_transaction_waits_no_longer_than_it_may(store: Store) -> None:
    assert store.submit(lambda _: 7, patience_s=0.3).result(WAIT_S) == 7


def test_a_closing_store_waits_for_nobody_to_share_a_commit(engine: str, tmp_path: Path) -> None:
    store = open_store(engine, str(tmp_path))
    store.migrate()
    patient = store.submit(lambda _: 7, patience_s=10 * WAIT_S)

    started_s = time.monotonic()
    store.close()

    assert patient.result(0) == 7
    assert time.monotonic() - started_s < WAIT_S


def test_a_reader_sees_one_moment(store: Store) -> None:
    store.write(lambda it: add_pair(it, "a", 0))

    def look_twice(it: Transaction) -> tuple[int, int]:
        before = len(outbox.waiting(it, MANY))
        store.write(lambda it: add_pair(it, "a", 1))
        return before, len(outbox.waiting(it, MANY))

    assert store.read(look_twice) == (2, 2)
    assert _pairs(store, "a") == [0, 1]


def test_readers_wait_for_no_writer(store: Store) -> None:
    gate = Gate(store)

    assert _rows(store) == []

    gate.open()


def test_several_threads_write_and_read_at_once(store: Store) -> None:
    failed: list[BaseException] = []

    def act(writer: str) -> None:
        try:
            for number in range(30):
                store.write(lambda it, number=number: add_pair(it, writer, number))
                assert _pairs(store, writer) == list(range(number + 1))
        except BaseException as error:  # noqa: BLE001  (told below)
            failed.append(error)

    threads = [threading.Thread(target=act, args=(f"w{n}",)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_S)

    assert failed == []


# Several processes, and their deaths.


def test_processes_write_at_once(store: Store, start: Start) -> None:
    children = [start("pairs", f"w{n}", "60", "not") for n in range(2)]
    for number in range(60):
        store.write(lambda it, number=number: add_pair(it, "here", number))

    for child in children:
        assert child.wait(WAIT_S) == 0
    for writer in ("here", "w0", "w1"):
        assert _pairs(store, writer) == list(range(60))


@pytest.mark.parametrize("level", ["durable", "not"])
def test_a_killed_process_loses_nothing_committed_and_leaves_nothing_half(
    store: Store, start: Start, level: str
) -> None:
    for life in range(4):
        child = start("pairs", f"w{life}", str(MANY), level)
        for _ in range(5 + 7 * life):
            told = _line(child)

        child.kill()
        child.wait()

        # What it told before we read on; the last line may be cut off.
        assert child.stdout is not None
        told = ([told, *child.stdout.read().split("\n")[:-1]])[-1]
        kept = _pairs(store, f"w{life}")
        assert kept == list(range(len(kept)))
        assert len(kept) >= int(told) + 1


def test_a_process_killed_inside_a_transaction_has_done_nothing(store: Store, start: Start) -> None:
    child = start("stop-inside")
    assert _line(child) == "inside"

    child.kill()
    child.wait()
    store.write(lambda it: add_pair(it, "a", 1))

    assert [topic for topic, _, _ in _rows(store)] == ["a", "a"]


def test_a_process_stopped_inside_a_transaction_is_named_and_its_death_frees_the_others(
    engine: str, tmp_path: Path, start: Start
) -> None:
    named: list[tuple[float, int]] = []

    def frozen(pid: int) -> None:
        named.append((time.monotonic(), pid))
        os.kill(pid, signal.SIGKILL)

    store = open_store(engine, str(tmp_path), frozen)
    store.migrate()
    child = start("stop-inside")
    assert _line(child) == "inside"
    child.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, child.pid, os.WSTOPPED | os.WNOWAIT)
    with Pace() as pace:
        began_s = time.monotonic()
        store.write(lambda it: add_pair(it, "a", 1))

    assert {pid for _, pid in named} == {child.pid}
    assert named[0][0] - began_s < pace.allowed(1.5), pace
    assert pace.kept(3), pace
    assert _pairs(store, "a") == [1]
    assert len(_rows(store)) == 2
    store.close()


def test_a_process_that_is_only_slow_is_not_named(
    engine: str, tmp_path: Path, start: Start
) -> None:
    named: list[int] = []
    store = open_store(engine, str(tmp_path), named.append)
    store.migrate()
    child = start("stop-inside")
    assert _line(child) == "inside"

    waits = store.submit(lambda it: add_pair(it, "a", 1))
    with pytest.raises(TimeoutError):
        waits.result(1)
    child.kill()

    waits.result(WAIT_S)
    assert named == []
    store.close()


def test_processes_that_migrate_at_once_do_it_once(
    engine: str, tmp_path: Path, start: Start
) -> None:
    children = [start("migrate") for _ in range(3)]
    assert {_line(child) for child in children} == {"ready"}

    for child in children:
        assert child.stdin is not None
        child.stdin.write("\n")
        child.stdin.flush()

    said = [_line(child).split() for child in children]
    newest = said[0][1]
    assert sorted(said) == sorted([["None", newest], [newest, newest], [newest, newest]])
    store = open_store(engine, str(tmp_path))
    store.check()
    store.close()


# Time.


def test_the_clock_of_the_store_is_not_moved_by_the_wall_clock(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = store.write(lambda it: (it.now_ms, it.wall_ms))
    true_ns = time.time_ns

    monkeypatch.setattr(time, "time_ns", lambda: true_ns() + 3_600_000_000_000)
    after = store.write(lambda it: (it.now_ms, it.wall_ms))

    assert 0 <= after[0] - before[0] < 60_000
    assert after[1] - before[1] >= 3_600_000


def test_the_clock_of_the_store_goes_on_and_is_the_same_for_all(
    store: Store, engine: str, tmp_path: Path
) -> None:
    other = open_store(engine, str(tmp_path))
    told = [one.write(lambda it: it.now_ms) for _ in range(5) for one in (store, other)]
    told.append(store.read(lambda it: it.now_ms))

    assert told == sorted(told)
    other.close()


# Who lives.


def test_a_runner_that_lives_is_not_dead(store: Store, start: Start) -> None:
    child = start("announce", "r-1", "first")
    assert _line(child) == "announced"
    store.announce("r-2", "first")

    assert store.dead([("r-1", "first"), ("r-2", "first")]) == set()


def test_a_runner_that_nobody_ever_announced_is_not_proven_dead(store: Store) -> None:
    assert store.dead([("r-1", "first")]) == set()


def test_a_killed_runner_is_dead_at_once(store: Store, start: Start) -> None:
    child = start("announce", "r-1", "first")
    assert _line(child) == "announced"

    child.kill()
    child.wait()

    assert store.dead([("r-1", "first"), ("r-1", "older"), ("r-2", "x")]) == {"r-1"}


def test_a_stopped_runner_is_not_dead(store: Store, start: Start) -> None:
    child = start("announce", "r-1", "first")
    assert _line(child) == "announced"

    child.send_signal(signal.SIGSTOP)

    assert store.dead([("r-1", "first")]) == set()


def test_an_earlier_life_is_dead_once_the_next_begins(store: Store, start: Start) -> None:
    first = start("announce", "r-1", "first")
    assert _line(first) == "announced"
    first.kill()
    first.wait()
    second = start("announce", "r-1", "second")
    assert _line(second) == "announced"

    assert store.dead([("r-1", "first")]) == {"r-1"}
    assert store.dead([("r-1", "second")]) == set()


def test_one_process_may_begin_a_new_life_and_end_it(store: Store) -> None:
    store.announce("r-1", "the-first-and-long")
    store.announce("r-1", "second")
    living = store.dead([("r-1", "second")])
    earlier = store.dead([("r-1", "the-first-and-long")])

    store.withdraw("r-1")
    store.withdraw("r-1")

    assert living == set()
    assert earlier == {"r-1"}
    assert store.dead([("r-1", "second")]) == {"r-1"}


def test_two_processes_cannot_live_as_one_runner(store: Store, start: Start) -> None:
    child = start("announce", "r-1", "first")
    assert _line(child) == "announced"

    with pytest.raises(Conflict, match="'r-1'"):
        store.announce("r-1", "second")

    assert store.dead([("r-1", "first")]) == set()


def test_being_asked_after_holds_up_no_announcement(store: Store) -> None:
    done = threading.Event()

    def ask() -> None:
        while not done.is_set():
            store.dead([("r-1", "any")])

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        for number in range(50):
            store.announce("r-1", str(number))
            store.withdraw("r-1")
    finally:
        done.set()
        asking.join()


def test_a_child_of_a_dead_runner_does_not_live_for_it(store: Store, start: Start) -> None:
    runner = start("announce-fork", "r-1", "first")
    word, pid = _line(runner).split()
    assert word == "forked"

    runner.kill()
    runner.wait()

    try:
        assert Path(f"/proc/{pid}").exists()
        assert store.dead([("r-1", "first")]) == {"r-1"}
    finally:
        os.kill(int(pid), signal.SIGKILL)


def test_a_closed_store_holds_no_runner(store: Store, engine: str, tmp_path: Path) -> None:
    other = open_store(engine, str(tmp_path))
    other.announce("r-1", "first")

    other.close()

    assert store.dead([("r-1", "first")]) == {"r-1"}


# Ends.


def test_closing_finishes_what_was_asked(engine: str, tmp_path: Path) -> None:
    store = open_store(engine, str(tmp_path))
    store.migrate()
    gate = Gate(store)
    futures = [store.submit(lambda it, n=n: add_pair(it, "a", n)) for n in range(600)]
    closing = threading.Thread(target=store.close)
    closing.start()
    gate.open()
    closing.join(WAIT_S)

    assert all(future.done() for future in futures)
    other = open_store(engine, str(tmp_path))
    assert _pairs(other, "a") == list(range(600))
    other.close()


def test_closing_does_not_wait_long_for_another_process(
    engine: str, tmp_path: Path, start: Start
) -> None:
    store = open_store(engine, str(tmp_path))
    store.migrate()
    child = start("stop-inside")
    assert _line(child) == "inside"
    wait = [store.submit(lambda it: add_pair(it, "a", 1)) for _ in range(2000)]

    with Pace() as pace:
        store.close()

    assert pace.kept(5), pace
    for one in wait:
        with pytest.raises(StoreUnavailable):
            one.result(0)


def test_a_transaction_that_would_wait_for_itself_is_refused(store: Store) -> None:
    with pytest.raises(AssertionError, match="wait for itself"):
        store.write(lambda _: store.write(lambda it: add_pair(it, "a", 1)))

    store.write(lambda it: add_pair(it, "a", 2))
    assert _pairs(store, "a") == [2]


def test_a_closed_store_refuses(engine: str, tmp_path: Path) -> None:
    threads = set(threading.enumerate())
    descriptors = len(list(Path("/proc/self/fd").iterdir()))
    store = open_store(engine, str(tmp_path))
    store.migrate()
    store.write(lambda it: add_pair(it, "a", 1))

    store.close()
    store.close()

    with pytest.raises(StoreUnavailable, match="closed"):
        store.write(lambda it: add_pair(it, "a", 2))
    with pytest.raises(StoreUnavailable, match="closed"):
        store.read(lambda it: outbox.waiting(it, 1))
    assert set(threading.enumerate()) <= threads
    assert len(list(Path("/proc/self/fd").iterdir())) == descriptors


def test_a_full_disk_refuses_loses_nothing_and_is_got_over(store: Store, start: Start) -> None:
    child = start("fill")

    word, committed, error = _line(child).split()
    assert (word, error) == ("refused", "StoreUnavailable")
    assert int(committed) > 0
    assert _line(child) == "goes on"
    assert child.wait(WAIT_S) == 0
    assert _pairs(store, "big") == list(range(int(committed)))
    assert _pairs(store, "after") == [0]
