"""One object, one track: through flicker, weak moments, occlusion, low rates and odd clocks."""

from __future__ import annotations

import numpy as np
import pytest

from analytics.drawn import HEIGHT, WIDTH, Box, detections, events, frame, watch
from vedette.analytics.scene import Analyzer
from vedette.domain.event import EventType
from vedette.domain.scene import ObjectCount, Scene
from vedette.domain.zone import ScenePlan


def analyzer(**options: object) -> Analyzer:
    return Analyzer(ScenePlan(), confidence=0.5, **options)  # type: ignore[arg-type]


def ids(scene: Scene) -> list[int | None]:
    return [seen.track_id for seen in scene.objects]


@pytest.mark.parametrize("fps", [1, 2, 5, 10, 15, 25, 60])
def test_a_person_who_walks_by_is_one_person_at_every_frame_rate(fps: int) -> None:
    # 0.8 body heights per second, over 8 s.
    times = np.arange(0, 8, 1 / fps)

    scenes = watch(analyzer(), [(float(t), [Box(40 + 80 * t, 300)]) for t in times])

    assert scenes[-1].counts.objects == {"person": ObjectCount(1, 1, 1)}
    assert [event.type for event in events(scenes)] == [EventType.TRACK_STARTED]


def test_a_person_is_one_person_under_a_stuttering_clock() -> None:
    rng = np.random.default_rng(5)
    times = np.cumsum(rng.choice([0.0, 0.01, 0.04, 0.3, 1.1], 120))

    scenes = watch(analyzer(), [(float(t), [Box(20 + 8 * t, 300)]) for t in times])

    assert scenes[-1].counts.objects["person"].distinct == 1


def test_two_who_cross_keep_their_ids() -> None:
    times = np.arange(0, 6, 0.04)
    looks = [(float(t), [Box(50 + 80 * t, 300), Box(530 - 80 * t, 330)]) for t in times]

    scenes = watch(analyzer(), looks)

    first, last = scenes[20].objects, scenes[-1].objects
    assert scenes[-1].counts.objects["person"].distinct == 2
    assert (first[0].xyxy_px[0] < first[1].xyxy_px[0]) != (last[0].xyxy_px[0] < last[1].xyxy_px[0])


def test_a_flicker_is_nobody() -> None:
    looks = [
        (k * 0.04, [Box(300, 300)] if k in {10, 11, 12, 40, 80, 81} else []) for k in range(100)
    ]

    scenes = watch(analyzer(), looks)

    assert scenes[-1].counts.objects == {}
    assert events(scenes) == []
    assert ids(scenes[11]) == [None]


def test_a_person_seen_in_half_of_the_frames_is_one_person() -> None:
    rng = np.random.default_rng(2)
    looks = [(k * 0.04, [Box(100 + 2 * k, 300)] if rng.uniform() < 0.6 else []) for k in range(150)]

    assert watch(analyzer(), looks)[-1].counts.objects["person"].distinct == 1


def test_weak_detections_go_on_with_a_track_and_begin_none() -> None:
    looks = [
        (
            k * 0.04,
            [
                Box(100 + 2 * k, 300, confidence=0.9 if k < 20 else 0.2),
                Box(500, 300, confidence=0.3),
            ],
        )
        for k in range(100)
    ]

    scenes = watch(analyzer(), looks)

    assert {tuple(ids(scene)) for scene in scenes[20:]} == {(1,)}
    assert scenes[-1].counts.objects["person"] == ObjectCount(1, 1, 1)


def test_a_person_behind_a_pillar_comes_back_as_the_same() -> None:
    # Hidden for 1.2 s while walking on.
    looks = [(k * 0.04, [Box(100 + 3 * k, 300)] if not 40 <= k < 70 else []) for k in range(120)]

    scenes = watch(analyzer(), looks)

    assert ids(scenes[39]) == ids(scenes[70]) == [1]
    assert scenes[-1].counts.objects["person"].distinct == 1


