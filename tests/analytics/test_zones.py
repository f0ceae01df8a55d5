"""Zones: who is in, who came and went, for how long; and what is only jitter."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.drawn import HEIGHT, WIDTH, Box, events, watch
from vedette.analytics.places import border_distance, edges, inside
from vedette.analytics.scene import Analyzer
from vedette.domain.event import Event, EventType
from vedette.domain.scene import Scene, ZoneCount
from vedette.domain.zone import ScenePlan, Zone

RIGHT_HALF = Zone("right", ((0.5, 0), (1, 0), (1, 1), (0.5, 1)))
MIDDLE = Zone("middle", ((0.25, 0.25), (0.75, 0.25), (0.75, 0.75), (0.25, 0.75)))


def analyzer(*zones: Zone) -> Analyzer:
    return Analyzer(ScenePlan(zones=zones), confidence=0.5)


def moves(scenes: list[Scene]) -> list[Event]:
    return [one for one in events(scenes) if one.place is not None]


def test_a_walk_through_a_zone_is_one_entry_one_leaving_and_the_time_between() -> None:
    # 100 px/s from x = 20: at the zone's left side (160 px) after 1.4 s, its right after 4.6 s.
    looks = [(k * 0.04, [Box(20 + 4 * k, 240)]) for k in range(150)]

    scenes = watch(analyzer(MIDDLE), looks)

    entered, left = moves(scenes)
    assert (entered.type, left.type) == (EventType.ZONE_ENTERED, EventType.ZONE_LEFT)
    assert entered.place == left.place == "middle"
    assert entered.pts_s == pytest.approx(1.4, abs=0.2)
    assert left.dwell_s == pytest.approx(3.2, abs=0.05)
    assert scenes[-1].counts.zones == {"middle": ZoneCount(0, 1, 1, 1, left.dwell_s)}
    assert scenes[70].objects[0].zones == ("middle",)
    assert scenes[0].objects[0].zones == scenes[-1].objects[0].zones == ()


@pytest.mark.parametrize("fps", [1, 2, 5, 25])
def test_dwell_is_the_same_at_every_frame_rate_but_for_a_look(fps: int) -> None:
    times = np.arange(0, 12, 1 / fps)
    looks = [(float(t), [Box(20 + 50 * t, 240)]) for t in times]

    (entered, left) = moves(watch(analyzer(MIDDLE), looks))

    assert left.dwell_s == pytest.approx(6.4, abs=1 / fps + 0.05)
    assert entered.pts_s == pytest.approx(2.8, abs=1 / fps + 0.3)


def test_jitter_on_the_border_is_one_entry_at_most() -> None:
    rng = np.random.default_rng(0)
    looks = [(k * 0.04, [Box(320 + float(rng.normal(0, 2.5)), 240)]) for k in range(500)]

    scenes = watch(analyzer(RIGHT_HALF), looks)

    assert scenes[-1].counts.zones["right"].entered <= 1
    assert scenes[-1].counts.zones["right"].left == 0


def test_without_a_margin_the_same_jitter_would_be_many_entries() -> None:
    rng = np.random.default_rng(0)
    sides = [320 + float(rng.normal(0, 2.5)) > 320 for _ in range(500)]

    assert sum(now and not was for was, now in itertools.pairwise(sides)) > 50


def test_whoever_stays_just_inside_is_inside_after_a_while_dated_back() -> None:
    looks = [(k * 0.04, [Box(280 if k < 25 else 323, 240)]) for k in range(200)]

    scenes = watch(analyzer(RIGHT_HALF), looks)

    (entered,) = moves(scenes)
    assert entered.pts_s == pytest.approx(3.0, abs=0.05)
    assert scenes[-1].counts.zones["right"].dwell_s == pytest.approx(199 * 0.04 - 1.0, abs=1e-6)


def test_whoever_begins_inside_has_entered() -> None:
    scenes = watch(analyzer(MIDDLE), [(k * 0.04, [Box(320, 240)]) for k in range(50)])

    (entered,) = moves(scenes)
    assert entered.type is EventType.ZONE_ENTERED
    assert scenes[-1].counts.zones["middle"] == ZoneCount(1, 1, 1, 0, pytest.approx(49 * 0.04))


def test_whoever_disappears_inside_leaves_with_the_track_and_dwelt_until_last_seen() -> None:
    looks = [(k * 0.04, [Box(320, 240)] if k <= 50 else []) for k in range(150)]

    scenes = watch(analyzer(MIDDLE), looks)

    _, left = moves(scenes)
    assert left.type is EventType.ZONE_LEFT
    assert left.dwell_s == pytest.approx(2.0)
    assert left.pts_s == pytest.approx(4.04)
    ended = next(one for one in events(scenes) if one.type is EventType.TRACK_ENDED)
    assert ended.sequence == left.sequence + 1
    # Hidden for a moment is still inside; the time while hidden is not yet counted.
    assert scenes[80].counts.zones["middle"] == ZoneCount(1, 1, 1, 0, pytest.approx(2.0))


def test_a_flicker_inside_is_no_entry() -> None:
    looks = [(k * 0.04, [Box(320, 240)] if k == 10 else []) for k in range(50)]

    scenes = watch(analyzer(MIDDLE), looks)

    assert scenes[-1].counts.zones["middle"] == ZoneCount(0, 0, 0, 0, 0.0)
    assert scenes[10].objects[0].zones == ("middle",)


def test_a_zone_counts_only_its_labels() -> None:
    zone = Zone("cars", MIDDLE.polygon_norm, labels=("car", "truck"))
    looks = [(k * 0.04, [Box(280, 240), Box(400, 240, label="car")]) for k in range(50)]

    scenes = watch(analyzer(zone), looks)

    assert scenes[-1].counts.zones["cars"].entered == 1
    assert {seen.label: seen.zones for seen in scenes[-1].objects} == {
        "person": (), "car": ("cars",),
    }  # fmt: skip


def test_a_box_cut_off_by_the_edge_of_the_picture_stands_in_a_zone_that_reaches_it() -> None:
    # The person comes in from below: the bottom of the box is the bottom of the picture.
    low = Zone("low", ((0, 0.8), (1, 0.8), (1, 1), (0, 1)))
    looks = []
    for k in range(90):
        top = HEIGHT + 3 - 3 * k
        bottom = min(top + 100, HEIGHT + 2)
        looks.append(
            (k * 0.04, [Box(300, bottom, height=bottom - top)] if top < HEIGHT - 5 else [])
        )

    scenes = watch(analyzer(low), looks)

    assert scenes[20].counts.zones["low"].now == 1
    assert [one.type for one in moves(scenes)] == [EventType.ZONE_ENTERED, EventType.ZONE_LEFT]


def test_a_fast_object_in_a_narrow_zone_is_seen_there() -> None:
    gate = Zone("gate", ((0.48, 0), (0.52, 0), (0.52, 1), (0.48, 1)))
    looks = [(k * 0.04, [Box(20 + 10 * k, 240, 100, 60, label="car")]) for k in range(60)]

    scenes = watch(analyzer(gate), looks)

    assert scenes[-1].counts.zones["gate"].entered == 1
    assert scenes[-1].counts.zones["gate"].left == 1


@settings(max_examples=3, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_entered_less_left_is_who_is_inside_and_events_add_up(seed: int) -> None:
    rng = np.random.default_rng(seed)
    at = rng.uniform((0, 100), (WIDTH, HEIGHT), (4, 2))
    looks, pts_s = [], 0.0
    for _ in range(150):
        pts_s += float(rng.choice([0.04, 0.2, 1.0], p=[0.8, 0.15, 0.05]))
        at = np.clip(at + rng.normal(0, 12, at.shape), 0, (WIDTH, HEIGHT))
        looks.append((pts_s, [Box(float(x), float(y)) for x, y in at if rng.uniform() < 0.9]))

    scenes = watch(analyzer(MIDDLE, RIGHT_HALF), looks)

    for zone in ("middle", "right"):
        inside_ids: set[int] = set()
        for scene in scenes:
            for one in scene.events:
                if one.place == zone and one.type is EventType.ZONE_ENTERED:
                    assert one.track_id not in inside_ids
                    inside_ids.add(one.track_id)
                elif one.place == zone:
                    inside_ids.remove(one.track_id)
                    assert one.dwell_s is not None
                    assert one.dwell_s >= 0
            total = scene.counts.zones[zone]
            assert total.now == total.entered - total.left == len(inside_ids)
            assert total.most_at_once >= total.now
            seen_inside = {seen.track_id for seen in scene.objects if zone in seen.zones}
            assert seen_inside - {None} <= inside_ids


def test_inside_by_hand_with_a_notch_and_its_border() -> None:
    polygon = edges([(0, 0), (4, 0), (4, 4), (2, 1), (0, 4)])
    points = [(1, 1), (2, 2), (3.5, 2), (2, 1), (0, 2), (4, 4), (5, 0), (-1, 4), (2, 0)]

    assert [inside(polygon, x, y) for x, y in points] == [
        True, False, True, True, True, True, False, False, True,
    ]  # fmt: skip


def test_distance_to_the_border_by_hand() -> None:
    square = edges([(0, 0), (10, 0), (10, 10), (0, 10)])

    assert [border_distance(square, *point) for point in ((5, 2), (13, 14), (5, -3))] == [2, 5, 3]
    assert border_distance(square[1:], 5, 2) == 5
    assert border_distance([], 5, 2) == np.inf
