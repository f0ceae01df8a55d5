"""Stopping, saving and going on changes nothing, at any frame."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.drawn import HEIGHT, LABELS, WIDTH, Box, detections, frame, through_a_file
from vedette.analytics.scene import Analyzer
from vedette.domain.errors import BadInput
from vedette.domain.scene import Scene
from vedette.domain.zone import Line, ScenePlan, Zone

PLAN = ScenePlan(
    zones=(
        Zone("left", ((0, 0), (0.5, 0), (0.5, 1), (0, 1))),
        Zone("cars", ((0.2, 0.3), (0.9, 0.2), (0.6, 0.9)), labels=("car",)),
    ),
    lines=(Line("middle", (0.5, 0), (0.5, 1)), Line("low", (0, 0.7), (1, 0.6), labels=("person",))),
)
OTHER_LABELS = ("truck", "dog", "person", "car", "moving")


def wandering(seed: int, looks: int) -> list[tuple[float, list[Box], tuple[int, int]]]:
    """Objects that wander, flicker, change labels and grow, under a clock that stutters."""
    rng = np.random.default_rng(seed)
    count = int(rng.integers(1, 7))
    at = rng.uniform((0, 100), (WIDTH, HEIGHT), (count, 2))
    speed = rng.normal(0, 80, (count, 2))
    label = rng.choice(LABELS, count)
    pts_s, size, sequence = 0.0, (WIDTH, HEIGHT), []
    for _ in range(looks):
        step_s = float(
            rng.choice([0.0, 0.033, 0.04, 0.2, 1.0, 3.0], p=[0.05, 0.5, 0.25, 0.1, 0.07, 0.03])
        )
        pts_s += step_s if rng.uniform() > 0.01 else -1.0
        at = at + speed * step_s + rng.normal(0, 2, at.shape)
        boxes = [
            Box(
                float(at[one, 0]), float(at[one, 1]),
                confidence=float(np.clip(rng.normal(0.6, 0.2), 0.05, 1)),
                label=str(rng.choice(["car", "truck"])) if label[one] == "car" else str(label[one]),
            )
            for one in range(count) if rng.uniform() < 0.85
        ]  # fmt: skip
        boxes += [
            replace(box, label="truck") for box in boxes if box.label == "car"
        ]  # Found twice.
        if rng.uniform() < 0.01:
            size = (320, 240) if size == (WIDTH, HEIGHT) else (WIDTH, HEIGHT)
        sequence.append((round(max(pts_s, 0.0), 6), boxes, size))
    return sequence


def look(analyzer: Analyzer, number: int, one: tuple[float, list[Box], tuple[int, int]]) -> Scene:
    pts_s, boxes, (width, height) = one
    labels = LABELS if number % 50 < 40 else OTHER_LABELS
    return analyzer.observe(
        frame(number, pts_s, width=width, height=height), detections(boxes, labels)
    )


@settings(max_examples=3, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_going_on_from_a_saved_state_at_every_frame_gives_the_same_scenes(seed: int) -> None:
    sequence = wandering(seed, 70)
    whole = Analyzer(PLAN, confidence=0.5)
    expected = [look(whole, number, one) for number, one in enumerate(sequence)]

    scenes, state = [], Analyzer(PLAN, confidence=0.5).export_state()
    for number, one in enumerate(sequence):
        fresh = Analyzer(PLAN, confidence=0.5)
        fresh.load_state(through_a_file(state))
        scenes.append(look(fresh, number, one))
        state = fresh.export_state()

    assert expected == scenes
    final = whole.export_state()
    assert final.keys() == state.keys()
    for name, array in final.items():
        assert array.dtype == state[name].dtype, name
        assert array.tobytes() == state[name].tobytes(), name
    assert whole.counts == fresh.counts


def test_a_state_made_for_other_places_is_refused() -> None:
    state = Analyzer(PLAN, confidence=0.5).export_state()

    with pytest.raises(BadInput, match="other zones, lines, classes or limits"):
        Analyzer(ScenePlan(), confidence=0.5).load_state(state)


def test_a_state_of_another_version_is_refused() -> None:
    state = Analyzer(PLAN, confidence=0.5).export_state()
    state["version"] = np.array(99)

    with pytest.raises(BadInput, match="version 99"):
        Analyzer(PLAN, confidence=0.5).load_state(state)


def test_tracks_that_ended_leave_nothing_in_the_state() -> None:
    analyzer = Analyzer(PLAN, confidence=0.5)
    for number in range(360):
        x = (number % 60) * 10.0
        boxes = [Box(x, 300)] if number % 60 < 55 else []
        analyzer.observe(frame(number, number * 0.1), detections(boxes))
    early = sum(array.nbytes for array in analyzer.export_state().values())
    for number in range(360, 720):
        x = (number % 60) * 10.0
        boxes = [Box(x, 300)] if number % 60 < 55 else []
        analyzer.observe(frame(number, number * 0.1), detections(boxes))
    late = sum(array.nbytes for array in analyzer.export_state().values())

    assert analyzer.counts.objects["person"].distinct == 12
    assert early == late
