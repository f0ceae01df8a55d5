"""The same detections given to the references: `trackers` (ByteTrack) and `supervision`.

Where the references mean the same as Vedette, the answers are equal; where Vedette differs on
purpose, a test shows the difference and docs/design/decisions/0002-tracking-of-our-own.md says why.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import supervision as sv
from trackers import ByteTrackTracker

from analytics.drawn import HEIGHT, WIDTH, Box, detections, frame, watch
from vedette.analytics.places import border_distance, edges, inside
from vedette.analytics.scene import Analyzer
from vedette.analytics.tracking import Tuning
from vedette.domain.scene import Scene
from vedette.domain.zone import Line, ScenePlan, Zone

FPS = 25.0
CONFIDENCE = 0.6
# What the reference does: two looks confirm, 30 frames at 30 per second are kept.
LIKE_THE_REFERENCE = Tuning(confirm_s=0.0, lost_s=1.0)
Looks = Sequence[tuple[float, Sequence[Box]]]


def people(seed: int, *, hidden: bool) -> list[tuple[float, list[Box]]]:
    """People on lanes of their own and on crossing ways, with jitter, weak moments and gaps."""
    rng = np.random.default_rng(seed)
    walkers = []
    for lane in range(4):
        begin = int(rng.integers(0, 60))
        speed = float(rng.uniform(40, 90)) * (1 if lane % 2 else -1)
        x = 30.0 if speed > 0 else WIDTH - 30.0
        gap = int(rng.integers(20, 60)) if hidden else 10_000
        walkers.append((begin, x, speed, 110.0 + 115 * lane, gap))
    looks = []
    for number in range(200):
        boxes = []
        for begin, x, speed, y, gap in walkers:
            age = number - begin
            at = x + speed * age / FPS
            if age < 0 or not 20 < at < WIDTH - 20 or gap <= age < gap + 8:
                continue
            confidence = 0.45 if age > 10 and rng.uniform() < 0.1 else rng.uniform(0.75, 0.95)
            jitter = rng.normal(0, 1.0, 2)
            boxes.append(Box(at + jitter[0], y + jitter[1], confidence=round(confidence, 3)))
        looks.append((round(number / FPS, 6), boxes))
    return looks


def reference_tracks(looks: Looks) -> list[dict[tuple[float, ...], int]]:
    """What ByteTrack of `trackers` says: per look, the id of every box that has one."""
    tracker = ByteTrackTracker(
        frame_rate=FPS,
        track_activation_threshold=CONFIDENCE,
        high_conf_det_threshold=CONFIDENCE,
        minimum_iou_threshold=0.1,
    )
    answers = []
    for _, boxes in looks:
        found = detections(boxes)
        answer = tracker.update(as_supervision(found.xyxy, found.confidence))
        assert answer.tracker_id is not None
        answers.append(
            {
                tuple(box): int(track_id)
                for box, track_id in zip(answer.xyxy.tolist(), answer.tracker_id, strict=True)
                if track_id >= 0
            }
        )
    return answers


def our_tracks(looks: Looks, tuning: Tuning) -> list[dict[tuple[float, ...], int]]:
    analyzer = Analyzer(ScenePlan(), confidence=CONFIDENCE, tuning=tuning)
    return [
        {seen.xyxy_px: seen.track_id for seen in scene.objects if seen.track_id is not None}
        for scene in watch(analyzer, looks)
    ]


def as_supervision(xyxy: np.ndarray, confidence: np.ndarray | None = None) -> sv.Detections:
    return sv.Detections(xyxy=xyxy, confidence=confidence)


def partition(answers: list[dict[tuple[float, ...], int]]) -> set[frozenset[tuple[int, ...]]]:
    """Which detections belong together, whatever the ids are called."""
    tracks: dict[int, set[tuple[float, ...]]] = {}
    for number, answer in enumerate(answers):
        for box, track_id in answer.items():
            tracks.setdefault(track_id, set()).add((number, *box))
    return {frozenset(track) for track in tracks.values()}


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("hidden", [False, True], ids=["in sight", "hidden for a while"])
def test_the_same_detections_belong_together_as_in_bytetrack(seed: int, hidden: bool) -> None:
    looks = people(seed, hidden=hidden)

    expected = partition(reference_tracks(looks))

    assert expected == partition(our_tracks(looks, LIKE_THE_REFERENCE))
    assert len(expected) == 4


def test_on_purpose_a_flicker_of_two_frames_is_a_track_there_and_nobody_here() -> None:
    looks = [(k / FPS, [Box(300, 300)] if k in {5, 6} else []) for k in range(20)]

    assert len(partition(reference_tracks(looks))) == 1
    assert len(partition(our_tracks(looks, Tuning()))) == 0


def test_on_purpose_a_walker_at_two_looks_a_second_is_one_here_and_lost_there() -> None:
    looks = [(k / 2, [Box(30 + 90 * k / 2, 300)]) for k in range(12)]

    assert len(partition(reference_tracks(looks))) != 1
    assert len(partition(our_tracks(looks, Tuning()))) == 1


def test_on_purpose_a_car_is_not_carried_on_by_a_person_where_it_vanishes() -> None:
    looks = [(k / FPS, [Box(300, 300, label="car" if k < 20 else "person")]) for k in range(40)]

    assert len(partition(reference_tracks(looks))) == 1
    assert len(partition(our_tracks(looks, Tuning()))) == 2


@pytest.mark.parametrize("seed", range(5))
def test_whoever_is_inside_is_inside_for_supervision_but_within_a_pixel_of_the_border(
    seed: int,
) -> None:
    rng = np.random.default_rng(seed)
    corners = int(rng.integers(3, 8))
    angles = np.sort(rng.uniform(0, 2 * np.pi, corners))
    reach = rng.uniform(60, 220, corners)
    polygon = np.stack([320 + reach * np.cos(angles), 240 + reach * np.sin(angles)], 1).astype(int)
    low = rng.uniform((0, 0), (WIDTH - 40, HEIGHT - 80), (3000, 2))
    boxes = np.concatenate([low, low + rng.uniform(5, 80, low.shape)], axis=1)
    stand = np.stack([(boxes[:, 0] + boxes[:, 2]) / 2, boxes[:, 3]], axis=1)

    expected = sv.PolygonZone(polygon=polygon).trigger(as_supervision(boxes))
    drawn = edges(polygon.astype(float).tolist())
    ours = np.array([inside(drawn, x, y) for x, y in stand.tolist()])

    # Supervision rounds to pixels and fills the border's pixels too.
    far = np.array([border_distance(drawn, x, y) > 1.5 for x, y in stand.tolist()])
    assert (expected == ours)[far].all()
    assert np.count_nonzero(far & ours) > 100
    assert np.count_nonzero(expected != ours) < 60


LINES = [
    Line("gate", (0.5, 0.0), (0.5, 1.0)),
    Line("gate", (0.5, 1.0), (0.5, 0.0)),
    Line("gate", (0.4, 0.0), (0.6, 1.0)),
]


@pytest.mark.parametrize("line", LINES, ids=["down", "up", "aslant"])
@pytest.mark.parametrize("seed", range(3))
def test_clean_crossings_are_counted_as_by_supervision(line: Line, seed: int) -> None:
    scenes = watch(
        Analyzer(ScenePlan(lines=(line,)), confidence=CONFIDENCE), people(seed, hidden=False)
    )

    # Three looks on the other side: without, it counts every jitter to and fro.
    expected = supervision_count(line, scenes, looks_min=3)

    ours = scenes[-1].counts.lines["gate"]
    assert (ours.crossed_in, ours.crossed_out) == expected
    assert sum(expected) >= 2


def test_on_purpose_jitter_on_a_line_counts_there_and_not_here() -> None:
    rng = np.random.default_rng(0)
    line = LINES[0]
    looks = [(k / FPS, [Box(320 + float(rng.normal(0, 2)), 300)]) for k in range(200)]
    scenes = watch(Analyzer(ScenePlan(lines=(line,)), confidence=CONFIDENCE), looks)

    assert sum(supervision_count(line, scenes)) > 20
    assert scenes[-1].counts.lines["gate"].crossed_in == 0
    assert scenes[-1].counts.lines["gate"].crossed_out == 0


def test_on_purpose_passing_beside_the_segment_counts_there_and_not_here() -> None:
    # Around the lower end, never through the segment; both sides lie within its reach.
    line = Line("gate", (0.5, 0.0), (0.5, 0.7))
    path = [(240.0, 250.0 + 4 * k) for k in range(45)]
    path += [(240 + 4.0 * k, 430) for k in range(45)] + [(420, 430 - 4.0 * k) for k in range(45)]
    looks = [(k / FPS, [Box(x, y)]) for k, (x, y) in enumerate(path)]
    scenes = watch(Analyzer(ScenePlan(lines=(line,)), confidence=CONFIDENCE), looks)

    assert sum(supervision_count(line, scenes)) == 1
    assert scenes[-1].counts.lines["gate"].crossed_in == 0


def supervision_count(line: Line, scenes: list[Scene], *, looks_min: int = 1) -> tuple[int, int]:
    """What supervision counts of our own tracks."""
    start, end = (
        sv.Point(point[0] * WIDTH, point[1] * HEIGHT) for point in (line.start_norm, line.end_norm)
    )
    zone = sv.LineZone(
        start=start,
        end=end,
        triggering_anchors=[sv.Position.BOTTOM_CENTER],
        minimum_crossing_threshold=looks_min,
    )
    for scene in scenes:
        tracked = [seen for seen in scene.objects if seen.track_id is not None]
        zone.trigger(
            sv.Detections(
                xyxy=np.array([seen.xyxy_px for seen in tracked]).reshape(-1, 4),
                class_id=np.zeros(len(tracked), int),
                tracker_id=np.array([seen.track_id for seen in tracked], int),
            )
        )
    return zone.in_count, zone.out_count


def test_who_stands_in_a_zone_is_who_supervision_finds_there() -> None:
    zone = Zone("middle", ((0.25, 0.25), (0.75, 0.25), (0.75, 0.75), (0.25, 0.75)))
    reference = sv.PolygonZone(np.array([[160, 120], [480, 120], [480, 360], [160, 360]]))
    analyzer = Analyzer(ScenePlan(zones=(zone,)), confidence=CONFIDENCE)
    compared = 0

    for number, (pts_s, boxes) in enumerate(people(1, hidden=False)):
        scene = analyzer.observe(frame(number, pts_s), detections(boxes))
        for seen in scene.objects:
            x, y = (seen.xyxy_px[0] + seen.xyxy_px[2]) / 2, seen.xyxy_px[3]
            if min(abs(x - 160), abs(x - 480), abs(y - 120), abs(y - 360)) > 12:
                expected = reference.trigger(as_supervision(np.array([seen.xyxy_px])))[0]
                assert seen.zones == (("middle",) if expected else ()), (number, seen)
                compared += 1

    assert compared > 200
