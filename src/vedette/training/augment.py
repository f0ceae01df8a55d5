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
from vedette.training.wear import in_other_hues

GREY = 114
# Objects and doubtful boxes of one picture, at most.
OBJECTS_MAX, DOUBTFUL_MAX = 40, 24
# Long side of a picture once placed, in pixels: alone, and as one of four.
ALONE, IN_FOUR = (220.0, 720.0), (150.0, 460.0)
# How much width and height may stretch, as a logarithm.
STRETCH = 0.12
# Where a cut leaves less of an object than this, nobody says what it is.
SEEN_LEAST = 0.35
# Pieces of other pictures put onto one, on average, and the share of them that show an object; the
# rest hides what is behind. Long side in pixels, and how much a piece may be enlarged.
PIECES, PIECE_SHOWS = 0.9, 0.7
PIECE_SIDES, ENLARGED_MOST = (20.0, 340.0), 3.0
# An object is cut out where its label is this sure; a piece has this many pixels at least.
SURE_PIECE, PIECE_LEAST = 0.5, 12
# Things that are nothing: shapes of all kinds, filled with pieces of pictures turned and stretched
# beyond recognition, or with a colour. So many on average, on this share of the pictures.
THINGS, THINGS_SHARE = 2.0, 0.5
THING_SIDES, THING_CORNERS, THING_STRETCH = (10.0, 220.0), (3, 9), 0.9
# Around an object that much of it comes along.
PIECE_MARGIN = 0.08
# An object hidden this far is doubtful, and from the second on gone.
HIDDEN_DOUBTFUL, HIDDEN_GONE = 0.45, 0.75
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
    busy: bool = True,
) -> Batch:
    """Draw and change `count` pictures.

    Args:
        among: Where they are drawn.
        chance: All that follows, follows from it.
        count: Pictures to make.
        height: Of each, in pixels.
        width: Likewise.
        four_share: This share of them is put together of four.
        busy: Put pieces of other pictures, and things that are nothing, onto them.
    """
    pictures = np.empty((count, height, width, 3), np.uint8)
    objects = np.zeros((count, OBJECTS_MAX, 6), np.float32)
    doubtful = np.zeros((count, DOUBTFUL_MAX, 5), np.float32)
    for number in range(count):
        boxes = _compose(among, chance, pictures[number], four=chance.random() < four_share)
        if busy:
            boxes = _crowd(among, chance, pictures[number], boxes)
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
    return _cut(boxes, room_w, room_h, _areas(boxes))


def _crowd(among: PictureSet, chance: np.random.Generator, canvas: Picture, boxes: Boxes) -> Boxes:
    for _ in range(chance.poisson(PIECES)):
        boxes = _paste(among, chance, canvas, boxes)
    if chance.random() < THINGS_SHARE:
        for _ in range(1 + chance.poisson(THINGS - 1)):
            boxes = _put_thing(among, chance, canvas, boxes)
    return boxes


