"""Short tasks: who may take one, who may end one, and that each has one result."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest
from sqlalchemy import update

import tasks_child
from vedette.domain.errors import Conflict, NotFound, StaleToken
from vedette.domain.ids import TaskId, Token
from vedette.domain.task import TaskState
from vedette.store import schema
from vedette.store.base import Store, Transaction
from vedette.store.statements import tasks
from vedette.store.statements.tasks import TakenTask

T = TypeVar("T")

LEASE_MS = 60_000


def _add(store: Store, *ids: str, kind: str = "photo", attempts_max: int = 3) -> None:
    for one in ids:
        store.write(
            lambda it, one=one: tasks.add(it, TaskId(one), kind, "{}", attempts_max=attempts_max)
        )


def _take(store: Store, worker: str = "w", *kinds: str, limit: int = 10) -> list[TakenTask]:
    return store.write(
        lambda it: tasks.take(it, worker, kinds or ("photo",), limit=limit, lease_ms=LEASE_MS)
    )


def _lapse(store: Store) -> None:
    """Have every lease run out."""
    store.write(lambda it: it.connection.execute(update(schema.tasks).values(until_ms=it.now_ms)))


def _get(store: Store, task_id: str) -> tasks.TaskRow:
    return store.read(lambda it: tasks.get(it, task_id))


def _complete(store: Store, task_id: str, token: int, result: str = "1") -> None:
    store.write(lambda it: tasks.complete(it, TaskId(task_id), Token(token), result))


def _fail(store: Store, task_id: str, token: int, *, retry: bool, wait_ms: int = 0) -> None:
    store.write(
        lambda it: tasks.fail(
            it, TaskId(task_id), Token(token), "too dark", retry=retry, wait_ms=wait_ms
        )
    )


def test_a_task_is_taken_done_and_has_its_result(store: Store) -> None:
    store.write(lambda it: tasks.add(it, TaskId("a"), "photo", '{"x": 1}', attempts_max=3))

    taken = _take(store, "w-1")
    _complete(store, "a", taken[0].token, '{"y": 2}')

    assert taken == [TakenTask(TaskId("a"), "photo", '{"x": 1}', Token(1), 1)]
    row = _get(store, "a")
    assert (row.state, row.worker, row.result) == (TaskState.COMPLETED, "w-1", '{"y": 2}')
    assert row.ended_at_ms is not None
    assert _take(store) == []


def test_the_oldest_of_the_kinds_asked_for_are_taken_first(store: Store) -> None:
    _add(store, "3", "1", "4", "2")
    _add(store, "0", kind="other")
    _add(store, "5", kind="video")

    first = _take(store, "w", "photo", "video", limit=3)
    second = _take(store, "w", "photo", "video", limit=3)

    assert [one.id for one in first] == ["1", "2", "3"]
    assert [one.id for one in second] == ["4", "5"]


def test_a_task_in_time_is_given_to_nobody_else(store: Store) -> None:
    _add(store, "a")
    _take(store, "w-1")

    assert _take(store, "w-2") == []


def test_an_overdue_task_goes_to_somebody_else_and_its_first_holder_is_refused(
    store: Store,
) -> None:
    _add(store, "a")
    late = _take(store, "w-1")[0]
    _lapse(store)

    again = _take(store, "w-2")[0]

    assert (again.token, again.attempt) == (2, 2)
    for act in (
        lambda: _complete(store, "a", late.token),
        lambda: _fail(store, "a", late.token, retry=True),
        lambda: store.write(lambda it: tasks.renew(it, late.id, late.token, lease_ms=1)),
    ):
        with pytest.raises(StaleToken, match="'a'"):
            act()
    _complete(store, "a", again.token, "second")
    assert _get(store, "a").result == "second"


def test_an_overdue_task_that_nobody_took_may_still_be_completed(store: Store) -> None:
    _add(store, "a")
    late = _take(store)[0]
    _lapse(store)

    _complete(store, "a", late.token)

    assert _get(store, "a").state is TaskState.COMPLETED


def test_renewing_keeps_a_task(store: Store) -> None:
    _add(store, "a")
    held = _take(store)[0]
    _lapse(store)

    store.write(lambda it: tasks.renew(it, held.id, held.token, lease_ms=LEASE_MS))

    assert _take(store, "w-2") == []


def test_a_task_that_was_taken_too_often_has_failed(store: Store) -> None:
    _add(store, "a", attempts_max=2)
    for attempt in (1, 2):
        assert [one.attempt for one in _take(store)] == [attempt]
        _lapse(store)

    assert _take(store) == []

    row = _get(store, "a")
    assert (row.state, row.error) == (TaskState.FAILED, "its last attempt never answered")
    with pytest.raises(StaleToken):
        _complete(store, "a", 2)


def test_saying_twice_what_was_done_changes_nothing(store: Store) -> None:
    _add(store, "done", "undone", "again")
    for one in _take(store):
        assert one.token == 1

    for _ in range(2):
        _complete(store, "done", 1, "first")
        _fail(store, "undone", 1, retry=False)
        _fail(store, "again", 1, retry=True)
    _complete(store, "done", 1, "second")

    assert _get(store, "done").result == "first"
    assert _get(store, "undone").state is TaskState.FAILED
    again = _get(store, "again")
    assert (again.state, again.attempts) == (TaskState.PENDING, 1)


def test_who_has_ended_a_task_cannot_end_it_otherwise(store: Store) -> None:
    _add(store, "done", "undone")
    _take(store)
    _complete(store, "done", 1)
    _fail(store, "undone", 1, retry=False)

    with pytest.raises(StaleToken):
        _fail(store, "done", 1, retry=True)
    with pytest.raises(StaleToken):
        _complete(store, "undone", 1)


def test_a_failed_attempt_is_repeated_while_any_is_left(store: Store) -> None:
    _add(store, "a", attempts_max=2)
    _fail(store, "a", _take(store)[0].token, retry=True)
    waits = _get(store, "a")

    _fail(store, "a", _take(store)[0].token, retry=True)

    assert (waits.state, waits.error) == (TaskState.PENDING, "too dark")
    assert _get(store, "a").state is TaskState.FAILED
    assert _take(store) == []


def test_a_failed_attempt_may_wait_before_the_next(store: Store) -> None:
    _add(store, "a")
    _fail(store, "a", _take(store)[0].token, retry=True, wait_ms=LEASE_MS)

    too_soon = _take(store)
    _lapse(store)

    assert too_soon == []
    assert [one.attempt for one in _take(store)] == [2]


def test_tasks_are_listed_by_page_kind_and_state(store: Store) -> None:
    _add(store, "a", "b", "c")
    _add(store, "d", kind="video")
    _take(store, limit=1)

    def listed(**choice: object) -> list[str]:
        return [one.id for one in store.read(lambda it: tasks.list_tasks(it, **choice))]  # type: ignore[arg-type]

    assert listed(limit=2) == ["a", "b"]
    assert listed(limit=2, after="b") == ["c", "d"]
    assert listed(limit=9, kind="video") == ["d"]
    assert listed(limit=9, state=TaskState.IN_PROGRESS) == ["a"]


def test_old_tasks_are_forgotten_once_they_have_ended(store: Store) -> None:
    _add(store, "a", "b", "c")
    _take(store, limit=2)
    _complete(store, "a", 1)

    ended = store.read(lambda it: tasks.ended_before(it, it.wall_ms + 1000, limit=9))
    forgotten = store.write(lambda it: tasks.forget(it, [*ended, TaskId("b"), TaskId("c")]))

    assert (ended, forgotten) == (["a"], 1)
    with pytest.raises(NotFound, match="'a'"):
        _get(store, "a")


def test_nothing_can_be_said_of_a_task_that_is_not_there(store: Store) -> None:
    acts: list[Callable[[Transaction], object]] = [
        lambda it: tasks.complete(it, TaskId("a"), Token(1), "1"),
        lambda it: tasks.fail(it, TaskId("a"), Token(1), "no", retry=True),
        lambda it: tasks.renew(it, TaskId("a"), Token(1), lease_ms=1),
    ]
    for act in acts:
        with pytest.raises(NotFound, match="'a'"):
            store.write(act)


def test_an_id_is_used_once(store: Store) -> None:
    _add(store, "a")

    with pytest.raises(Conflict):
        _add(store, "a")


def test_killed_workers_lose_no_task_and_double_none(store: Store, tmp_path: Path) -> None:
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    count = 120

    def add_all(it: Transaction) -> None:
        for number in range(count):
            payload = json.dumps([number, 1])
            tasks.add(it, TaskId(f"{number:04}"), "add", payload, attempts_max=50)

    store.write(add_all)
    started: list[subprocess.Popen[str]] = []

    def start() -> subprocess.Popen[str]:
        script = tasks_child.__file__ or ""
        words = [sys.executable, script, str(tmp_path), f"w-{len(started)}", "300"]
        started.append(subprocess.Popen(words, stdout=subprocess.PIPE, text=True))
        return started[-1]

    workers = [start() for _ in range(3)]
    for _ in range(6):
        victim = chance.randrange(len(workers))
        killed = workers[victim]
        assert killed.stdout is not None
        killed.stdout.readline()  # It is at work.
        time.sleep(chance.uniform(0, 0.02))  # At some moment of it.
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        workers[victim] = start()
    for worker in workers:
        assert worker.wait(240) == 0

    rows = store.read(lambda it: tasks.list_tasks(it, limit=count + 1))
    said = [line for child in started for line in (child.communicate()[0] or "").split()]
    assert [row.state for row in rows] == [TaskState.COMPLETED] * count
    for number, row in enumerate(rows):
        # The result is that of the last taking: nobody else's was let in.
        assert json.loads(row.result or "") == {"sum": number + 1, "by": row.attempts}
    assert len(said) == len(set(said))
