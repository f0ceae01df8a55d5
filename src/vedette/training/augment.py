"""Pictures as they are learnt from: cut, turned, put together, so that no two look alike.

Everything here follows from the generator it is given, so a training that goes on after a kill
sees what it would have seen.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from vedette.training.pictures import (
    DOUBTFUL_FROM,
    OBJECT_FROM,
    Boxes,
    Picture,
    PictureSet,
    Place,
)

GREY = 114
# Objects and doubtful boxes of one picture, at most.
OBJECTS_MAX, DOUBTFUL_MAX = 40, 24
# Long side of a picture once placed, in pixels: alone, and as one of four.
ALONE, IN_FOUR = (220.0, 640.0), (150.0, 420.0)
# How much width and height may stretch, as a logarithm.
STRETCH = 0.12
# Where a cut leaves less of an object than this, nobody says what it is.
SEEN_LEAST = 0.35
# An object smaller than this many pixels is not worth a mistake.
SIDE_LEAST = 3.0


@dataclass(frozen=True, slots=True)
class Batch:
    """Pictures to learn from at once.

    Attributes:
        pictures: (N, H, W, 3) BGR bytes.
        objects, doubtful: As in `targets.Truths`.
    """

    pictures: npt.NDArray[np.uint8]
    objects: npt.NDArray[np.float32]
    doubtful: npt.NDArray[np.float32]


def draw_batch(
    among: PictureSet,
    chance: np.random.Generator,
    *,
    count: int,
    height: int,
    width: int,
    four_share: float,
) -> Batch:
    """Draw and change `count` pictures; `four_share` of them are put together of four."""
    pictures = np.empty((count, height, width, 3), np.uint8)
    objects = np.zeros((count, OBJECTS_MAX, 6), np.float32)
    doubtful = np.zeros((count, DOUBTFUL_MAX, 5), np.float32)
    for number in range(count):
        boxes = _compose(among, chance, pictures[number], four=chance.random() < four_share)
        sure = (boxes[:, 4] > OBJECT_FROM) & (boxes[:, 5] < 2)
        found = boxes[sure][np.argsort(-boxes[sure, 4], kind="stable")][:OBJECTS_MAX]
        objects[number, : len(found)] = found
        rest = boxes[~sure & (boxes[:, 4] > DOUBTFUL_FROM)][:DOUBTFUL_MAX]
        doubtful[number, : len(rest), :4] = rest[:, :4]
        # A bicycle may hide in what a vehicle's cell sees.
        doubtful[number, : len(rest), 4] = np.minimum(rest[:, 5], 1) + 1
    return Batch(pictures, objects, doubtful)


def _compose(
    among: PictureSet, chance: np.random.Generator, canvas: Picture, *, four: bool
) -> Boxes:
    canvas[:] = GREY
    height, width = canvas.shape[:2]
    if not four:
        place = among.draw(chance)
        return _put(among.picture(place), place, chance, canvas, ALONE)
    x = int(width * chance.uniform(0.3, 0.7))
    y = int(height * chance.uniform(0.3, 0.7))
    found = []
    for left, top, right, bottom in (
        (0, 0, x, y), (x, 0, width, y), (0, y, x, height), (x, y, width, height),
    ):  # fmt: skip
        place = among.draw(chance)
        picture, corner = among.picture(place), canvas[top:bottom, left:right]
        boxes = _put(picture, place, chance, corner, IN_FOUR)
        boxes[:, :4] += np.array([left, top, left, top], np.float32)
        found.append(boxes)
    return np.concatenate(found)


def _put(
    picture: Picture,
    place: Place,
    chance: np.random.Generator,
    onto: Picture,
    sizes: tuple[float, float],
) -> Boxes:
    """Place a picture at some size on `onto`; give its boxes there."""
    room_h, room_w = onto.shape[:2]
    height, width = picture.shape[:2]
    scale = np.exp(chance.uniform(*np.log(sizes))) / max(height, width)
    scale_x = scale * np.exp(chance.uniform(-STRETCH, STRETCH))
    scale_y = scale * np.exp(chance.uniform(-STRETCH, STRETCH))
    full_w, full_h = width * scale_x, height * scale_y
    left, top = _slack(chance, room_w - full_w), _slack(chance, room_h - full_h)
    mirrored = chance.random() < 0.5
    sure = place.boxes[place.boxes[:, 4] > OBJECT_FROM]
    if len(sure) and chance.random() < 0.7:
        # A cut that shows somebody teaches more than one beside them.
        one = sure[chance.integers(len(sure))]
        middle_x = (one[0] + one[2]) / 2 * scale_x
        middle_x = full_w - middle_x if mirrored else middle_x
        left = _towards(chance, left, middle_x, full_w, room_w)
        top = _towards(chance, top, (one[1] + one[3]) / 2 * scale_y, full_h, room_h)
    moved = np.array(
        [
            [-scale_x if mirrored else scale_x, 0, left + full_w if mirrored else left],
            [0, scale_y, top],
        ]
    )
    _paint(picture, onto, moved)
    boxes = place.boxes.copy()
    boxes[:, [0, 2]] *= scale_x
    boxes[:, [1, 3]] *= scale_y
    if mirrored:
        boxes[:, [0, 2]] = full_w - boxes[:, [2, 0]]
    boxes[:, [0, 2]] += left
    boxes[:, [1, 3]] += top
    return _cut(boxes, room_w, room_h)


def _slack(chance: np.random.Generator, room: float) -> float:
    return float(chance.uniform(min(0.0, room), max(0.0, room)))


def _towards(
    chance: np.random.Generator, start: float, middle: float, full: float, room: int
) -> float:
    if full <= room:
        return start
    return float(np.clip(room * chance.uniform(0.15, 0.85) - middle, room - full, 0.0))


def _paint(picture: Picture, onto: Picture, moved: npt.NDArray[np.float64]) -> None:
    """Paint a picture where `moved` (2 x 3, from its pixels to those of `onto`) puts it."""
    smaller = min(abs(moved[0, 0]), moved[1, 1])
    if smaller < 0.55:
        # Shrunk by areas first: a warp alone would skip pixels.
        half = 0.5 if smaller > 0.27 else 0.25
        picture = np.asarray(
            cv2.resize(picture, None, fx=half, fy=half, interpolation=cv2.INTER_AREA), np.uint8
        )
        moved[:, :2] /= half
    # `moved` means edges of pixels, as boxes do; the warp means their middles.
    moved[:, 2] += 0.5 * (moved[:, 0] + moved[:, 1]) - 0.5
    cv2.warpAffine(
        picture,
        moved,
        (onto.shape[1], onto.shape[0]),
        dst=(painted := np.empty_like(onto)),
        flags=cv2.INTER_LINEAR,
        borderValue=(GREY, GREY, GREY),
    )
    onto[:] = painted


def _cut(boxes: Boxes, width: int, height: int) -> Boxes:
    """Cut boxes at the canvas; what is hardly left becomes doubtful, what is gone goes."""
    whole = np.maximum((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]), 1e-3)
    boxes[:, [0, 2]] = boxes[:, [0, 2]].clip(0, width)
    boxes[:, [1, 3]] = boxes[:, [1, 3]].clip(0, height)
    sides = boxes[:, 2:4] - boxes[:, :2]
    seen = sides.prod(axis=1) / whole
    kept = (seen > 0.05) & (sides.max(axis=1, initial=0) > 2)
    unclear = (seen < SEEN_LEAST) | (sides.min(axis=1, initial=1e9) < SIDE_LEAST)
    boxes[unclear, 4] = np.minimum(boxes[unclear, 4], DOUBTFUL_FROM + 0.01)
    return boxes[kept]
