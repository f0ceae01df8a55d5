"""Joining what several looks found: worked examples, each by hand."""

from __future__ import annotations

from itertools import permutations

import numpy as np

from vedette.detectors.nms import DETECTIONS_MAX
from vedette.detectors.seams import CANDIDATES_MAX, Look, joined
from vedette.domain.detection import Detections

LABELS = ("person", "bus", "car")
PERSON, BUS, CAR = range(3)
# Sides of a box that lie at an inner edge.
LEFT, TOP, RIGHT, BOTTOM = range(4)
Found = tuple[tuple[float, float, float, float], float, int, tuple[int, ...]]


def look(*found: Found) -> Look:
    """Give a look of (box, score, class, cut sides), strongest first."""
    cut = np.zeros((len(found), 4), np.bool_)
    for place, (*_, sides) in enumerate(found):
        cut[place, list(sides)] = True
    return Look(
        Detections(
            np.array([one[0] for one in found], np.float32).reshape(-1, 4),
            np.array([one[1] for one in found], np.float32),
            np.array([one[2] for one in found], np.int32),
            LABELS,
        ),
        cut,
    )


def boxes(detections: Detections) -> list[tuple[list[float], float, int]]:
    return [
        (box.tolist(), round(float(score), 3), int(label))
        for box, score, label in zip(
            detections.xyxy, detections.confidence, detections.class_id, strict=True
        )
    ]


NOTHING = look()


def test_where_nobody_saw_anything_there_is_nothing() -> None:
    found = joined([NOTHING, NOTHING], LABELS)

    assert len(found) == 0
    assert found.labels == LABELS


def test_the_strongest_of_several_views_of_one_object_stays() -> None:
    whole = look(((98, 100, 124, 150), 0.6, PERSON, ()))
    tile = look(((100, 102, 122, 148), 0.8, PERSON, ()))

    assert boxes(joined([whole, tile], LABELS)) == [([100, 102, 122, 148], 0.8, PERSON)]


def test_two_boxes_of_one_look_are_two_objects_however_close() -> None:
    crowd = look(((100, 100, 120, 150), 0.8, PERSON, ()), ((104, 100, 124, 150), 0.7, PERSON, ()))

    assert len(joined([NOTHING, crowd], LABELS)) == 2


def test_a_part_is_explained_by_the_whole_even_under_another_label_and_with_a_higher_score() -> (
    None
):
    whole = look(((100, 100, 400, 220), 0.5, BUS, ()))
    one = look(((102, 104, 250, 218), 0.9, CAR, (RIGHT,)))
    other = look(((200, 100, 401, 222), 0.4, BUS, (LEFT,)))

    assert boxes(joined([whole, one, other], LABELS)) == [([100, 100, 400, 220], 0.5, BUS)]


def test_whole_objects_of_another_label_are_explained_by_nothing() -> None:
    whole = look(((100, 100, 400, 220), 0.9, BUS, ()))
    driver = look(((120, 130, 140, 170), 0.4, PERSON, ()))

    assert len(joined([whole, driver], LABELS)) == 2


def test_halves_that_nobody_saw_whole_become_one_with_the_score_of_the_stronger() -> None:
    one = look(((100, 100, 250, 220), 0.6, BUS, (RIGHT,)))
    other = look(((200, 104, 380, 222), 0.7, BUS, (LEFT,)))

    assert boxes(joined([NOTHING, one, other], LABELS)) == [([100, 100, 380, 222], 0.7, BUS)]


def test_four_quarters_at_a_crossing_become_one() -> None:
    # Overlap from 200 to 250 along both sides; two quarters touch at a corner alone.
    quarters = [
        look(((100, 120, 250, 250), 0.4, BUS, (RIGHT, BOTTOM))),
        look(((200, 122, 360, 250), 0.5, BUS, (LEFT, BOTTOM))),
        look(((102, 200, 250, 340), 0.6, BUS, (RIGHT, TOP))),
        look(((200, 200, 358, 338), 0.7, BUS, (LEFT, TOP))),
    ]

    assert boxes(joined([NOTHING, *quarters], LABELS)) == [([100, 120, 360, 340], 0.7, BUS)]


def test_neighbours_at_a_seam_stay_two() -> None:
    # Beside each other's edge, but at different heights: they share 10 of 170 pixels.
    one = look(((180, 100, 250, 190), 0.6, PERSON, (RIGHT,)))
    other = look(((200, 180, 260, 270), 0.7, PERSON, (LEFT,)))

    assert len(joined([NOTHING, one, other], LABELS)) == 2


def test_the_order_of_looks_changes_nothing() -> None:
    looks = [
        look(((100, 100, 120, 150), 0.5, PERSON, ())),
        look(((101, 100, 121, 150), 0.5, PERSON, ()), ((400, 0, 450, 90), 0.3, CAR, (RIGHT,))),
        look(((100, 101, 120, 151), 0.5, PERSON, ()), ((420, 2, 500, 88), 0.3, CAR, (LEFT,))),
    ]
    expected = boxes(joined(looks, LABELS))

    assert len(expected) == 2
    for order in permutations(looks):
        assert boxes(joined(order, LABELS)) == expected


def test_a_model_gone_wild_gives_no_more_than_any_other() -> None:
    generator = np.random.default_rng(1)
    corner = generator.uniform(0, 1800, (2 * CANDIDATES_MAX, 2))
    wild = [
        look(
            *(
                ((x, y, x + 3, y + 3), float(score), PERSON, (RIGHT,) if place % 2 else ())
                for place, ((x, y), score) in enumerate(
                    zip(part, generator.uniform(0.1, 1, len(part)), strict=True)
                )
            )
        )
        for part in np.split(corner, 4)
    ]

    found = joined(wild, LABELS)

    assert len(found) == DETECTIONS_MAX
    assert (np.diff(found.confidence) <= 0).all()
