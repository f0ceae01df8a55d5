"""Counts, events and coverage that are too old go, and leave a gap, never a wrong number."""

from __future__ import annotations

import json
from functools import partial

import pytest
from sqlalchemy import func, select, update

from kept_rows import KeptRun, row
from vedette.blobs.base import Blobs
from vedette.domain.count import CountBucket, CountKind, Interval
from vedette.domain.event import Event, EventType
from vedette.results.retention import Retention
from vedette.store import schema
from vedette.store.base import Store, Transaction
from vedette.store.statements import counting, history

HOUR_MS = 3_600_000
AGE_S = 3 * 3600.0
LIVE, FINITE = json.dumps({"live": True}), json.dumps({"live": False})


def bucket(start_ms: int, *, entered: int = 1, label: str = "person") -> CountBucket:
    return CountBucket(
        start_ms=start_ms, kind=CountKind.ZONE, place="yard", label=label, now_mean=1.0,
        now_min=0, now_max=2, entered=entered, left=0, crossed_in=0, crossed_out=0, distinct=0,
        covered_s=10.0,
    )  # fmt: skip


def event(sequence: int) -> Event:
    return Event(sequence, EventType.ZONE_ENTERED, 0, 0.0, 1, "person", "yard", None, None)


def wall_ms(store: Store) -> int:
    return store.read(lambda transaction: transaction.wall_ms)


