"""Labels follow the pixels, however a picture is cut, turned and put together with others."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from vedette.training import augment
from vedette.training.augment import draw_batch
from vedette.training.pictures import PictureSet, Place
from vedette.training.wear import wear

# Background of the pictures, and of what lies around them.
GREY = 114
# The object of each picture has a colour of its own, far from grey and from all others.
COLOURS = list(itertools.product((0, 255), repeat=3))
# Half way between an object's colour and the grey lies its edge.
HALF_WAY = 64
# Pixels around a label in which its colour is looked for.
AROUND = 8


class InTurn(PictureSet):
    """Gives its pictures in turn, so that none stands beside itself."""

    def draw(self, chance: np.random.Generator) -> Place:
        super().draw(chance)
        self.places.append(self.places.pop(0))
        return self.places[-1]


def painted(side: tuple[int, int]) -> PictureSet:
    """Give eight pictures with one object each."""
    height, width = side
    chance, pixels, places = np.random.default_rng(1), [], []
    for number, colour in enumerate(COLOURS):
        w, h = int(chance.integers(width // 6, width // 2)), int(chance.integers(30, height // 2))
        x, y = int(chance.integers(0, width - w)), int(chance.integers(0, height - h))
        picture = np.full((height, width, 3), GREY, np.uint8)
        picture[y : y + h, x : x + w] = colour
        boxes = np.array([[x, y, x + w, y + h, 1.0, number % 2]], np.float32)
        places.append(Place(str(number), number * picture.size, height, width, boxes))
        pixels.append(picture.ravel())
    return InTurn(np.concatenate(pixels), places, [1.0] * len(places))


def extent_near(picture: np.ndarray, box: np.ndarray) -> np.ndarray:
    """Give the extent of the colour in a box's middle, as far as it lies around the box."""
    left, top = (int(max(0, side - AROUND)) for side in box[:2])
    right, bottom = (int(side + AROUND) for side in box[2:])
    colour = picture[int(box[1] + box[3]) // 2, int(box[0] + box[2]) // 2].astype(np.int16)
    near = np.abs(picture[top:bottom, left:right] - colour).max(axis=2) < HALF_WAY
    rows, columns = np.nonzero(near)
    return np.array(
        [left + columns.min(), top + rows.min(), left + columns.max() + 1, top + rows.max() + 1]
    )


def misses(pictures: PictureSet, *, four_share: float) -> np.ndarray:
    """Give (N, 4): how far each label's sides are from the extent of its colour, in pixels."""
    found = []
    for number in range(12):
        batch = draw_batch(
            pictures, np.random.default_rng([5, number]), count=8, height=192, width=256,
            four_share=four_share, busy=False,
        )  # fmt: skip
        for picture, objects in zip(batch.pictures, batch.objects, strict=True):
            found += [one[:4] - extent_near(picture, one[:4]) for one in objects[objects[:, 4] > 0]]
    return np.array(found)


@pytest.mark.parametrize("four_share", [0.0, 1.0], ids=["alone", "four together"])
@pytest.mark.parametrize("side", [(240, 360), (90, 150)], ids=["large", "small"])
def test_labels_follow_the_pixels(side: tuple[int, int], four_share: float) -> None:
    away = misses(painted(side), four_share=four_share)

    assert len(away) > 60
    assert np.abs(away).max() < 2
    # Nor are they off to one side, mirrored or not.
    assert np.abs(away.mean(axis=0)).max() < 0.3


def test_the_same_chance_gives_the_same_batch() -> None:
    one, other = (
        draw_batch(
            painted((120, 200)),
            np.random.default_rng(9),
            count=2,
            height=96,
            width=128,
            four_share=0.5,
        )
        for _ in range(2)
    )

    assert np.array_equal(one.pictures, other.pictures)
    assert np.array_equal(one.objects, other.objects)


def test_what_nobody_is_sure_of_is_no_object() -> None:
    pictures = painted((120, 200))
    for place in pictures.places:
        place.boxes[:, 4] = 0.2

    batch = draw_batch(
        pictures, np.random.default_rng(0), count=8, height=96, width=128, four_share=0.0,
        busy=False,
    )  # fmt: skip

    assert not (batch.objects[..., 4] > 0).any()
    assert (batch.doubtful[..., 4] > 0).any()


def test_a_bicycle_is_doubted_where_a_vehicle_might_be_said() -> None:
    pictures = painted((120, 200))
    for place in pictures.places:
        place.boxes[:, 5] = 2

    batch = draw_batch(
        pictures, np.random.default_rng(0), count=8, height=96, width=128, four_share=0.0,
        busy=False,
    )  # fmt: skip

    assert not (batch.objects[..., 4] > 0).any()
    assert set(batch.doubtful[..., 4].ravel().tolist()) == {0.0, 2.0}


def only(monkeypatch: pytest.MonkeyPatch, *, pieces: float = 0, things: float = 0) -> None:
    """Let only these be put onto pictures, so many each."""
    monkeypatch.setattr(augment, "PIECES", pieces)
    monkeypatch.setattr(augment, "PIECE_SHOWS", 1.0)
    monkeypatch.setattr(augment, "THINGS_SHARE", float(things > 0))
    monkeypatch.setattr(augment, "THINGS", max(things, 1))


def empty(side: tuple[int, int]) -> PictureSet:
    """Give a grey picture of nothing, beside the painted ones."""
    pictures = painted(side)
    for place in pictures.places:
        place.boxes[:, 4] = 0
    return pictures


def test_pieces_with_somebody_bring_their_labels(monkeypatch: pytest.MonkeyPatch) -> None:
    only(monkeypatch, pieces=1.5)
    away, more = [], 0
    for number in range(30):
        batch = draw_batch(
            painted((240, 360)), np.random.default_rng([6, number]), count=4, height=192, width=256,
            four_share=0.0,
        )  # fmt: skip
        for picture, objects in zip(batch.pictures, batch.objects, strict=True):
            real = objects[objects[:, 4] > 0]
            more += len(real) > 1
            # The last one put there hides what is behind, and is hidden by nothing.
            away += [real[-1][:4] - extent_near(picture, real[-1][:4])] if len(real) else []

    assert more > 30
    # Where two touch, the colours that are looked for may run into each other.
    assert np.median(np.abs(away), axis=0).max() < 1.5
    assert np.mean(np.abs(away).max(axis=1) < 6) > 0.85


def test_what_a_thing_hides_is_no_object_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    only(monkeypatch, things=3)
    monkeypatch.setattr(augment, "THING_SIDES", (180.0, 220.0))
    drawn = {"size": (192, 256), "kept": 0, "doubtful": 0}
    for busy in (False, True):
        batch = draw_batch(
            painted((240, 360)), np.random.default_rng(3), count=40, height=192, width=256,
            four_share=0.0, busy=busy,
        )  # fmt: skip
        drawn[f"objects {busy}"] = int((batch.objects[..., 4] > 0).sum())

    assert drawn["objects True"] < 0.6 * drawn["objects False"]


def test_a_thing_is_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    only(monkeypatch, things=4)

    batch = draw_batch(
        empty((240, 360)), np.random.default_rng(3), count=20, height=192, width=256,
        four_share=0.0,
    )  # fmt: skip

    assert not (batch.objects[..., 4] > 0).any()
    assert all(len(np.unique(one)) > 12 for one in batch.pictures), "something stands there"


def test_wear_changes_some_pictures_and_no_places() -> None:
    clear = draw_batch(
        painted((240, 360)), np.random.default_rng(3), count=60, height=192, width=256,
        four_share=0.0, busy=False,
    )  # fmt: skip
    worn = clear.pictures.copy()
    wear(worn, np.random.default_rng(4))

    changed = [not np.array_equal(*pair) for pair in zip(worn, clear.pictures, strict=True)]
    assert 0.3 < np.mean(changed) < 0.8
    for picture, before in zip(worn, clear.pictures, strict=True):
        # What is no grey stays where it is: edges move by no more than they blur.
        stands = np.abs(before.astype(np.int16) - GREY).max(axis=2) > HALF_WAY
        stood = np.abs(picture.astype(np.int16) - GREY).max(axis=2) > HALF_WAY // 2
        assert stands.sum() == 0 or (stands & stood).sum() / stands.sum() > 0.7
