"""Counts in buckets: by hand, against a plain reckoning, and through every interruption."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.drawn import through_a_file
from analytics.test_state import PLAN as BUSY_PLAN
from analytics.test_state import Sight, look, wandering
from vedette.analytics.buckets import Buckets
from vedette.analytics.scene import Analyzer
from vedette.domain.count import BUCKET_MS, CountBucket, CountKind
from vedette.domain.detection import State
from vedette.domain.errors import BadInput
from vedette.domain.event import Event, EventType
from vedette.domain.scene import Counts, Scene, SceneObject
from vedette.domain.zone import Line, ScenePlan, Zone

GAP_S = 2.0
SQUARE = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0))
# A zone and a line of the same name are two places.
PLAN = ScenePlan(
    zones=(Zone("door", SQUARE), Zone("lane", SQUARE, labels=("car",))),
    lines=(Line("door", (0, 0), (1, 1)),),
)
OPEN_PLAN = ScenePlan(zones=(Zone("door", SQUARE),), lines=(Line("door", (0, 0), (1, 1)),))

Key = tuple[int, str, str, str]


def buckets(plan: ScenePlan = OPEN_PLAN, *, live: bool = False, spacing_s: float = 0.0) -> Buckets:
    return Buckets(plan, gap_max_s=GAP_S, live=live, spacing_s=spacing_s)


def person(
    zones: tuple[str, ...] = (), *, track_id: int | None = 1, label: str = "person"
) -> SceneObject:
    return SceneObject(label, 0.9, (0.0, 0.0, 1.0, 1.0), track_id, zones)


def scene(*objects: SceneObject, events: Iterable[Event] = ()) -> Scene:
    return Scene(objects=objects, events=tuple(events), counts=Counts())


def event(
    kind: EventType, *, place: str | None = None, direction: str | None = None,
    label: str = "person",
) -> Event:  # fmt: skip
    return Event(0, kind, 0, 0.0, 1, label, place, direction)


def watch(counted: Buckets, looks: Sequence[tuple[float, Scene]]) -> None:
    for at_s, seen in looks:
        counted.observe(round(at_s * 1000), seen, pts_s=at_s)


def keyed(given: Iterable[CountBucket]) -> dict[Key, CountBucket]:
    """Give what a store holds in the end: later ones replace earlier ones."""
    return {(one.start_ms, str(one.kind), one.place, one.label): one for one in given}


def whole_picture(counted: Buckets, *, label: str = "person") -> list[CountBucket]:
    return [one for one in counted.changed() if one.kind is CountKind.OBJECT and one.label == label]


def test_a_look_holds_until_the_next_one() -> None:
    counted = buckets()

    watch(counted, [
        (0.0, scene(person())),
        (1.0, scene(person(), person(track_id=2), person(track_id=3))),
        (2.0, scene(person())),
        (4.0, scene()),
    ])  # fmt: skip

    # 1 for a second, 3 for a second, 1 for two: 6 object seconds in 4; the last one held for none.
    assert whole_picture(counted) == [
        CountBucket(0, CountKind.OBJECT, "", "person", 1.5, 1, 3, 0, 0, 0, 0, 0, 4.0)
    ]


def test_a_look_holds_across_the_border_of_buckets() -> None:
    counted = buckets()

    watch(counted, [(9.0, scene(person())), (10.5, scene()), (11.0, scene())])

    assert [
        (one.start_ms, one.now_mean, one.now_min, one.now_max, one.covered_s)
        for one in whole_picture(counted)
    ] == [(0, 1.0, 1, 1, 1.0), (10_000, 0.5, 0, 1, 1.0)]


def test_zones_and_lines_of_one_name_are_counted_apart() -> None:
    counted = buckets()

    watch(counted, [
        (0.0, scene(person(("door",)), person(track_id=2), events=[
            event(EventType.TRACK_STARTED),
            event(EventType.ZONE_ENTERED, place="door"),
        ])),
        (1.0, scene(person(), events=[
            event(EventType.ZONE_LEFT, place="door"),
            event(EventType.LINE_CROSSED, place="door", direction="in"),
            event(EventType.LINE_CROSSED, place="door", direction="out"),
            event(EventType.LINE_CROSSED, place="door", direction="in"),
        ])),
        (2.0, scene()),
    ])  # fmt: skip

    assert counted.changed() == [
        CountBucket(0, CountKind.LINE, "door", "person", None, None, None, 0, 0, 2, 1, 0, 2.0),
        CountBucket(0, CountKind.OBJECT, "", "person", 1.5, 1, 2, 0, 0, 0, 0, 1, 2.0),
        CountBucket(0, CountKind.ZONE, "door", "person", 0.5, 0, 1, 1, 1, 0, 0, 0, 2.0),
    ]


def test_nobody_is_zero_with_coverage_from_when_the_label_is_known() -> None:
    counted = buckets()

    watch(counted, [(at, scene(person()) if at == 7 else scene()) for at in range(22)])

    assert [
        (one.start_ms, one.now_mean, one.now_min, one.now_max, one.covered_s)
        for one in whole_picture(counted)
    ] == [(0, 1 / 3, 0, 1, 3.0), (10_000, 0.0, 0, 0, 10.0), (20_000, 0.0, 0, 0, 1.0)]
    watch(counted, [(22, scene(person(label="car")))])
    assert keyed(counted.changed()).keys() == {
        (20_000, "object", "", "person"),
        (20_000, "zone", "door", "person"),
        (20_000, "line", "door", "person"),
    }


def test_labels_that_the_places_name_or_the_caller_asks_for_are_known_at_once() -> None:
    counted = Buckets(PLAN, gap_max_s=GAP_S, live=False, labels=("person",))

    watch(counted, [(0.0, scene()), (1.0, scene())])

    assert [
        (str(one.kind), one.place, one.label, one.now_mean, one.covered_s)
        for one in counted.changed()
    ] == [
        ("line", "door", "car", None, 1.0),
        ("line", "door", "person", None, 1.0),
        ("object", "", "car", 0.0, 1.0),
        ("object", "", "person", 0.0, 1.0),
        ("zone", "door", "car", 0.0, 1.0),
        ("zone", "door", "person", 0.0, 1.0),
        ("zone", "lane", "car", 0.0, 1.0),
    ]


def test_what_a_frozen_camera_showed_last_is_not_counted_on() -> None:
    counted = buckets()

    watch(counted, [(0, scene(person())), (1, scene(person())), (35, scene()), (36, scene())])

    assert [(one.start_ms, one.now_mean, one.covered_s) for one in whole_picture(counted)] == [
        (0, 1.0, 1.0),
        (30_000, 0.0, 1.0),
    ]


def test_a_bucket_in_which_something_happened_but_nothing_is_covered_is_unknown() -> None:
    counted = buckets()

    watch(counted, [
        (5, scene(person(), events=[event(EventType.TRACK_STARTED)])),
        (15, scene(person(track_id=2))),
    ])  # fmt: skip

    assert counted.changed() == [
        CountBucket(0, CountKind.OBJECT, "", "person", None, None, None, 0, 0, 0, 0, 1, 0.0)
    ]


def test_a_source_thinned_on_purpose_is_covered() -> None:
    counted = buckets(spacing_s=5.0)

    watch(counted, [(at, scene(person())) for at in (0, 5, 10, 15, 20)])

    assert [one.covered_s for one in whole_picture(counted)] == [10.0, 10.0]


def test_objects_without_a_confirmed_track_are_not_counted() -> None:
    counted = buckets()

    watch(counted, [(at, scene(person(), person(("door",), track_id=None))) for at in range(3)])

    assert [(one.kind, one.now_max) for one in counted.changed()] == [
        (CountKind.LINE, None),
        (CountKind.OBJECT, 1),
        (CountKind.ZONE, 0),
    ]


def test_a_track_that_leaves_a_zone_under_another_label_has_left() -> None:
    counted = buckets(PLAN)

    watch(counted, [
        (0, scene(person(("lane",), label="car"))),
        (1, scene(person(label="truck"), events=[
            event(EventType.ZONE_LEFT, place="lane", label="truck"),
        ])),
        (2, scene(person(label="truck"))),
    ])  # fmt: skip

    lane = {one.label: one for one in counted.changed() if one.place == "lane"}
    assert (lane["car"].now_max, lane["car"].left) == (1, 0)
    assert (lane["truck"].now_max, lane["truck"].left, lane["truck"].covered_s) == (0, 1, 1.0)


def test_going_on_forgets_no_label_that_is_known() -> None:
    counted = buckets(PLAN)
    watch(counted, [(0, scene(person(label="truck"))), (1, scene(person(label="truck")))])
    state = counted.export_state()
    fresh = buckets(PLAN)
    fresh.load_state(state)

    # The lane counts no trucks, so that this is a place of its own.
    leaving = event(EventType.ZONE_LEFT, place="lane", label="truck")
    for one in (counted, fresh):
        watch(one, [(2, scene(events=[leaving]))])

    assert counted.changed() == fresh.changed()


def test_the_open_bucket_comes_again_and_a_closed_one_once() -> None:
    counted = buckets()
    watch(counted, [(8, scene(person())), (9, scene(person()))])
    first = whole_picture(counted)
    unchanged = counted.changed()
    watch(counted, [(10, scene(person())), (11, scene(person()))])
    second = whole_picture(counted)
    watch(counted, [(12, scene(person()))])
    third = whole_picture(counted)

    assert [(one.start_ms, one.covered_s) for one in first] == [(0, 1.0)]
    assert unchanged == []
    assert [(one.start_ms, one.covered_s) for one in second] == [(0, 2.0), (10_000, 1.0)]
    assert [(one.start_ms, one.covered_s) for one in third] == [(10_000, 2.0)]


def test_a_clock_that_steps_back_changes_no_closed_bucket_and_loses_no_event() -> None:
    crossing = event(EventType.LINE_CROSSED, place="door", direction="in")
    counted = buckets(live=True)
    given: list[CountBucket] = []
    real_s = 0.0
    # Ten minutes back after one minute, and on for eleven.
    for wall_s in [*range(1000, 1060), *range(460, 1120)]:
        counted.observe(wall_s * 1000, scene(person(), events=[crossing]), pts_s=real_s)
        given += counted.changed()
        real_s += 1.0

    final = keyed(given)
    assert sum(one.crossed_in for one in final.values()) == 720
    assert all(one.covered_s <= 10.0 for one in final.values())
    # Ten minutes were never under the right clock before: they are seen and counted.
    starts = sorted({one.start_ms for one in final.values()})
    assert starts == list(range(460_000, 1_120_000, BUCKET_MS))
    closed = (1_040_000, "object", "", "person")
    assert [one.covered_s for one in given if keyed([one]).keys() == {closed}][-1] == 10.0


def test_a_clock_that_steps_back_over_an_outage_does_not_hide_it() -> None:
    counted = buckets(live=True)

    counted.observe(0, scene(person()), pts_s=0.0)
    counted.observe(1000, scene(person()), pts_s=60.0)
    counted.observe(1500, scene(), pts_s=60.5)

    assert [(one.now_mean, one.covered_s) for one in whole_picture(counted)] == [(1.0, 0.5)]


def test_nothing_is_counted_across_a_break() -> None:
    counted = buckets(live=True)

    counted.observe(0, scene(person()), pts_s=0.0)
    counted.break_off()
    counted.observe(1000, scene(person(), person(track_id=2)), pts_s=1.0)
    counted.observe(1500, scene(), pts_s=1.5)

    assert [(one.now_mean, one.covered_s) for one in whole_picture(counted)] == [(2.0, 0.5)]


class Reckoning:
    """The same counts, reckoned plainly for time that only grows."""

    def __init__(self) -> None:
        self.known: set[str] = set()
        self.sums: dict[tuple[int, str], Fraction] = {}
        self.covered: dict[tuple[int, str], Fraction] = {}
        self.values: dict[tuple[int, str], set[int]] = {}

    def take_up(self, looks: Sequence[tuple[int, dict[str, int]]]) -> None:
        for (at_ms, there), (next_ms, _) in pairwise(looks):
            self.known |= there.keys()
            if next_ms - at_ms > GAP_S * 1000:
                continue
            for start_ms in range(at_ms - at_ms % BUCKET_MS, next_ms, BUCKET_MS):
                held_ms = min(next_ms, start_ms + BUCKET_MS) - max(at_ms, start_ms)
                if held_ms <= 0:
                    continue
                for label in self.known:
                    key = (start_ms, label)
                    value = there.get(label, 0)
                    self.sums[key] = self.sums.get(key, Fraction()) + value * held_ms
                    self.covered[key] = self.covered.get(key, Fraction()) + held_ms
                    self.values.setdefault(key, set()).add(value)


LABELS = ("person", "car")
looks_in_order = st.lists(
    st.tuples(
        st.one_of(st.integers(0, 900), st.integers(0, 14_000)),
        st.dictionaries(st.sampled_from(LABELS), st.integers(1, 3)),
    ),
    max_size=50,
)


@given(looks=looks_in_order, asked=st.sets(st.integers(0, 49)))
def test_buckets_are_what_a_plain_reckoning_gives(
    looks: list[tuple[int, dict[str, int]]], asked: set[int]
) -> None:
    at_ms, sequence, counted, given = 0, [], buckets(), []
    for number, (step_ms, there) in enumerate(looks):
        at_ms += step_ms
        sequence.append((at_ms, there))
        objects = [
            person(track_id=at, label=label) for label, many in there.items() for at in range(many)
        ]
        counted.observe(at_ms, scene(*objects), pts_s=at_ms / 1000)
        if number in asked:
            given += counted.changed()
    given += counted.changed()
    plain = Reckoning()
    plain.take_up(sequence)

    mine = {
        (one.start_ms, one.label): one
        for one in keyed(given).values() if one.kind is CountKind.OBJECT
    }  # fmt: skip
    assert mine.keys() == plain.covered.keys()
    for key, one in mine.items():
        assert one.now_mean == float(plain.sums[key] / plain.covered[key])
        assert (one.now_min, one.now_max) == (min(plain.values[key]), max(plain.values[key]))
        assert one.covered_s == float(plain.covered[key] / 1000)


wild_looks = st.lists(
    st.tuples(
        st.one_of(st.integers(-500, 2500), st.integers(-40_000, 40_000)),
        st.integers(0, 3),
        st.booleans(),
    ),
    max_size=50,
)


def wild_scenes(looks: list[tuple[int, int, bool]]) -> list[tuple[int, Scene]]:
    at_ms, sequence = 1_000_000, []
    for step_ms, there, crossed in looks:
        at_ms += step_ms
        crossing = event(EventType.LINE_CROSSED, place="door", direction="out")
        objects = [person(("door",), track_id=at) for at in range(there)]
        sequence.append((at_ms, scene(*objects, events=[crossing] * crossed)))
    return sequence


@settings(deadline=None)
@given(
    looks=wild_looks,
    asked=st.sets(st.integers(0, 49)),
    saved=st.sets(st.integers(0, 49)),
    broken=st.sets(st.integers(0, 49), max_size=3),
)
def test_asking_and_saving_at_any_moment_changes_nothing_under_any_clock(
    looks: list[tuple[int, int, bool]], asked: set[int], saved: set[int], broken: set[int]
) -> None:
    whole, split, given, late = buckets(live=True), buckets(live=True), [], []
    sequence = wild_scenes(looks)
    for number, (at_ms, seen) in enumerate(sequence):
        for counted in (whole, split):
            if number in broken:
                counted.break_off()
            counted.observe(at_ms, seen, pts_s=number / 10)
        if number in asked:
            given += split.changed()
        if number in saved:
            state = through_a_file(split.export_state())
            split = buckets(live=True)
            split.load_state(state)
    given += split.changed()
    late += whole.changed()

    final = keyed(late)
    assert final == keyed(given)
    assert len(final) == len(late)
    crossings = sum(event.direction == "out" for _, seen in sequence for event in seen.events)
    assert sum(one.crossed_out for one in final.values()) == crossings
    assert all(0 <= one.covered_s <= BUCKET_MS / 1000 for one in final.values())


def test_going_on_from_a_saved_state_at_every_frame_gives_the_same_buckets() -> None:
    sequence, scenes = analysed(4, 300)
    whole = buckets(BUSY_PLAN)
    given, expected_given = [], []
    state = buckets(BUSY_PLAN).export_state()
    for number, ((pts_s, _, _), seen) in enumerate(zip(sequence, scenes, strict=True)):
        fresh = buckets(BUSY_PLAN)
        fresh.load_state(through_a_file(state))
        for counted in (whole, fresh):
            counted.observe(round(pts_s * 1000), seen, pts_s=pts_s)
        if number % 7 == 0:  # A commit.
            expected_given.append(whole.changed())
            given.append(fresh.changed())
        state = fresh.export_state()
    undisturbed = buckets(BUSY_PLAN)
    for (pts_s, _, _), seen in zip(sequence, scenes, strict=True):
        undisturbed.observe(round(pts_s * 1000), seen, pts_s=pts_s)

    assert expected_given == given
    assert_same(whole.export_state(), state)
    union = keyed(one for some in [*given, fresh.changed()] for one in some)
    assert repr(sorted(keyed(undisturbed.changed()).items())) == repr(sorted(union.items()))


def test_buckets_add_up_to_what_the_analyzer_counts() -> None:
    sequence, scenes = analysed(4, 300)
    counted = buckets(BUSY_PLAN)
    for (pts_s, _, _), seen in zip(sequence, scenes, strict=True):
        counted.observe(round(pts_s * 1000), seen, pts_s=pts_s)

    given, totals = counted.changed(), scenes[-1].counts
    assert sum(one.distinct for one in given) == sum(
        one.distinct for one in totals.objects.values()
    )
    for name, zone in totals.zones.items():
        there = [one for one in given if one.kind is CountKind.ZONE and one.place == name]
        assert sum(one.entered for one in there) == zone.entered
        assert sum(one.left for one in there) == zone.left
    for name, line in totals.lines.items():
        there = [one for one in given if one.kind is CountKind.LINE and one.place == name]
        assert sum(one.crossed_in for one in there) == line.crossed_in
        assert sum(one.crossed_out for one in there) == line.crossed_out
    assert all(
        sum(getattr(one, name) for one in given) > 0
        for name in ("distinct", "entered", "left", "crossed_in", "crossed_out")
    )
    assert sum(one.now_max or 0 for one in given if one.kind is CountKind.ZONE) > 0


def analysed(seed: int, looks: int) -> tuple[list[Sight], list[Scene]]:
    """Give a drawn scene and what the real analyzer says of it."""
    sequence = wandering(seed, looks)
    analyzer = Analyzer(BUSY_PLAN, confidence=0.5)
    return sequence, [look(analyzer, number, one) for number, one in enumerate(sequence)]


def assert_same(expected: State, actual: State) -> None:
    assert expected.keys() == actual.keys()
    for name, array in expected.items():
        assert array.dtype == actual[name].dtype, name
        assert array.tobytes() == actual[name].tobytes(), name


@pytest.mark.parametrize("column", range(12))
def test_no_number_of_a_row_could_be_forgotten_unnoticed(column: int) -> None:
    assert any(
        shows(number, lambda state: state["rows"].__setitem__((slice(None), column), 0))
        for number in range(60)
    )


@pytest.mark.parametrize("name", ["start_ms", "covered_ms", "rows", "keys", "seen.last_ms"])
def test_no_array_could_be_forgotten_unnoticed(name: str) -> None:
    empty = buckets().export_state()[name]

    assert any(
        shows(number, lambda state: state.__setitem__(name, empty)) for number in range(1, 60)
    )


def shows(number: int, forget: Callable[[State], None]) -> bool:
    """Tell whether a state in which something is forgotten gives other buckets."""
    crossing = event(EventType.LINE_CROSSED, place="door", direction="in")
    back = event(EventType.LINE_CROSSED, place="door", direction="out")
    entry, leaving = (
        event(kind, place="door") for kind in (EventType.ZONE_ENTERED, EventType.ZONE_LEFT)
    )
    begun = event(EventType.TRACK_STARTED)
    sequence = [
        (
            at * 700,
            scene(
                *[person(("door",), track_id=track) for track in range(2 - at % 2)],
                *([person(track_id=9, label="car")] if at > 5 else []),
                events=[[crossing], [back], [entry], [leaving], [begun], []][at % 6],
            ),
        )
        for at in range(63)
    ]
    whole = buckets()
    for at_ms, seen in sequence[:number]:
        whole.observe(at_ms, seen, pts_s=at_ms / 1000)
        whole.changed()
    # An event that is not given yet.
    whole.observe(sequence[number][0], sequence[number][1], pts_s=0.0)
    state = whole.export_state()
    forget(state)
    fresh = buckets()
    try:
        fresh.load_state(state)
        for at_ms, seen in sequence[number + 1 : number + 3]:
            expected = (whole.changed(), whole.observe(at_ms, seen, pts_s=0.0), whole.changed())
            actual = (fresh.changed(), fresh.observe(at_ms, seen, pts_s=0.0), fresh.changed())
            if expected != actual:
                return True
    except ValueError:  # Arrays that no longer fit each other show, too.
        return True
    return False


def test_a_state_made_for_other_places_is_refused() -> None:
    with pytest.raises(BadInput, match="other zones or lines"):
        buckets(PLAN).load_state(buckets(OPEN_PLAN).export_state())


def test_a_state_of_another_version_is_refused() -> None:
    state = buckets().export_state() | {"version": np.array(99)}

    with pytest.raises(BadInput, match="version 99"):
        buckets().load_state(state)
