"""Tasks whose worker fell silent: they wait again, or have failed, before anybody takes them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from orchestrator.world import LEASE_S, World
from vedette.domain.errors import StaleToken
from vedette.domain.ids import TaskId
from vedette.domain.task import TaskState
from vedette.orchestrator.options import OrchestratorOptions
from vedette.store.statements import tasks
from vedette.store.statements.tasks import TakenTask, TaskRow

TASK_LEASE_S = 60.0
SILENT = "its last attempt never answered"


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    options = OrchestratorOptions(lease_s=LEASE_S, batch_max=2)
    world = World(tmp_path, monkeypatch, options=options)
    yield world
    world.close()


def add(world: World, *ids: str, kind: str = "photo", attempts_max: int = 3) -> None:
    for one in ids:
        adding = partial(tasks.add, task_id=TaskId(one), kind=kind, payload="{}")
        world.store.write(partial(adding, attempts_max=attempts_max))


def take(world: World, *kinds: str) -> list[TakenTask]:
    lease_ms = round(TASK_LEASE_S * 1000)
    taking = partial(tasks.take, worker="w", kinds=kinds or ("photo",), limit=99, lease_ms=lease_ms)
    return world.store.write(taking)


def task(world: World, task_id: str) -> TaskRow:
    return world.store.read(partial(tasks.get, task_id=task_id))


def waiting(world: World) -> list[str]:
    listing = partial(tasks.list_tasks, state=TaskState.PENDING, limit=99)
    return [one.id for one in world.store.read(listing)]


def let_workers_be_overdue(world: World) -> None:
    world.host.pass_by(TASK_LEASE_S)
    world.see_well()


def test_overdue_tasks_of_every_kind_wait_again_though_nobody_takes_any(world: World) -> None:
    add(world, "a", "b", "c")
    add(world, "d", "e", kind="clip")
    take(world, "photo", "clip")
    assert waiting(world) == []

    let_workers_be_overdue(world)

    assert waiting(world) == ["a", "b", "c", "d", "e"]
    row = task(world, "a")
    assert (row.worker, row.attempts, row.error, row.ended_at_ms) == ("w", 1, SILENT, None)
    assert [one.attempt for one in take(world)] == [2, 2, 2]


def test_an_overdue_task_out_of_attempts_has_failed_though_nobody_takes_any(world: World) -> None:
    add(world, "a", attempts_max=1)
    take(world)

    let_workers_be_overdue(world)

    row = task(world, "a")
    assert (row.state, row.error) == (TaskState.FAILED, SILENT)
    assert row.ended_at_ms is not None
    assert take(world) == []


def test_whoever_was_overdue_is_refused_once_the_task_waits_again(world: World) -> None:
    add(world, "a", "b")
    late = take(world)
    let_workers_be_overdue(world)

    for act in (
        partial(tasks.complete, task_id=late[0].id, token=late[0].token, result="1"),
        partial(tasks.fail, task_id=late[1].id, token=late[1].token, error="no", retry=False),
    ):
        with pytest.raises(StaleToken):
            world.store.write(act)

    assert waiting(world) == ["a", "b"]


def test_tasks_in_time_and_tasks_that_ended_stay_as_they_are(world: World) -> None:
    add(world, "done", "held", "wait")
    done, _, again = take(world)
    complete = partial(tasks.complete, task_id=done.id, token=done.token, result="1")
    world.store.write(complete)
    wait = partial(tasks.fail, error="dark", retry=True, wait_ms=10**9)
    world.store.write(partial(wait, task_id=again.id, token=again.token))
    world.host.pass_by(TASK_LEASE_S - 10)

    world.see_well()

    states = [task(world, one).state for one in ("done", "held", "wait")]
    assert states == [TaskState.COMPLETED, TaskState.IN_PROGRESS, TaskState.PENDING]
    assert task(world, "wait").error == "dark"


def test_no_worker_is_overdue_before_the_store_was_well_for_a_lease(world: World) -> None:
    add(world, "a")
    held = take(world)[0]
    world.host.pass_by(TASK_LEASE_S + 60)

    world.pass_by(0)
    world.store.write(partial(tasks.renew, task_id=held.id, token=held.token, lease_ms=60_000))
    world.see_well()

    assert task(world, "a").state is TaskState.IN_PROGRESS
