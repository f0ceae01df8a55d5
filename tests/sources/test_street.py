"""The built-in street: what it paints, and what it says is true of it."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
import yaml

from street_clip import make_street_clip
from vedette.domain.errors import BadInput
from vedette.sources.street.film import Film, cast
from vedette.sources.street.parameters import StreetParameters, parse_street
from vedette.sources.street.plan import LINES_NORM, ZONES_NORM, scene_plan_text
from vedette.sources.street.truth import truth

EXAMPLE = Path(__file__).parents[2] / "examples" / "street.yaml"
SMALL = {"width": 320, "height": 180, "fps": 10}


def changed(picture: np.ndarray, empty: np.ndarray) -> np.ndarray:
    """Tell where a picture differs from the empty street, beyond rounding."""
    return np.abs(picture.astype(int) - empty).max(axis=2) > 6


def test_pictures_differ_from_the_empty_street_just_where_truth_says_somebody_is() -> None:
    parameters = StreetParameters(people=5, vehicles=2, seed=4, seconds=12, **SMALL)
    empty = Film(StreetParameters(people=0, vehicles=0, seed=4, seconds=12, **SMALL)).still(0)
    film, known = Film(parameters), truth(parameters)

    for number in range(0, parameters.pictures, 4):
        differs = changed(film.still(number), empty)
        unexplained = differs.copy()
        for one in known.objects:
            # Who has just left may still throw a shadow into the picture.
            if not one.first_frame <= number <= one.last_frame + parameters.fps:
                continue
            x0, y0, x1, y1 = one.boxes[min(number, one.last_frame)]
            if number > one.last_frame:
                tall = max(y1 - y0 for _, y0, _, y1 in one.boxes.values())
                x1, y0, y1 = x1 + 0.6 * tall, y0 - 0.6 * tall, y1 + 0.6 * tall
            # Its shadow falls to the right and away, over less than one and a half its size.
            reach = 1.5 * (y1 - y0) + 6
            unexplained[
                max(0, int(y0) - 3) : int(y1 + 8), max(0, int(x0) - 6) : int(x1 + reach)
            ] = False
            if number not in one.boxes:
                continue
            inside = differs[int(y0) : int(y1) + 1, int(x0) : int(x1) + 1]
            big = x1 - x0 > 6 and y1 - y0 > 12
            assert not big or inside.mean() > 0.25, f"nobody in {one.kind}'s box in {number}"
        assert not unexplained.any(), f"picture {number} differs where nobody is"


def test_boxes_of_the_truth_fit_the_painted_bodies() -> None:
    parameters = StreetParameters(people=1, vehicles=0, seed=2, seconds=10, width=640, height=360)
    empty = Film(StreetParameters(people=0, vehicles=0, seed=2, width=640, height=360)).still(0)
    film, (walker,) = Film(parameters), truth(parameters).objects
    number = (walker.first_frame + walker.last_frame) // 2

    # A shadow only darkens a little; a body changes colours.
    picture = film.still(number).astype(float)
    tint = np.abs(picture - picture.mean(axis=2, keepdims=True) - (
        empty - empty.mean(axis=2, keepdims=True)
    )).max(axis=2)  # fmt: skip
    rows, columns = np.nonzero(tint > 25)
    x0, y0, x1, y1 = walker.boxes[number]

    assert columns.min() >= x0 - 2
    assert rows.min() >= y0 - 2
    assert columns.max() <= x1 + 2
    assert rows.max() <= y1 + 2
    assert (rows.max() - rows.min()) > 0.4 * (y1 - y0)


def test_film_begins_with_the_empty_street() -> None:
    for seed in range(3):
        known = truth(StreetParameters(seed=seed, seconds=12, **SMALL))

        assert known.objects[0].first_frame >= 0.8 * SMALL["fps"]


@pytest.mark.parametrize("seed", range(3))
def test_everybody_who_was_asked_for_is_seen_whatever_the_seed(seed: int) -> None:
    known = truth(StreetParameters(people=6, vehicles=3, seed=seed, **SMALL))

    assert (known.people, known.vehicles) == (6, 3)
    for one in known.objects:
        assert one.last_frame - one.first_frame >= 2.5 * SMALL["fps"], one.kind


@pytest.mark.parametrize("seed", range(3))
def test_everybody_enters_from_the_edge_or_through_a_door(seed: int) -> None:
    parameters = StreetParameters(seed=seed, **SMALL)
    known = truth(parameters)
    place, camera, _ = cast(parameters)
    doors = [
        camera.project(np.array([[house.door_m, 23.0, 1.0]]))[0][0, 0] for house in place.houses
    ]

    for one in known.objects:
        x0, _, x1, y1 = one.boxes[one.first_frame]
        at_edge = x0 < 8 or x1 > 312 or y1 > 172
        at_door = min(abs((x0 + x1) / 2 - door) for door in doors) < 12
        assert at_edge or at_door, one.boxes[one.first_frame]


@pytest.mark.parametrize("seed", range(3))
def test_objects_seldom_overlap_so_that_they_can_be_counted(seed: int) -> None:
    known = truth(StreetParameters(seed=seed, **SMALL))
    together = overlapping = 0

    for one, other in itertools.combinations(known.objects, 2):
        for number in one.boxes.keys() & other.boxes.keys():
            together += 1
            a, b = one.boxes[number], other.boxes[number]
            overlapping += min(a[2], b[2]) > max(a[0], b[0]) and min(a[3], b[3]) > max(a[1], b[1])

    assert overlapping < 0.10 * together


def test_seeds_give_different_streets_and_the_same_seed_the_same() -> None:
    stills = [Film(StreetParameters(seed=seed, **SMALL)).still(60) for seed in (1, 2, 1)]

    assert np.array_equal(stills[0], stills[2])
    assert changed(stills[0], stills[1]).mean() > 0.1


def test_nothing_moves_but_people_and_vehicles() -> None:
    film = Film(StreetParameters(people=0, vehicles=0, seconds=5, **SMALL))

    assert np.array_equal(film.still(0), film.still(49))


def test_noise_is_slight_and_never_the_same_twice_in_a_row() -> None:
    film = Film(StreetParameters(people=0, vehicles=0, seconds=5, **SMALL))
    one, next_one = (film.planes(number)[:180].astype(int) for number in (0, 1))

    assert 0.5 < np.abs(one - next_one).mean() < 4


def test_feet_of_the_truth_are_counted_in_the_places_of_the_example() -> None:
    known = truth(StreetParameters(people=0, vehicles=4, seed=3, **SMALL))

    assert known.lines["road"][0] + known.lines["road"][1] == 4
    assert known.zones["pavement"] == 0
    assert known.most_at_once >= 1


def test_example_scene_file_holds_the_plan_that_truth_is_known_of() -> None:
    text = EXAMPLE.read_text(encoding="utf-8")
    held = yaml.safe_load(text)

    assert text == scene_plan_text()
    assert [zone["name"] for zone in held["zones"]] == list(ZONES_NORM)
    assert [tuple(p) for p in held["zones"][0]["polygon"]] == list(ZONES_NORM["crossing"])
    assert [tuple(held["lines"][0][end]) for end in ("from", "to")] == list(LINES_NORM["road"])


def test_scene_of_no_parameters_is_the_default_one() -> None:
    assert parse_street("synthetic://street") == StreetParameters()
    assert parse_street("synthetic://street?seed=7&people=2").people == 2


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("people=25", "people=25 is out of bounds; use 0 to 24"),
        ("vehicles=13", "use 0 to 12"),
        ("seconds=1", "use 2 to 3600 seconds"),
        ("seconds=3601", "use 2 to 3600 seconds"),
        ("fps=0", "use 1 to 60 pictures a second"),
        ("width=100", "use 160 to 3840 pixels"),
        ("height=4000", "use 120 to 2160 pixels"),
        ("width=321", "use an even number"),
        ("seed=-1", "seed='-1' is no whole number"),
        ("seed=1.5", "is no whole number"),
        ("people=", "people='' is no whole number"),
        ("people=٣", "is no whole number"),
        ("people=99999999999999999999", "is no whole number"),
        ("dogs=2", "there is no parameter 'dogs'; use people, vehicles"),
        ("people=2&people=3", "'people' is given twice"),
    ],
)
def test_bad_parameters_are_refused_with_what_is_allowed(query: str, says: str) -> None:
    with pytest.raises(BadInput) as refused:
        parse_street(f"synthetic://street?{query}")

    assert says in str(refused.value)


@pytest.mark.parametrize("address", ["synthetic://beach", "synthetic://", "synthetic://street/x"])
def test_other_scenes_do_not_exist(address: str) -> None:
    with pytest.raises(BadInput, match="no such built-in scene; use synthetic://street"):
        parse_street(address)


@pytest.mark.parametrize(
    "extreme",
    [
        {"width": 160, "height": 120},
        {"width": 180, "height": 320},
        {"people": 24, "vehicles": 12, "seconds": 3},
        {"seconds": 2, "fps": 1},
    ],
)
def test_extreme_parameters_still_make_a_film(extreme: dict[str, int]) -> None:
    parameters = StreetParameters(**({"seconds": 2} | SMALL | extreme))
    film = Film(parameters)

    picture = film.planes(parameters.pictures - 1)

    assert picture.shape == (parameters.height * 3 // 2, parameters.width)
    assert truth(parameters).people <= parameters.people


def test_clip_for_other_tests_is_a_plain_file_with_its_truth(tmp_path: Path) -> None:
    known = make_street_clip(tmp_path / "street.mp4", seed=1)

    assert (tmp_path / "street.mp4").stat().st_size > 10_000
    assert (known.people, known.vehicles) == (3, 1)