def commit_hours(run: KeptRun, begin_ms: int, hours: int, *, facts: str) -> None:
    """Commit four buckets and two events an hour, and that all of it was seen."""
    for hour in range(hours):
        at_ms = begin_ms + hour * HOUR_MS
        quarters = [at_ms + quarter * HOUR_MS // 4 for quarter in range(4)]
        events = [(event(2 * hour + half), at_ms + half * HOUR_MS // 2) for half in range(2)]
        counts = [bucket(one - one % 10_000) for one in quarters]
        covered = [(at_ms, at_ms + HOUR_MS)] if facts == LIVE else []
        run.commit([row(hour)], events=events, counts=counts, covered=covered, facts=facts)


def hours_of(run: KeptRun) -> dict[int, int | None]:
    """Give how many entered, by hour."""
    asking = partial(counting.wide_buckets, width_ms=HOUR_MS, limit=999)
    found = run.store.read(partial(asking, scenario_id=run.scenario_id))
    return {one.bucket.start_ms: one.bucket.entered for one in found}


def sequences(run: KeptRun) -> list[int]:
    found = run.store.read(partial(counting.event_rows, scenario_id=run.scenario_id, limit=999))
    return [one.event.sequence for one in found]


def seen(run: KeptRun, from_ms: int, to_ms: int) -> list[Interval]:
    asking = partial(counting.coverage_intervals, from_ms=from_ms, to_ms=to_ms)
    return run.store.read(partial(asking, scenario_id=run.scenario_id, run=run.number))


def end(run: KeptRun, at_ms: int) -> None:
    runs = schema.runs
    ended = update(runs).where(runs.c.scenario_id == run.scenario_id).values(ended_at_ms=at_ms)
    run.store.write(lambda transaction: transaction.connection.execute(ended))


def begin(run: KeptRun, at_ms: int) -> None:
    runs = schema.runs
    begun = update(runs).where(runs.c.scenario_id == run.scenario_id).values(started_at_ms=at_ms)
    run.store.write(lambda transaction: transaction.connection.execute(begun))


def keep(store: Store, blobs: Blobs, age_s: float | None = AGE_S) -> None:
    Retention(store, blobs, age_s_max=age_s, bytes_max=None).run_once()


def live_run(run: KeptRun, hours: int = 8) -> tuple[int, int]:
    """Have a camera watched since `hours` ago; give when it began and what is kept from."""
    now_ms = wall_ms(run.store)
    this_hour_ms = now_ms - now_ms % HOUR_MS
    begin_ms = this_hour_ms - hours * HOUR_MS
    begin(run, begin_ms)
    commit_hours(run, begin_ms, hours, facts=LIVE)
    return begin_ms, this_hour_ms - round(AGE_S * 1000)


@pytest.mark.parametrize("batch", [1, 3, 500])
def test_what_a_camera_counted_goes_by_whole_hours_and_leaves_a_gap(
    batch: int, run: KeptRun, store: Store, blobs: Blobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vedette.results.retention.HISTORY_ROWS_MAX", batch)
    begin_ms, cut_ms = live_run(run)
    before = hours_of(run)

    keep(store, blobs)

    assert hours_of(run) == {at: entered for at, entered in before.items() if at >= cut_ms}
    assert sequences(run) == list(range(10, 16))
    assert seen(run, begin_ms, cut_ms + HOUR_MS) == [
        Interval(begin_ms, cut_ms, covered=False),
        Interval(cut_ms, cut_ms + HOUR_MS, covered=True),
    ]


def test_every_batch_leaves_whole_hours(run: KeptRun, store: Store) -> None:
    _, cut_ms = live_run(run)
    whole = hours_of(run)
    forget = partial(history.forget, scenario_id=run.scenario_id, run=run.number, limit=3)
    left = [whole]

    while store.write(partial(forget, before_ms=cut_ms)):
        left.append(hours_of(run))

    assert len(left) > 3
    for one in left:
        assert one.items() <= whole.items()


def test_history_is_kept_however_old_where_no_age_is_set(
    run: KeptRun, store: Store, blobs: Blobs
) -> None:
    live_run(run)
    whole = hours_of(run)

    keep(store, blobs, age_s=None)

    assert (hours_of(run), sequences(run)) == (whole, list(range(16)))


def test_a_run_whose_history_was_trimmed_goes_on(run: KeptRun, store: Store, blobs: Blobs) -> None:
    begin_ms, cut_ms = live_run(run)
    keep(store, blobs)

    end_ms = begin_ms + 8 * HOUR_MS
    more = {"covered": [(end_ms, end_ms + 60_000)], "counts": [bucket(end_ms)], "facts": LIVE}
    run.commit([row(99)], events=[(event(16), end_ms)], **more)

    assert hours_of(run)[end_ms] == 1
    assert sequences(run)[-1] == 16
    assert seen(run, cut_ms, end_ms + 60_000) == [Interval(cut_ms, end_ms + 60_000, covered=True)]


def test_what_a_file_counted_goes_whole_and_only_long_after_its_run(
    run: KeptRun, store: Store, blobs: Blobs
) -> None:
    now_ms = wall_ms(store)
    other = KeptRun(store, blobs)
    going = KeptRun(store, blobs)
    for one in (run, other, going):
        begin(one, now_ms - 9 * HOUR_MS)
        commit_hours(one, 0, 2, facts=FINITE)
    end(run, now_ms - 6 * HOUR_MS)
    end(other, now_ms - 2 * HOUR_MS)

    keep(store, blobs)

    assert (hours_of(run), sequences(run)) == ({}, [])
    for one in (other, going):
        assert (hours_of(one), sequences(one)) == ({0: 4, HOUR_MS: 4}, [0, 1, 2, 3])


def test_all_that_a_camera_counted_goes_long_after_its_run_whatever_its_clock_said(
    run: KeptRun, store: Store, blobs: Blobs
) -> None:
    now_ms = wall_ms(store)
    begin(run, now_ms - 9 * HOUR_MS)
    commit_hours(run, now_ms - now_ms % HOUR_MS + 100 * HOUR_MS, 2, facts=LIVE)
    run.commit([row(9)], events=[(event(4), None)], facts=LIVE)
    end(run, now_ms - 6 * HOUR_MS)

    keep(store, blobs)

    assert (hours_of(run), sequences(run)) == ({}, [])
    assert rows_of(store, schema.coverage) == 0


def test_a_run_loses_its_first_events_never_one_in_the_middle(
    run: KeptRun, store: Store, blobs: Blobs
) -> None:
    now_ms = wall_ms(store)
    begin(run, now_ms - 9 * HOUR_MS)
    old, new = now_ms - 8 * HOUR_MS, now_ms
    moments = [old, old, new, old, None, old]
    events = [(event(number), at) for number, at in enumerate(moments)]
    run.commit([row(0)], events=events, facts=LIVE)

    keep(store, blobs)

    assert sequences(run) == [2, 3, 4, 5]


def rows_of(store: Store, table: object) -> int:
    def question(transaction: Transaction) -> int:
        query = select(func.count()).select_from(table)  # type: ignore[arg-type]
        return int(transaction.connection.execute(query).scalar_one())

    return store.read(question)
