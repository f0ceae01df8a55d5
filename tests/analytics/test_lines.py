"""Lines: one real crossing is one crossing; jitter, passing by and waiting are none."""

from __future__ import annotations

import numpy as np
import pytest

from analytics.drawn import HEIGHT, WIDTH, Box, events, watch
from vedette.analytics.scene import Analyzer
from vedette.domain.event import EventType
from vedette.domain.scene import LineCount, Scene
from vedette.domain.zone import Line, ScenePlan

# Drawn from top to bottom: who walks from start to end has the picture's left at the right hand.
UPRIGHT = Line("gate", (0.5, 0.1), (0.5, 0.9))


def analyzer(*lines: Line) -> Analyzer:
    return Analyzer(ScenePlan(lines=lines or (UPRIGHT,)), confidence=0.5)


def count(scenes: list[Scene], name: str = "gate") -> LineCount:
    return scenes[-1].counts.lines[name]


def test_in_is_from_the_right_hand_of_the_line_to_its_left() -> None:
    # The line runs down the picture, so its left hand is the picture's right.
    to_the_right = [(k * 0.04, [Box(100 + 4 * k, 300)]) for k in range(110)]
    to_the_left = [(pts_s, [Box(WIDTH - boxes[0].x, 300)]) for pts_s, boxes in to_the_right]

    assert count(watch(analyzer(), to_the_right)) == LineCount(1, 0)
    assert count(watch(analyzer(), to_the_left)) == LineCount(0, 1)
    upward = Line("gate", (0.5, 0.9), (0.5, 0.1))
    assert count(watch(analyzer(upward), to_the_right)) == LineCount(0, 1)


def test_a_crossing_is_told_by_an_event() -> None:
    looks = [(k * 0.04, [Box(100 + 4 * k, 300)]) for k in range(110)]

    (crossed,) = [one for one in events(watch(analyzer(), looks)) if one.place]

    assert crossed.type is EventType.LINE_CROSSED
    assert (crossed.place, crossed.direction, crossed.label) == ("gate", "in", "person")
    assert crossed.pts_s == pytest.approx(2.2, abs=0.16)
    assert crossed.track_id == 1


@pytest.mark.parametrize("fps", [1, 2, 4, 8, 25])
def test_a_fast_car_crosses_at_every_frame_rate(fps: int) -> None:
    times = np.arange(0, 5, 1 / fps)
    looks = [(float(t), [Box(20 + 130 * t, 300, 160, 90, label="car")]) for t in times]

    assert count(watch(analyzer(), looks)) == LineCount(1, 0)


def test_jitter_on_the_line_is_no_crossing() -> None:
    rng = np.random.default_rng(0)
    looks = [(k * 0.04, [Box(320 + float(rng.normal(0, 2.5)), 300)]) for k in range(500)]

    assert count(watch(analyzer(), looks)) == LineCount(0, 0)


def test_whoever_waits_on_the_line_and_goes_on_crosses_once() -> None:
    rng = np.random.default_rng(1)
    path = [*range(200, 320, 4), *[320] * 200, *range(320, 440, 4)]
    looks = [(k * 0.04, [Box(x + float(rng.normal(0, 2)), 300)]) for k, x in enumerate(path)]

    assert count(watch(analyzer(), looks)) == LineCount(1, 0)


def test_whoever_waits_on_the_line_and_turns_back_crosses_never() -> None:
    rng = np.random.default_rng(1)
    path = [*range(200, 320, 4), *[320] * 200, *range(320, 200, -4)]
    looks = [(k * 0.04, [Box(x + float(rng.normal(0, 2)), 300)]) for k, x in enumerate(path)]

    assert count(watch(analyzer(), looks)) == LineCount(0, 0)


def test_there_and_back_is_one_in_and_one_out() -> None:
    path = [*range(200, 440, 4), *range(440, 200, -4)]
    looks = [(k * 0.04, [Box(float(x), 300)]) for k, x in enumerate(path)]

    assert count(watch(analyzer(), looks)) == LineCount(1, 1)


def test_only_the_segment_counts_not_the_line_it_lies_on() -> None:
    short = Line("gate", (0.5, 0.1), (0.5, 0.4))
    looks = [(k * 0.04, [Box(100 + 4 * k, 300)]) for k in range(110)]

    assert count(watch(analyzer(short), looks)) == LineCount(0, 0)


def test_around_the_end_and_back_through_is_one_crossing() -> None:
    # Over the line's lower end at y = 450, up on the other side, back through it at y = 200.
    short = Line("gate", (0.5, 0.1), (0.5, 0.8))
    path = [(200 + 4 * k, 450) for k in range(60)] + [(440, 450 - 5 * k) for k in range(50)]
    path += [(440 - 4 * k, 200) for k in range(60)]
    looks = [(k * 0.04, [Box(x, y)]) for k, (x, y) in enumerate(path)]

    assert count(watch(analyzer(short), looks)) == LineCount(0, 1)


def test_whoever_crosses_before_being_confirmed_is_counted_then() -> None:
    looks = [(k * 0.04, [Box(310 + 4 * k, 300)]) for k in range(40)]
    one_look_before = [(0.0, [Box(300, 300)]), *((t + 0.04, boxes) for t, boxes in looks)]

    scenes = watch(analyzer(), one_look_before)

    assert count(scenes) == LineCount(1, 0)
    started, crossed = events(scenes)
    assert started.type is EventType.TRACK_STARTED
    assert crossed.pts_s == started.pts_s


def test_whoever_crosses_while_hidden_has_crossed() -> None:
    looks = [(k * 0.04, [Box(100 + 4 * k, 300)] if not 45 <= k < 65 else []) for k in range(110)]

    assert count(watch(analyzer(), looks)) == LineCount(1, 0)


def test_a_line_counts_only_its_labels() -> None:
    cars = Line("gate", UPRIGHT.start_norm, UPRIGHT.end_norm, labels=("car",))
    looks = [
        (k * 0.04, [Box(100 + 4 * k, 300), Box(540 - 4 * k, 420, label="car")]) for k in range(110)
    ]

    assert count(watch(analyzer(cars), looks)) == LineCount(0, 1)


def test_a_line_at_the_side_counts_whoever_comes_in_past_it() -> None:
    # The box is cut off by the picture's left edge while the person comes in.
    side = Line("gate", (0.1, 0.0), (0.1, 1.0))
    looks = []
    for k in range(80):
        low, high = max(-40.0 + 3 * k, 0.0), 3.0 * k
        if high > 8:
            looks.append((k * 0.04, [Box((low + high) / 2, HEIGHT - 60, width=high - low)]))

    assert count(watch(analyzer(side), looks)) == LineCount(1, 0)
