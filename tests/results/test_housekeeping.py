"""The housekeeper: what nobody needs any more goes, and nothing that anybody may still need."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import func, select, update

from kept_rows import KeptRun, blob_keys, lines, row
from vedette.blobs.base import Blobs
from vedette.clock import ManualClock, SystemClock
from vedette.domain.errors import Conflict, NotFound, StoreUnavailable
from vedette.domain.ids import SourceId, TaskId, Token
from vedette.results import housekeeping
from vedette.results.housekeeping import Housekeeper, HousekeeperOptions
from vedette.results.retention import Retention
from vedette.results.settling import Settler, SettlingOptions
from vedette.roles import Engines
from vedette.settings import Settings
from vedette.store import schema
from vedette.store.base import Store
from vedette.store.statements import idempotency, scenarios, tasks
from vedette.store.statements.tasks import TaskRow

DAY_S = 86_400.0


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(datetime.now(UTC))


@pytest.fixture
def keeper(store: Store, blobs: Blobs, clock: ManualClock) -> Housekeeper:
    retention = Retention(store, blobs, age_s_max=None, bytes_max=None)
    return Housekeeper(store, blobs, clock, settler=Settler(store, blobs), retention=retention)


def name_upload(store: Store, key: str) -> None:
    """Have a source be the uploaded video of that key."""
    adding = partial(scenarios.add_source, source_id=SourceId(key), name="clip")
    store.write(partial(adding, address=f"blob:{key}"))


def test_uploads_go_that_no_source_names_once_their_request_must_be_over(
    keeper: Housekeeper, store: Store, blobs: Blobs, clock: ManualClock
) -> None:
    for key in ("uploads/lost", "uploads/named", "results/not-an-upload"):
        blobs.put(key, b"video")
    name_upload(store, "uploads/named")
    clock.advance(housekeeping.UPLOAD_AGE_S + 60)
    blobs.put("uploads/young", b"video")
    young = blobs.local_path("uploads/young")
    assert young is not None
    at_s = (clock.now() - timedelta(seconds=housekeeping.UPLOAD_AGE_S - 60)).timestamp()
    os.utime(young, (at_s, at_s))

    deleted = [keeper.collect_uploads(), keeper.collect_uploads()]

    assert deleted == [1, 0]
    assert blob_keys(blobs) == ["results/not-an-upload", "uploads/named", "uploads/young"]


def test_no_upload_goes_while_all_are_young(keeper: Housekeeper, blobs: Blobs) -> None:
    blobs.put("uploads/young", b"video")

    assert keeper.collect_uploads() == 0
    assert blob_keys(blobs) == ["uploads/young"]


def test_more_uploads_than_one_statement_takes_are_told_apart(
    keeper: Housekeeper, store: Store, blobs: Blobs, clock: ManualClock
) -> None:
    keys = [f"uploads/{number:04}" for number in range(502)]
    for key in keys:
        blobs.put(key, b"")
    for key in (keys[0], keys[501]):
        name_upload(store, key)
    clock.advance(housekeeping.UPLOAD_AGE_S + 60)

    assert keeper.collect_uploads() == 500
    assert blob_keys(blobs) == [keys[0], keys[501]]


def test_answers_are_forgotten_after_a_day_and_their_keys_are_free_again(
    keeper: Housekeeper, store: Store
) -> None:
    for key in ("old", "young"):
        store.write(partial(idempotency.remember, key=key, fingerprint="a", status=201, answer=""))
    table = schema.idempotency
    aged = update(table).where(table.c.key == "old").values(at_ms=table.c.at_ms - 86_400_001)
    store.write(lambda it: it.connection.execute(aged))

    keeper.forget_answers()

    asking = partial(idempotency.remembered, fingerprint="another")
    assert store.read(partial(asking, key="old")) is None
    with pytest.raises(Conflict):
        store.read(partial(asking, key="young"))


def ended_task(store: Store, name: str, *, days_ago: float) -> None:
    """Have a task that was completed so long ago."""
    task_id = TaskId(name)
    adding = partial(tasks.add, task_id=task_id, kind="photo", payload="{}", attempts_max=1)
    store.write(adding)
    store.write(partial(tasks.take, worker="w", kinds=["photo"], limit=1, lease_ms=60_000))
    store.write(partial(tasks.complete, task_id=task_id, token=Token(1), result="1"))
    table = schema.tasks
    ended_at_ms = table.c.ended_at_ms - round(days_ago * 86_400_000)
    aged = update(table).where(table.c.id == name).values(ended_at_ms=ended_at_ms)
    store.write(lambda it: it.connection.execute(aged))


def task(store: Store, name: str) -> TaskRow:
    return store.read(partial(tasks.get, task_id=name))


@pytest.mark.parametrize("batch", [1, 500])
def test_ended_tasks_are_forgotten_after_a_week_and_open_ones_never(
    batch: int, keeper: Housekeeper, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(housekeeping, "TASKS_MAX", batch)
    for name, days_ago in (("old-1", 7.1), ("old-2", 9), ("young", 6.9)):
        ended_task(store, name, days_ago=days_ago)
    store.write(partial(tasks.add, task_id=TaskId("open"), kind="x", payload="{}", attempts_max=1))

    forgotten = [keeper.forget_tasks(), keeper.forget_tasks()]

    assert forgotten == [2, 0]
    assert [task(store, name).id for name in ("young", "open")] == ["young", "open"]
    with pytest.raises(NotFound):
        task(store, "old-1")


def test_a_housekeeper_does_all_of_it_by_itself_and_outlives_an_engine_that_is_away(
    store: Store, blobs: Blobs
) -> None:
    ended_task(store, "old", days_ago=8)
    blobs.put("uploads/lost", b"video")
    lost = blobs.local_path("uploads/lost")
    assert lost is not None
    os.utime(lost, (1, 1))

    class Failing(Retention):
        def run_once(self) -> list:  # type: ignore[type-arg]
            raise StoreUnavailable("the disk is full")

    keeper = Housekeeper(
        store, blobs, SystemClock(), settler=Settler(store, blobs),
        retention=Failing(store, blobs, age_s_max=None, bytes_max=None),
        options=HousekeeperOptions(settle_s=0.01),
    )  # fmt: skip
    thread = threading.Thread(target=keeper.run)
    thread.start()
    try:
        deadline_s = time.monotonic() + 20
        while (tasks_left(store) or blob_keys(blobs)) and time.monotonic() < deadline_s:
            time.sleep(0.01)
    finally:
        keeper.stop()
        thread.join(240)

    assert (tasks_left(store), blob_keys(blobs), thread.is_alive()) == (0, [], False)


def tasks_left(store: Store) -> int:
    query = select(func.count()).select_from(schema.tasks)
    return int(store.read(lambda it: it.connection.execute(query).scalar_one()))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "of-up"


def engines(folder: Path, **settings: float) -> Engines:
    made = Engines(Settings(data_dir=folder, **settings))  # type: ignore[arg-type]
    made.store.migrate()
    return made


@pytest.fixture
def kept(folder: Path) -> Iterator[KeptRun]:
    """Three settled days of one run, ten rows each, in the folder of an `up`."""
    with engines(folder) as made:
        run = KeptRun(made.store, made.blobs)
        for day in range(3):
            run.age(DAY_S)
            run.commit([row(frame) for frame in range(day * 10, day * 10 + 10)])
            Settler(made.store, made.blobs, options=SettlingOptions(age_s=0)).run_once()
        yield run


def keep_house(folder: Path, **settings: float) -> None:
    """Have the housekeeper that `up` makes of these settings do one round."""
    with engines(folder, **settings) as made:
        keeper = made.housekeeper()
        keeper.run_once()


@pytest.mark.parametrize(("keep_days", "first"), [(0.0, 0), (1.5, 10), (0.5, 20), (9.0, 0)])
def test_keep_days_is_how_old_rows_get_and_nothing_is_for_ever(
    keep_days: float, first: int, kept: KeptRun, folder: Path
) -> None:
    keep_house(folder, keep_days=keep_days)

    assert [one["frame"] for one in kept.rows()] == list(range(first, 30))


def test_keep_bytes_is_how_much_all_rows_take_and_nothing_is_any_amount(
    kept: KeptRun, folder: Path
) -> None:
    made = kept.rows()
    sizes = [len(kept.blobs.get(key)) for _, _, key in kept.manifest() if key is not None]

    keep_house(folder, keep_bytes=0)
    assert lines(kept.rows()) == lines(made)
    keep_house(folder, keep_bytes=sum(sizes))
    assert lines(kept.rows()) == lines(made)
    keep_house(folder, keep_bytes=sum(sizes) - 1)
    assert lines(kept.rows()) == lines(made[10:])