def _paste(among: PictureSet, chance: np.random.Generator, canvas: Picture, boxes: Boxes) -> Boxes:
    """Put a piece of another picture onto one; give the boxes of what is seen then."""
    place = among.draw(chance)
    room_h, room_w = canvas.shape[:2]
    sure = place.boxes[place.boxes[:, 4] > SURE_PIECE]
    if len(sure) and chance.random() < PIECE_SHOWS:
        left, top, right, bottom = sure[chance.integers(len(sure)), :4]
        aside = PIECE_MARGIN * (right - left), PIECE_MARGIN * (bottom - top)
        cut = np.array([left - aside[0], top - aside[1], right + aside[0], bottom + aside[1]])
    else:
        sides = np.array([place.width, place.height]) * chance.uniform(0.1, 0.4, 2)
        start = chance.uniform(0, 1, 2) * (np.array([place.width, place.height]) - sides)
        cut = np.concatenate([start, start + sides])
    limit = [place.width, place.height, place.width, place.height]
    x0, y0, x1, y1 = (int(v) for v in cut.round().clip(0, limit))
    if min(x1 - x0, y1 - y0) < PIECE_LEAST:
        return boxes
    side = np.exp(chance.uniform(*np.log(PIECE_SIDES)))
    scale = min(side / max(x1 - x0, y1 - y0), ENLARGED_MOST)
    width, height = (max(4, round(length * scale)) for length in (x1 - x0, y1 - y0))
    piece = np.asarray(
        cv2.resize(
            among.picture(place)[y0:y1, x0:x1],
            (width, height),
            interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR,
        ),
        np.uint8,
    )
    own = place.boxes.copy()
    whole = _areas(own) * np.float32(scale * scale)
    own[:, :4] = (own[:, :4] - [x0, y0, x0, y0]) * scale
    if chance.random() < 0.5:
        piece = piece[:, ::-1]
        own[:, [0, 2]] = width - own[:, [2, 0]]
    # A third may lie outside, as people leave a picture.
    left = round(chance.uniform(*sorted((-width / 3, room_w - width * 2 / 3))))
    top = round(chance.uniform(*sorted((-height / 3, room_h - height * 2 / 3))))
    x0, y0, x1, y1 = max(left, 0), max(top, 0), min(left + width, room_w), min(top + height, room_h)
    if min(x1 - x0, y1 - y0) < PIECE_LEAST:
        return boxes
    seen = piece[y0 - top : y1 - top, x0 - left : x1 - left]
    under = canvas[y0:y1, x0:x1]
    blend = _soft_edges(chance, seen.shape[0], seen.shape[1])
    under[:] = (seen * blend + under * (1 - blend)).astype(np.uint8)
    own[:, [0, 2]] = own[:, [0, 2]].clip(0, width) + left
    own[:, [1, 3]] = own[:, [1, 3]].clip(0, height) + top
    return np.concatenate(
        [
            _hidden(boxes, (x0, y0, x1, y1)),
            _cut(own, room_w, room_h, whole),
        ]
    )


def _put_thing(
    among: PictureSet, chance: np.random.Generator, canvas: Picture, boxes: Boxes
) -> Boxes:
    """Put something on a picture that is neither somebody nor a vehicle; give what is seen then.

    Pictures of streets hold few other things that stand out from what is behind them. Without these
    a network takes whatever stands out for somebody.
    """
    room_h, room_w = canvas.shape[:2]
    side = np.exp(chance.uniform(*np.log(THING_SIDES)))
    stretch = np.exp(chance.uniform(-THING_STRETCH, THING_STRETCH))
    height = int(np.clip(side * stretch, 6, room_h - 1))
    width = int(np.clip(side / stretch, 6, room_w - 1))
    left = int(chance.integers(room_w - width))
    top = int(chance.integers(room_h - height))
    filled = _filling(among, chance, height, width)
    shape = _shape(chance, height, width)[..., None]
    under = canvas[top : top + height, left : left + width]
    under[:] = (filled * shape + under * (1 - shape)).astype(np.uint8)
    return _hidden(boxes, (left, top, left + width, top + height))