def test_whoever_is_unseen_for_longer_than_the_buffer_is_somebody_new() -> None:
    looks = [(k * 0.04, [Box(100, 300)] if not 40 <= k < 100 else []) for k in range(140)]

    scenes = watch(analyzer(), looks)

    assert ids(scenes[-1]) == [2]
    ended = [event for event in events(scenes) if event.type is EventType.TRACK_ENDED]
    assert [(event.track_id, event.pts_s) for event in ended] == [(1, pytest.approx(3.6))]


def test_the_buffer_is_in_seconds_whatever_the_frame_rate() -> None:
    for fps in (5, 25, 50):
        times = np.arange(0, 6, 1 / fps)
        looks = [(float(t), [Box(100, 300)] if not 2 <= t < 3.5 else []) for t in times]

        assert watch(analyzer(), looks)[-1].counts.objects["person"].distinct == 1, fps


def test_a_long_gap_between_looks_loses_nobody_who_stands() -> None:
    looks = [(k * 5.0, [Box(100, 300), Box(400, 300)]) for k in range(6)]

    assert watch(analyzer(), looks)[-1].counts.objects["person"] == ObjectCount(2, 2, 2)


def test_after_a_hole_of_a_minute_nobody_is_taken_for_the_same() -> None:
    looks = [(k * 0.1 + (60 if k >= 20 else 0), [Box(100, 300)]) for k in range(40)]

    assert watch(analyzer(), looks)[-1].counts.objects["person"].distinct == 2


def test_a_clock_that_jumps_back_ends_no_track_and_freezes_none() -> None:
    looks = [
        (100 + k * 0.04 if k < 50 else (k - 50) * 0.04, [Box(100 + k, 300)]) for k in range(90)
    ]
    looks += [(1.6 + k * 0.04, []) for k in range(60)]

    scenes = watch(analyzer(), looks)

    assert scenes[89].counts.objects["person"] == ObjectCount(1, 1, 1)
    assert [event.type for event in events(scenes)] == [
        EventType.TRACK_STARTED, EventType.TRACK_ENDED,
    ]  # fmt: skip


def test_one_leaves_and_another_comes_in_at_the_same_edge_as_two_people() -> None:
    looks = []
    for k in range(200):
        out, into = 560 + 3 * k, 700 - 3 * (k - 40)
        boxes = [
            Box((max(x - 20, 0) + min(x + 20, WIDTH)) / 2, 300, width=min(x + 20, WIDTH) - x + 20)
            for x in (out, into)
            if x - 20 < WIDTH - 4
        ]
        looks.append((k * 0.04, boxes))

    assert watch(analyzer(), looks)[-1].counts.objects["person"].distinct == 2


def test_labels_that_detectors_mix_up_stay_one_track_and_the_vote_decides() -> None:
    def seen_as(k: int) -> str:
        return "truck" if k % 3 or k < 10 else "car"

    looks = [
        (k * 0.04, [Box(100 + 2 * k, 300, label=seen_as(k), confidence=0.8)]) for k in range(100)
    ]

    scenes = watch(analyzer(), looks)

    assert {label: one.distinct for label, one in scenes[-1].counts.objects.items()} == {"truck": 1}
    assert {scene.objects[0].label for scene in scenes[20:]} == {"truck"}


def test_a_track_whose_vote_turns_is_moved_to_the_other_label() -> None:
    looks = [
        (k * 0.04, [Box(100 + 2 * k, 300, label="car" if k < 20 else "truck")]) for k in range(100)
    ]

    scenes = watch(analyzer(), looks)

    assert {n: c.distinct for n, c in scenes[15].counts.objects.items()} == {"car": 1}
    assert {n: c.distinct for n, c in scenes[-1].counts.objects.items()} == {"truck": 1}


def test_one_vehicle_found_under_two_labels_is_one_vehicle() -> None:
    looks = [
        (
            k * 0.04,
            [
                Box(100 + 2 * k, 300, label="car", confidence=0.8),
                Box(101 + 2 * k, 301, label="truck", confidence=0.6),
            ],
        )
        for k in range(50)
    ]

    scenes = watch(analyzer(), looks)

    assert scenes[-1].counts.objects == {"car": ObjectCount(1, 1, 1)}
    assert len(scenes[3].objects) == 1


