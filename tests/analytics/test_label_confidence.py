"""Labels with thresholds of their own: from where on a detection counts depends on what it is."""

from __future__ import annotations

import pytest

from analytics.drawn import Box, through_a_file, watch
from vedette.analytics.scene import Analyzer
from vedette.domain.errors import BadInput
from vedette.domain.scene import ObjectCount, Scene
from vedette.domain.zone import ScenePlan

OWN = {"person": 0.6, "car": 0.3}


def analyzer(**own: float) -> Analyzer:
    return Analyzer(ScenePlan(), confidence=0.5, label_confidence=own)


def walk(one: Analyzer, *, confidence: float, label: str) -> Scene:
    boxes = [Box(100 + 2 * n, 300, confidence=confidence, label=label) for n in range(40)]
    return watch(one, [(n * 0.04, [box]) for n, box in enumerate(boxes)])[-1]


@pytest.mark.parametrize(
    ("label", "confidence", "counts"),
    [
        ("person", 0.65, True),
        ("person", 0.55, False),  # More than what holds for all, less than its own.
        ("car", 0.35, True),
        ("car", 0.25, False),
        ("truck", 0.55, True),  # Has none of its own.
        ("truck", 0.45, False),
    ],
)
def test_a_detection_counts_from_its_own_labels_threshold_on(
    label: str, confidence: float, counts: bool
) -> None:
    scene = walk(analyzer(**OWN), confidence=confidence, label=label)

    assert scene.counts.objects == ({label: ObjectCount(1, 1, 1)} if counts else {})
    assert len(scene.objects) == counts


def test_what_does_not_count_yet_goes_on_with_who_is_known() -> None:
    sure = [Box(100 + 2 * n, 300, confidence=0.8) for n in range(20)]
    # Between the threshold of all and that of people: weak for a person.
    unsure = [Box(140 + 2 * n, 300, confidence=0.55) for n in range(20)]

    scenes = watch(analyzer(**OWN), [(n * 0.04, [box]) for n, box in enumerate(sure + unsure)])

    assert [seen.track_id for seen in scenes[-1].objects] == [1]
    assert scenes[-1].objects[0].confidence == pytest.approx(0.55)


def test_very_low_thresholds_leave_room_for_weak_moments() -> None:
    sure = [Box(100 + 2 * n, 300, confidence=0.09, label="car") for n in range(20)]
    unsure = [Box(140 + 2 * n, 300, confidence=0.05, label="car") for n in range(20)]
    looks = [(n * 0.04, [box]) for n, box in enumerate(sure + unsure)]

    assert len(watch(analyzer(car=0.08), looks)[-1].objects) == 1


def test_thresholds_of_their_own_are_part_of_what_a_saved_analysis_was_made_for() -> None:
    first = analyzer(**OWN)
    walk(first, confidence=0.9, label="person")
    state = through_a_file(first.export_state())

    analyzer(**OWN).load_state(state)
    with pytest.raises(BadInput, match="begin anew"):
        analyzer(person=0.6, car=0.4).load_state(state)


def test_what_was_saved_without_such_thresholds_is_read_as_before() -> None:
    plain = Analyzer(ScenePlan(), confidence=0.5)
    walk(plain, confidence=0.9, label="person")

    analyzer().load_state(through_a_file(plain.export_state()))