def _filling(
    among: PictureSet, chance: np.random.Generator, height: int, width: int
) -> npt.NDArray[np.float32]:
    kind = chance.integers(4)
    if kind == 0:  # A colour that fades into another.
        one, other = chance.uniform(0, 255, (2, 3)).astype(np.float32)
        slope = np.linspace(0, 1, width if chance.random() < 0.5 else height, dtype=np.float32)
        slope = slope[None, :] if len(slope) == width else slope[:, None]
        return np.asarray(one + (other - one) * np.broadcast_to(slope, (height, width))[..., None])
    place = among.draw(chance)
    picture = among.picture(place)
    cut = [max(4, int(length * chance.uniform(0.03, 0.25))) for length in picture.shape[:2]]
    y, x = (
        int(chance.integers(length - part + 1))
        for length, part in zip(picture.shape[:2], cut, strict=True)
    )
    piece = np.rot90(picture[y : y + cut[0], x : x + cut[1]], int(chance.integers(4)))
    piece = np.asarray(cv2.resize(np.ascontiguousarray(piece), (width, height)), np.uint8)
    if kind == 1:  # Of few tones, as painted things are.
        piece = (piece // 64 * 64 + 32).astype(np.uint8)
    return in_other_hues(piece, chance).astype(np.float32)


def _shape(chance: np.random.Generator, height: int, width: int) -> npt.NDArray[np.float32]:
    """Give how much of a thing is seen, (height, width): an ellipse, a box, or some corners."""
    mask = np.zeros((height, width), np.uint8)
    kind = chance.integers(3)
    if kind == 0:
        middle = (width // 2, height // 2)
        cv2.ellipse(
            mask, middle, (max(1, width // 2 - 1), max(1, height // 2 - 1)), 0, 0, 360, 255, -1
        )
    elif kind == 1:
        mask[1:-1, 1:-1] = 255
    else:
        count = int(chance.integers(*THING_CORNERS))
        around = np.sort(chance.uniform(0, 2 * np.pi, count))
        reach = chance.uniform(0.4, 1.0, (count, 1)) * [width / 2 - 1, height / 2 - 1]
        corners = np.stack([np.cos(around), np.sin(around)], -1) * reach
        corners += [width / 2, height / 2]
        cv2.fillPoly(mask, [corners.astype(np.int32)], 255)
    soft = float(chance.uniform(0.4, 1.5))
    return np.asarray(cv2.GaussianBlur(mask, (0, 0), soft), np.float32) / np.float32(255)


def _soft_edges(chance: np.random.Generator, height: int, width: int) -> npt.NDArray[np.float32]:
    """Give how much of a piece is seen, (height, width, 1): less towards its edges."""
    soft = min(chance.uniform(0.5, 8.0), min(height, width) / 4)
    down = np.minimum(np.arange(height) + 0.5, height - np.arange(height) - 0.5)
    across = np.minimum(np.arange(width) + 0.5, width - np.arange(width) - 0.5)
    edge = np.minimum(down[:, None] / soft, 1) * np.minimum(across[None] / soft, 1)
    return np.asarray(edge[..., None], np.float32)


def _hidden(boxes: Boxes, by: tuple[int, int, int, int]) -> Boxes:
    """Give the boxes of what is still seen behind a piece."""
    width = np.minimum(boxes[:, 2], by[2]) - np.maximum(boxes[:, 0], by[0])
    height = np.minimum(boxes[:, 3], by[3]) - np.maximum(boxes[:, 1], by[1])
    hidden = width.clip(0) * height.clip(0) / _areas(boxes)
    doubtful = hidden > HIDDEN_DOUBTFUL
    boxes[doubtful, 4] = np.minimum(boxes[doubtful, 4], DOUBTFUL_FROM + 0.01)
    return boxes[hidden < HIDDEN_GONE]


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


def _areas(boxes: Boxes) -> npt.NDArray[np.float32]:
    return np.maximum((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]), 1e-3)


def _cut(boxes: Boxes, width: int, height: int, whole: npt.NDArray[np.float32]) -> Boxes:
    """Cut boxes at the canvas; what is hardly left of `whole` is doubtful, what is gone goes."""
    boxes[:, [0, 2]] = boxes[:, [0, 2]].clip(0, width)
    boxes[:, [1, 3]] = boxes[:, [1, 3]].clip(0, height)
    sides = boxes[:, 2:4] - boxes[:, :2]
    seen = sides.prod(axis=1) / whole
    kept = (seen > 0.05) & (sides.max(axis=1, initial=0) > 2)
    unclear = (seen < SEEN_LEAST) | (sides.min(axis=1, initial=1e9) < SIDE_LEAST)
    boxes[unclear, 4] = np.minimum(boxes[unclear, 4], DOUBTFUL_FROM + 0.01)
    return boxes[kept]
