"""Counts, coverage and events come back as they were committed: whole, in order, page by page."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import insert

from vedette.analytics.coverage import Covered
from vedette.domain.count import BUCKET_MS, CountBucket, CountKind, Interval, WideBucket, rolled_up
from vedette.domain.event import Event, EventType
from vedette.domain.ids import RunnerId, ScenarioId, SourceId, Token
from vedette.domain.parameters import Parameters
from vedette.domain.scenario import Scenario, ScenarioState, Wanted
from vedette.store.schema import runs
from vedette.store.sqlite import SqliteStore
from vedette.store.statements.counting import (
    count_buckets,
    coverage_intervals,
    event_rows,
    wide_buckets,
)
from vedette.store.statements.results import Commit, commit
from vedette.store.statements.scenarios import add_scenario, add_source

ONE, OTHER = ScenarioId("scenario-1"), ScenarioId("scenario-2")
MINUTE_MS, HOUR_MS = 60_000, 3_600_000


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    """Give a store in which two scenarios run."""
    store = SqliteStore(tmp_path)
    store.migrate()
    for scenario_id in (ONE, OTHER):
        source_id = SourceId(f"source-of-{scenario_id}")
        scenario = Scenario(scenario_id, source_id, ScenarioState.ACTIVE, Wanted.ACTIVE, run=1)
        store.write(lambda t, s=source_id: add_source(t, s, name="camera", address="rtsp://a"))
        store.write(lambda t, s=scenario: add_scenario(t, s, Parameters()))
        begun = {"scenario_id": scenario_id, "run": 1, "parameters": "{}", "started_at_ms": 0}
        store.write(lambda t, b=begun: t.connection.execute(insert(runs).values(b)) and None)
    yield store
    store.close()


def save(
    store: SqliteStore,
    *,
    scenario_id: ScenarioId = ONE,
    counts: Sequence[CountBucket] = (),
    covered: Sequence[tuple[int, int]] = (),
    events: Sequence[tuple[Event, int | None]] = (),
) -> None:
    news = Commit(
        scenario_id, 1, SourceId(f"source-of-{scenario_id}"), Token(0), RunnerId("runner"),
        part=None, part_number=0, events=events, counts=counts, covered=covered,
        checkpoint=b"", totals="{}", facts="{}",
    )  # fmt: skip
    store.write(lambda t: commit(t, news))


def bucket(
    start_ms: int = 0,
    kind: CountKind = CountKind.OBJECT,
    *,
    place: str = "",
    label: str = "person",
    mean: float | None = 1.0,
    least: int | None = 1,
    most: int | None = 1,
    distinct: int = 0,
    entered: int = 0,
    covered_s: float = 10.0,
) -> CountBucket:
    return CountBucket(
        start_ms, kind, place, label, mean, least, most, entered, 0, 0, 0, distinct, covered_s
    )


def unknown(start_ms: int, **more: Any) -> CountBucket:
    return bucket(start_ms, mean=None, least=None, most=None, covered_s=0.0, **more)


def happening(sequence: int, **changes: object) -> Event:
    one = Event(sequence, EventType.ZONE_ENTERED, sequence, sequence / 10, 7, "person", "door")
    return replace(one, **changes)


def pages_of(read: Callable[[Any], list[Any]]) -> list[list[Any]]:
    """Give page after page of what `read` gives behind a key."""
    pages: list[list[Any]] = []
    while page := read(pages[-1][-1].key if pages else None):
        pages.append(page)
        assert len(pages) < 500, "the pages never end"
    return pages


def test_buckets_come_back_whole_and_the_last_word_holds(store: SqliteStore) -> None:
    save(store, counts=[bucket(0, covered_s=3.0), unknown(10_000, distinct=2)])
    save(store, counts=[bucket(0, mean=1 / 3, least=0, covered_s=9.04)])

    found = store.read(lambda t: count_buckets(t, limit=10))

    assert [one.bucket for one in found] == [
        bucket(0, mean=1 / 3, least=0, covered_s=9.04),
        unknown(10_000, distinct=2),
    ]
    assert [(one.scenario_id, one.run) for one in found] == [(ONE, 1)] * 2


def test_buckets_are_chosen_by_all_that_one_may_ask(store: SqliteStore) -> None:
    door = bucket(10_000, CountKind.ZONE, place="door", label="car")
    save(store, counts=[bucket(0), bucket(10_000), door, bucket(20_000)])
    save(store, scenario_id=OTHER, counts=[bucket(0)])

    def starts(**asked: object) -> list[tuple[str, int, str]]:
        found = store.read(lambda t: count_buckets(t, limit=10, **asked))
        return [(one.scenario_id, one.bucket.start_ms, one.bucket.place) for one in found]

    everything = [(ONE, 0, ""), (ONE, 10_000, ""), (ONE, 10_000, "door"), (ONE, 20_000, "")]
    assert starts() == [*everything, (OTHER, 0, "")]
    assert starts(scenario_id=ONE) == everything
    assert starts(scenario_id=ONE, run=2) == []
    assert starts(kind=CountKind.ZONE) == [(ONE, 10_000, "door")]
    assert starts(place="door") == [(ONE, 10_000, "door")]
    assert starts(place="", scenario_id=OTHER) == [(OTHER, 0, "")]
    assert starts(label="car") == [(ONE, 10_000, "door")]
    # Every bucket that touches the time asked for.
    assert starts(scenario_id=ONE, from_ms=19_999, to_ms=20_000) == everything[1:3]
    assert starts(scenario_id=ONE, from_ms=20_000) == everything[3:]


def test_pages_of_buckets_join_to_the_whole(store: SqliteStore) -> None:
    kinds = [(CountKind.OBJECT, ""), (CountKind.ZONE, "a"), (CountKind.ZONE, "b")]
    some = [
        bucket(start_ms, kind, place=place, label=label)
        for start_ms in range(0, 200_000, BUCKET_MS)
        for kind, place in kinds
        for label in ("person", "car")
    ]
    save(store, counts=some)
    save(store, scenario_id=OTHER, counts=some)

    whole = store.read(lambda t: count_buckets(t, limit=1000))
    pages = pages_of(lambda after: store.read(lambda t: count_buckets(t, limit=7, after=after)))

    assert len(whole) == 240
    assert (
        [one for page in pages for one in page] == whole == sorted(whole, key=lambda one: one.key)
    )


@pytest.mark.parametrize("width_ms", [BUCKET_MS, MINUTE_MS, HOUR_MS])
def test_pages_of_wide_buckets_never_cut_one(store: SqliteStore, width_ms: int) -> None:
    some = [
        bucket(start_ms, label=label, mean=start_ms / 7, distinct=1, covered_s=0.1 + start_ms % 7)
        if start_ms % 30_000
        else unknown(start_ms, label=label)
        for start_ms in range(30_000, 7_300_000, 50_000)
        for label in ("car", "person")
    ]
    save(store, counts=some)
    save(store, scenario_id=OTHER, counts=some[:20])

    pages = pages_of(
        lambda after: store.read(lambda t: wide_buckets(t, width_ms=width_ms, limit=3, after=after))
    )

    found = [one for page in pages for one in page]
    assert all(len(page) == 3 for page in pages[:-1])
    for scenario_id, of in ((ONE, some), (OTHER, some[:20])):
        mine = [one.bucket for one in found if one.scenario_id == scenario_id]
        assert_alike(rolled_up(of, width_ms), mine)
        assert width_ms != BUCKET_MS or rolled_up(of, width_ms) == mine
    assert found == sorted(found, key=lambda one: one.key)


def assert_alike(expected: list[WideBucket], actual: list[WideBucket]) -> None:
    """See that all is the same but the last bits of a mean."""
    assert len(expected) == len(actual)
    for one, other in zip(expected, actual, strict=True):
        assert (one.now_mean is None) == (other.now_mean is None)
        assert math.isclose(one.now_mean or 0.0, other.now_mean or 0.0, rel_tol=1e-12)
        assert one == replace(other, now_mean=one.now_mean)


def test_wide_buckets_are_whole_wherever_the_time_asked_for_begins(store: SqliteStore) -> None:
    save(store, counts=[bucket(at, distinct=1) for at in range(0, 240_000, BUCKET_MS)])

    found = store.read(
        lambda t: wide_buckets(t, width_ms=MINUTE_MS, from_ms=90_000, to_ms=130_000, limit=9)
    )

    assert [(one.bucket.start_ms, one.bucket.distinct) for one in found] == [
        (60_000, 6),
        (120_000, 6),
    ]


def test_a_minute_weighs_each_bucket_by_what_was_seen_of_it() -> None:
    found = rolled_up(
        [
            bucket(0, mean=2.0, least=1, most=3, distinct=2, covered_s=10.0),
            bucket(10_000, mean=5.0, least=5, most=5, entered=1, covered_s=5.0),
            unknown(50_000, distinct=1),
        ],
        MINUTE_MS,
    )

    assert found == [
        WideBucket(
            0, MINUTE_MS, CountKind.OBJECT, "", "person",
            now_mean=3.0, now_min=1, now_max=5,
            entered=1, left=0, crossed_in=0, crossed_out=0, distinct=3, covered_s=15.0,
        )
    ]  # fmt: skip
    assert found[0].coverage == 0.25


def test_what_was_not_seen_is_unknown_and_never_zero() -> None:
    noticed, silent = rolled_up([unknown(0, entered=2)], MINUTE_MS, from_ms=0, to_ms=60_001)

    assert (noticed.entered, noticed.left, noticed.now_mean) == (2, None, None)
    assert (silent.start_ms, silent.entered, silent.now_min, silent.coverage) == (
        60_000, None, None, 0.0,
    )  # fmt: skip


def test_buckets_left_as_they_are_say_the_same() -> None:
    one = bucket(20_000, mean=0.1, least=0, covered_s=9.9)

    (same,) = rolled_up([one], BUCKET_MS)

    assert (same.start_ms, same.now_mean, same.coverage) == (20_000, 0.1, 0.99)


some_buckets = st.dictionaries(
    st.tuples(st.integers(0, 800), st.sampled_from(["car", "person"])),
    st.tuples(st.integers(0, 10_000), st.integers(0, 9), st.integers(0, 9), st.integers(0, 3)),
    max_size=40,
).map(
    lambda drawn: [
        bucket(
            number * BUCKET_MS, label=label, distinct=distinct, covered_s=covered_ms / 1000,
            mean=(least + most) / 3 if covered_ms else None,
            least=min(least, most) if covered_ms else None,
            most=max(least, most) if covered_ms else None,
        )
        for (number, label), (covered_ms, least, most, distinct) in drawn.items()
    ]
)  # fmt: skip


@given(buckets=some_buckets, width_ms=st.sampled_from([BUCKET_MS, MINUTE_MS, HOUR_MS]))
def test_rolling_up_loses_nothing(buckets: list[CountBucket], width_ms: int) -> None:
    wide = rolled_up(reversed(buckets), width_ms)

    assert wide == rolled_up(buckets, width_ms)
    assert sum(one.distinct or 0 for one in wide) == sum(one.distinct for one in buckets)
    assert math.isclose(
        math.fsum((one.now_mean or 0) * one.covered_s for one in wide),
        math.fsum((one.now_mean or 0) * one.covered_s for one in buckets),
    )
    for one in wide:
        assert one.start_ms % width_ms == 0
        assert 0 <= one.coverage <= 1
        assert (one.covered_s == 0) == (one.now_mean is None)


def test_coverage_tiles_the_time_asked_for(store: SqliteStore) -> None:
    # Two commits of one stretch, a gap, and one that another scenario must not show.
    save(store, covered=[(1000, 2000)])
    save(store, covered=[(2000, 3000), (5000, 6000)])
    save(store, scenario_id=OTHER, covered=[(3000, 5000)])

    found = store.read(lambda t: coverage_intervals(t, ONE, 1, from_ms=1500, to_ms=7000))

    assert found == [
        Interval(1500, 3000, covered=True),
        Interval(3000, 5000, covered=False),
        Interval(5000, 6000, covered=True),
        Interval(6000, 7000, covered=False),
    ]
    assert store.read(lambda t: coverage_intervals(t, ONE, 2, from_ms=0, to_ms=9000)) == [
        Interval(0, 9000, covered=False)
    ]


def test_what_was_covered_by_looks_is_read_back_however_often_it_was_committed(
    store: SqliteStore,
) -> None:
    often, once = Covered(gap_max_s=2.0), Covered(gap_max_s=2.0)
    # Also a clock an hour ahead for a while, and back.
    looks = [
        *range(0, 9000, 500),
        *range(15_000, 20_000, 900),
        3_600_000,
        3_601_000,
        21_000,
        22_000,
    ]
    for at_ms in looks:
        once.look(at_ms)
        often.look(at_ms)
        save(store, covered=often.taken())
    save(store, scenario_id=OTHER, covered=once.taken())

    found = [
        store.read(lambda t, of=of: coverage_intervals(t, of, 1, from_ms=-500, to_ms=4_000_000))
        for of in (ONE, OTHER)
    ]

    assert found[0] == found[1]
    assert [(one.from_ms, one.to_ms) for one in found[0] if one.covered] == [
        (0, 8500), (15_000, 19_500), (21_000, 22_000), (3_600_000, 3_601_000),
    ]  # fmt: skip


def test_events_are_chosen_by_all_that_one_may_ask(store: SqliteStore) -> None:
    save(store, events=[
        (happening(0, type=EventType.TRACK_STARTED, place=None), 1000),
        (happening(1), 2000),
        (happening(2, label="car", place="lane"), 3000),
        (happening(3, type=EventType.LINE_CROSSED, direction="in"), None),
    ])  # fmt: skip
    save(store, scenario_id=OTHER, events=[(happening(0, dwell_s=1.5), 1500)])

    def asked(**what: object) -> list[tuple[str, int]]:
        found = store.read(lambda t: event_rows(t, limit=10, **what))
        return [(one.scenario_id, one.event.sequence) for one in found]

    assert asked() == [(ONE, 0), (ONE, 1), (ONE, 2), (ONE, 3), (OTHER, 0)]
    assert asked(scenario_id=ONE, run=1, from_sequence=2) == [(ONE, 2), (ONE, 3)]
    assert asked(run=2) == []
    assert asked(type=EventType.ZONE_ENTERED) == [(ONE, 1), (ONE, 2), (OTHER, 0)]
    assert asked(label="car") == [(ONE, 2)]
    assert asked(place="door") == [(ONE, 1), (ONE, 3), (OTHER, 0)]
    assert asked(from_ms=1500, to_ms=3000) == [(ONE, 1), (OTHER, 0)]


def test_events_come_back_whole_and_pages_join(store: SqliteStore) -> None:
    happened = [
        happening(at, direction="out" if at % 2 else None, dwell_s=at / 3) for at in range(20)
    ]
    save(store, events=[(one, 1000 + one.frame) for one in happened[:9]])
    save(store, events=[(one, None) for one in happened[9:]])

    pages = pages_of(lambda after: store.read(lambda t: event_rows(t, limit=6, after=after)))

    assert [len(page) for page in pages] == [6, 6, 6, 2]
    assert [one.event for page in pages for one in page] == happened
    assert pages[0][3].captured_at_ms == 1003
    assert pages[3][1].captured_at_ms is None
    assert len({one.id for page in pages for one in page}) == 20
