"""Stopping, saving and going on changes nothing, at any frame."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from analytics.drawn import HEIGHT, LABELS, WIDTH, Box, detections, frame, through_a_file
from vedette.analytics.scene import Analyzer
from vedette.domain.detection import State
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


Sight = tuple[float, list[Box], tuple[int, int]]


def wandering(seed: int, looks: int) -> list[Sight]:
    """Objects that come and go across the borders, under a clock that stutters.

    They sway by a little or a lot about the places of `PLAN`, flicker, hide and change labels; one
    car is found twice; sometimes the picture changes its size.
    """
    rng = np.random.default_rng(seed)
    count = int(rng.integers(3, 7))
    middle = np.stack([rng.normal(320, 30, count), rng.uniform(200, 400, count)], axis=1)
    sway = rng.choice([6.0, 15.0, 40.0, 200.0], (count, 2))
    pace, phase = rng.uniform(0.3, 1.5, (count, 2)), rng.uniform(0, 6, (count, 2))
    label = rng.choice(LABELS, count)
    pts_s, time_s, size, sequence = 0.0, 0.0, (WIDTH, HEIGHT), []
    for number in range(looks):
        step_s = float(rng.choice([0.0, 0.04, 0.1, 0.5, 3.0], p=[0.03, 0.5, 0.3, 0.15, 0.02]))
        time_s += step_s
        pts_s += step_s if rng.uniform() > 0.01 else -1.0
        at = middle + sway * np.sin(pace * time_s + phase) + rng.normal(0, 1.5, middle.shape)
        boxes = [
            Box(
                float(at[one, 0]), float(at[one, 1]),
                confidence=float(np.clip(rng.normal(0.6, 0.2), 0.05, 1)),
                label=str(rng.choice(["car", "truck"])) if label[one] == "car" else str(label[one]),
            )
            for one in range(count) if rng.uniform() < 0.85 and np.sin(time_s + 5 * one) < 0.8
        ]  # fmt: skip
        boxes += [replace(box, label="truck") for box in boxes if box.label == "car"]
        if number % 3 == 0:
            boxes.append(Box(40, 150, confidence=0.8))  # Too seldom to be anybody.
        if rng.uniform() < 0.01:
            size = (320, 240) if size == (WIDTH, HEIGHT) else (WIDTH, HEIGHT)
        sequence.append((round(max(pts_s, 0.0), 6), boxes, size))
    return sequence


def look(analyzer: Analyzer, number: int, one: Sight) -> Scene:
    pts_s, boxes, (width, height) = one
    labels = LABELS if number % 50 < 40 else OTHER_LABELS
    return analyzer.observe(
        frame(number, pts_s, width=width, height=height), detections(boxes, labels)
    )


def check_going_on(sequence: list[Sight]) -> None:
    whole = Analyzer(PLAN, confidence=0.5)
    expected = [look(whole, number, one) for number, one in enumerate(sequence)]

    scenes, state = [], Analyzer(PLAN, confidence=0.5).export_state()
    for number, one in enumerate(sequence):
        fresh = Analyzer(PLAN, confidence=0.5)
        fresh.load_state(through_a_file(state))
        assert not scenes or fresh.counts == scenes[-1].counts
        scenes.append(look(fresh, number, one))
        state = fresh.export_state()

    assert expected == scenes
    final = whole.export_state()
    assert final.keys() == state.keys()
    for name, array in final.items():
        assert array.dtype == state[name].dtype, name
        assert array.tobytes() == state[name].tobytes(), name
    assert whole.counts == fresh.counts


# One that is known to need every array; see below.
TELLING_SEED, TELLING_LOOKS = 4, 150


def test_going_on_from_a_saved_state_at_every_frame_gives_the_same_scenes() -> None:
    check_going_on(wandering(TELLING_SEED, TELLING_LOOKS))


# Without shrinking: an example is as good as a smaller one, and each costs seconds.
@settings(max_examples=3, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(seed=st.integers(0, 2**32 - 1))
def test_going_on_from_a_saved_state_is_exact_for_any_sequence(seed: int) -> None:
    check_going_on(wandering(seed, 50))


def test_no_array_of_the_state_could_be_forgotten_unnoticed() -> None:
    sequence = wandering(TELLING_SEED, TELLING_LOOKS)
    whole = Analyzer(PLAN, confidence=0.5)
    states, expected = [], []
    for number, one in enumerate(sequence):
        states.append(whole.export_state())
        expected.append(look(whole, number, one))

    for name in states[0].keys() - {"version", "made_for"}:
        assert any(
            forgetting_shows(name, states[number], sequence, expected, number)
            for number in range(len(sequence) - 1, 0, -1)
        ), name


def forgetting_shows(
    name: str, state: State, sequence: list[Sight], expected: list[Scene], number: int
) -> bool:
    """Tell whether a state in which one array is as at the beginning gives other scenes."""
    fresh = Analyzer(PLAN, confidence=0.5)
    array = state[name]
    start = np.nan if array.dtype == np.float64 and np.isnan(array).any() else 0
    forgotten = np.full_like(array, start)
    if name == "labels":
        forgotten = Analyzer(PLAN, confidence=0.5).export_state()[name]
    fresh.load_state(state | {name: forgotten})
    try:
        if fresh.counts != expected[number - 1].counts:
            return True
        return any(
            look(fresh, later, sequence[later]) != expected[later]
            for later in range(number, min(number + 12, len(sequence)))
        )
    except (
        IndexError,
        ValueError,
        ZeroDivisionError,
    ):  # Arrays that no longer fit each other show, too.
        return True


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