def test_one_vehicle_under_two_labels_stays_one_while_another_track_ends() -> None:
    looks = []
    for k in range(100):
        boxes = [Box(100, 300, label="car"), Box(101, 300, label="truck", confidence=0.6)]
        looks.append((k * 0.04, boxes if k >= 20 else [*boxes, Box(500, 300)]))

    scenes = watch(analyzer(), looks)

    assert scenes[-1].counts.objects["car"] == ObjectCount(1, 1, 1)
    assert [event.track_id for event in events(scenes[30:])] == [2]


def test_a_person_in_front_of_a_car_is_no_car() -> None:
    looks = [
        (k * 0.04, [Box(300, 300, label="person"), Box(300, 300, label="car", confidence=0.8)])
        for k in range(30)
    ]

    counts = watch(analyzer(), looks)[-1].counts.objects

    assert counts == {"person": ObjectCount(1, 1, 1), "car": ObjectCount(1, 1, 1)}


def test_only_the_chosen_classes_are_looked_at() -> None:
    looks = [(k * 0.04, [Box(100, 300), Box(400, 300, label="car")]) for k in range(30)]

    scenes = watch(analyzer(classes=["car", "bicycle"]), looks)

    assert scenes[-1].counts.objects == {"car": ObjectCount(1, 1, 1)}
    assert {seen.label for scene in scenes for seen in scene.objects} == {"car"}


def test_objects_come_in_the_order_of_their_ids_and_new_ones_last() -> None:
    looks = [
        (k * 0.04, [Box(100, 300, confidence=0.6), Box(300, 300, confidence=0.7)])
        for k in range(20)
    ]
    looks.append((0.8, [*looks[-1][1], Box(500, 300, confidence=0.99)]))

    scene = watch(analyzer(), looks)[-1]

    assert ids(scene) == [1, 2, None]


def test_events_are_numbered_without_a_gap() -> None:
    rng = np.random.default_rng(1)
    looks = [
        (k * 0.1, [Box(float(x), 300) for x in rng.uniform(0, WIDTH, 3)] if k % 40 < 25 else [])
        for k in range(300)
    ]

    happened = events(watch(analyzer(), looks))

    assert len(happened) > 10
    assert [event.sequence for event in happened] == [*range(len(happened))]


def test_boxes_that_make_no_sense_are_ignored() -> None:
    one = analyzer()
    for number in range(30):
        found = detections([Box(100, 300), Box(300, 300), Box(400, 300), Box(500, 300)])
        found.xyxy[1] = np.nan
        found.xyxy[2, 2] = found.xyxy[2, 0]
        found.xyxy[3] = (np.inf, 0, np.inf, 10)
        scene = one.observe(frame(number, number * 0.04), found)

    assert ids(scene) == [1]


def test_a_picture_that_changes_its_size_loses_nobody() -> None:
    one = analyzer()
    for number in range(60):
        scale = 1 if number < 30 else 2
        box = Box((100 + 2 * number) * scale, 300 * scale, 40 * scale, 100 * scale)
        shape = frame(number, number * 0.04, width=WIDTH * scale, height=HEIGHT * scale)
        scene = one.observe(shape, detections([box]))

    assert ids(scene) == [1]


def test_two_moving_blobs_that_merge_and_part_are_two() -> None:
    # They touch for 0.8 s; the detector of motion then sees one blob around both.
    looks = []
    for k in range(150):
        a, b = 150 + 2.0 * k, 450 - 2.0 * k
        if abs(a - b) < 40:
            low, high = min(a, b) - 20, max(a, b) + 20
            boxes = [Box((low + high) / 2, 300, width=high - low, label="moving")]
        else:
            boxes = [Box(a, 300, label="moving"), Box(b, 300, label="moving")]
        looks.append((k * 0.04, boxes))

    assert watch(analyzer(), looks)[-1].counts.objects["moving"].distinct == 2


def test_one_strong_look_and_weak_ones_after_it_are_nobody() -> None:
    """A flicker that a detector keeps half believing in."""
    looks = [
        (number / 10, [Box(300, 300, confidence=0.6 if number == 0 else 0.3)])
        for number in range(20)
    ]

    scenes = watch(analyzer(), looks)

    assert scenes[-1].counts.objects == {}
