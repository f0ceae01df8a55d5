"""Pictures to judge by are known again; twins among those to learn from are told."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from vedette.training.likeness import Families, Known, distances, hash_of


def scenery(seed: int, size: tuple[int, int] = (240, 320)) -> np.ndarray:
    """Give a place: light and dark of all extents, as in natural pictures."""
    chance, height, width = np.random.default_rng(seed), *size
    picture = np.zeros((height, width), np.float32)
    for cells, strength in ((4, 40), (9, 25), (20, 14), (48, 8)):
        rough = chance.normal(0, strength, (cells, cells)).astype(np.float32)
        picture += cv2.resize(rough, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(picture[..., None] + 120, 0, 255).astype(np.uint8).repeat(3, axis=2)


def recoded(picture: np.ndarray, quality: int) -> np.ndarray:
    _, coded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return cv2.imdecode(coded, cv2.IMREAD_COLOR)


def mirrored(picture: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(picture[:, ::-1])


def resized(picture: np.ndarray, share: float) -> np.ndarray:
    return cv2.resize(picture, None, fx=share, fy=share, interpolation=cv2.INTER_AREA)


def with_block(picture: np.ndarray, x: int, side: int) -> np.ndarray:
    """Give the place with something dark standing in it."""
    picture = picture.copy()
    picture[100 : 100 + side, x : x + side] = 20
    return picture


@pytest.mark.parametrize(
    "change",
    [
        lambda picture: recoded(picture, 30),
        lambda picture: resized(picture, 0.4),
        mirrored,
        lambda picture: recoded(resized(mirrored(picture), 0.6), 50),
        lambda picture: np.clip(picture * 0.8 + 20, 0, 255).astype(np.uint8),
    ],
    ids=["recoded", "resized", "mirrored", "all three", "in other light"],
)
def test_a_picture_to_judge_by_is_known_again(change) -> None:
    known = Known([scenery(seed) for seed in range(5)])

    assert all(known.has(change(scenery(seed))) for seed in range(5))


def test_another_place_is_not_taken_for_a_picture_to_judge_by() -> None:
    known = Known([scenery(seed) for seed in range(10)])

    assert not any(known.has(scenery(seed)) for seed in range(100, 140))


def test_without_pictures_to_judge_by_nothing_is_known() -> None:
    assert not Known([]).has(scenery(0))


def test_the_same_moment_coded_again_is_a_twin() -> None:
    families = Families()

    assert families.is_new(scenery(1))
    assert not families.is_new(recoded(scenery(1), 60))


def test_the_same_place_with_something_large_elsewhere_is_no_twin() -> None:
    families = Families()

    assert families.is_new(with_block(scenery(1), 20, 80))
    assert families.is_new(with_block(scenery(1), 200, 80))


def test_something_small_that_moved_goes_unnoticed() -> None:
    # A hash of 16 x 16 places cannot see it; the page on training says so.
    families = Families()

    assert families.is_new(with_block(scenery(1), 20, 8))
    assert not families.is_new(with_block(scenery(1), 200, 8))


def test_how_much_must_have_changed_can_be_asked_for() -> None:
    one, other = scenery(1), with_block(scenery(1), 150, 60)
    apart = int(distances(hash_of(one), hash_of(other)[None])[0])
    strict, mild = Families(changed_from=apart + 1), Families(changed_from=apart)

    assert [strict.is_new(one), strict.is_new(other)] == [True, False]
    assert [mild.is_new(one), mild.is_new(other)] == [True, True]
