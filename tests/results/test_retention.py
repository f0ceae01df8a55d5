"""The oldest rows go, by age and by size; and it is told that they went."""

from __future__ import annotations

import pytest
from sqlalchemy import func, select

from kept_rows import KeptRun, blob_keys, garbage, lines, row
from vedette.blobs.base import Blobs
from vedette.results.retention import Retention
from vedette.results.settling import Settler, SettlingOptions
from vedette.store import schema, sqlite
from vedette.store.base import Store, Transaction
from vedette.store.sqlite import boot_ms
from vedette.store.statements import parts

DAY_S = 86_400.0


def trimmed_to(run: KeptRun) -> int | None:
    return run.store.read(
        lambda transaction: parts.trimmed_to(transaction, run.scenario_id, run.number)
    )


def size_bytes(run: KeptRun) -> int:
    table = schema.parts
    query = select(func.sum(table.c.size_bytes)).where(table.c.scenario_id == run.scenario_id)
    found = run.store.read(lambda transaction: transaction.connection.execute(query).scalar_one())
    return int(found)


def commit_days(run: KeptRun, days: int, *, settle: bool) -> list[dict[str, object]]:
    """Commit ten frames a day; give all rows."""
    made = []
    for day in range(days):
        run.age(DAY_S)
        today = [row(frame) for frame in range(day * 10, day * 10 + 10)]
        run.commit(today[:5])
        run.commit(today[5:])
        made += today
        if settle:
            Settler(run.store, run.blobs, options=SettlingOptions(age_s=0)).run_once()
    return made


@pytest.mark.parametrize("settle", [False, True])
def test_rows_older_than_the_limit_go_and_the_run_says_up_to_where(
    settle: bool, run: KeptRun, store: Store, blobs: Blobs
) -> None:
    made = commit_days(run, 5, settle=settle)

    (went,) = Retention(store, blobs, age_s_max=1.5 * DAY_S, bytes_max=None).run_once()

    assert lines(run.rows()) == lines(made[30:])
    assert trimmed_to(run) == went.to_frame == 29
    assert (went.scenario_id, went.run, went.rows) == (run.scenario_id, 1, 30)
    assert len(blob_keys(blobs)) == (2 if settle else 0)
    assert garbage(store) == {}


def test_nothing_goes_while_all_is_young_and_small(
    run: KeptRun, store: Store, blobs: Blobs
) -> None:
    commit_days(run, 2, settle=True)

    went = Retention(store, blobs, age_s_max=9 * DAY_S, bytes_max=10**9).run_once()

    assert went == []
    assert trimmed_to(run) is None


def test_oldest_go_first_whoever_owns_them_until_the_rest_fits(
    run: KeptRun, store: Store, blobs: Blobs
) -> None:
    other = KeptRun(store, blobs)
    commit_days(other, 3, settle=True)
    other.age(10 * DAY_S)
    other.end()
    made = commit_days(run, 3, settle=True)
    own_bytes = size_bytes(run)

    went = Retention(store, blobs, age_s_max=None, bytes_max=own_bytes - 1).run_once()

    assert {one.scenario_id: one.to_frame for one in went} == {
        other.scenario_id: 29,
        run.scenario_id: 9,
    }
    assert other.rows() == []
    assert lines(run.rows()) == lines(made[10:])
    assert blob_keys(blobs) == [key for _, _, key in run.manifest()]


def test_run_loses_its_beginning_even_where_clocks_made_its_middle_the_oldest(
    run: KeptRun, store: Store, blobs: Blobs
) -> None:
    made = run.commit_frames(10)
    run.age(DAY_S, part=4)

    Retention(store, blobs, age_s_max=DAY_S / 2, bytes_max=None).run_once()

    assert lines(run.rows()) == lines(made[5:])
    assert trimmed_to(run) == 4


def test_running_run_goes_on_after_it_was_trimmed(run: KeptRun, store: Store, blobs: Blobs) -> None:
    run.commit_frames(10, age_s=DAY_S)
    retention = Retention(store, blobs, age_s_max=DAY_S / 2, bytes_max=None)
    retention.run_once()

    run.commit([row(10)])
    settler = Settler(store, blobs, options=SettlingOptions(age_s=0))
    settler.run_once()

    assert [one["frame"] for one in run.rows()] == [10]
    assert [(first, last) for first, last, _ in run.manifest()] == [(10, 10)]
    assert retention.run_once() == []


def test_clock_that_jumps_forwards_deletes_nothing_young(
    run: KeptRun, store: Store, blobs: Blobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = run.commit_frames(10)
    retention = Retention(store, blobs, age_s_max=DAY_S, bytes_max=None)
    before = retention.run_once()

    monkeypatch.setattr(sqlite, "_transaction", _jumped)
    after = retention.run_once()

    assert before == after == []
    assert lines(run.rows()) == lines(made)


def _jumped(connection: object) -> Transaction:
    return Transaction(connection, now_ms=boot_ms(), wall_ms=4_000_000_000_000)  # type: ignore[arg-type]
