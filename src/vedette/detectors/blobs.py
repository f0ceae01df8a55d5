"""Joins changed pixels into things, and tells things from shadows, light and ghosts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from vedette.detectors.background import Look, Mask, Uint8

Int32 = npt.NDArray[np.int32]
Box = tuple[int, int, int, int]

# Sizes are pixels of the looked-at picture (long side 320).
AREA_MIN_PX = 14
# Gaps closed inside one thing, (width, height): what moves is mostly taller than its gaps.
GAP_PX = (3, 7)
# A core this many times over the limit makes a thing; weaker pixels only complete it.
STRONG_TIMES = 2.0
STRONG_MIN_PX = 6

# A shadow or a reflection changes the light by such a factor and keeps the hue (up to some levels).
LIGHT_MIN, LIGHT_MAX = 0.45, 1.15
LIGHT_CHROMA_MAX = 4.0
# The more colour a surface has, the more of it the colour of the light changes.
LIGHT_CHROMA_SHARE = 0.08

# Pieces that stand over each other belong together (head, trunk and legs): of like width (the
# narrower against the wider), most of the narrower one's width common, and the gap no higher than
# this share of it.
STACK_LIKE = 0.35
STACK_COMMON = 0.6
STACK_GAP = 0.6
STACK_FILLED = 0.7

# A limb: a small piece, against the thing's height and area, that it touches or nearly does.
LIMB_HEIGHT = 0.35
LIMB_AREA = 0.15
LIMB_GAP_PX = 2

# Where the picture keeps the background's structure, only light fell on it: correlation of luma,
# and the structure (standard deviation, levels) needed to tell.
SAME_STRUCTURE = 0.9
STRUCTURE_MIN = 6.0
# How far a camera may have moved, or its focus breathed.
SHIFT_MAX_PX = 2
# A ghost has its outline in the background, not in the picture: so much stronger, and at least so
# many levels per pixel. And it keeps still: its levels differ by no more from look to look.
GHOST_TIMES = 1.5
GHOST_EDGE_MIN = 8.0
GHOST_FLICKER_MAX = 4.0


@dataclass(frozen=True, slots=True, eq=False)
class Blob:
    """A thing in the looked-at picture.

    Attributes:
        xyxy: Its box; ends exclusive.
        area_px: Changed pixels in it.
        contrast: By how much they pass their limit, on average.
        ghost: Its outline stands in the background, not in the picture.
    """

    xyxy: Box
    area_px: int
    contrast: float
    ghost: bool


@dataclass(frozen=True, slots=True, eq=False)
class Blobs:
    """All things of a look; `moving` and `ghosts` are bool (H, W): their pixels."""

    things: list[Blob]
    moving: Mask
    ghosts: Mask


def find_blobs(look: Look) -> Blobs:
    """Join the changed pixels of a look into things."""
    moving, ghosts = np.zeros_like(look.changed), np.zeros_like(look.changed)
    solid = _despeckled(look.changed)
    solid = _despeckled(solid & ~_light(look, solid))
    pieces = []
    for piece, mask in _pieces(look, solid):
        x1, y1, x2, y2 = piece.xyxy
        (ghosts if piece.ghost else moving)[y1:y2, x1:x2] |= mask
        if not piece.ghost:
            pieces.append(piece)
    groups = _stacks(pieces, look.changed)
    return Blobs([_joined(group) for group in groups], moving, ghosts)


def _pieces(look: Look, solid: Mask) -> Iterator[tuple[Blob, Mask]]:
    labels, stats = _components(solid)
    for label in np.flatnonzero(stats[:, cv2.CC_STAT_AREA] >= AREA_MIN_PX):
        if label == 0:
            continue
        x, y, width, height = (int(value) for value in stats[label, :4])
        box = (slice(y, y + height), slice(x, x + width))
        mask = labels[box] == label
        pixels = mask & solid[box]
        area = int(np.count_nonzero(pixels))
        if area < AREA_MIN_PX:
            continue
        over = look.distance[box][pixels] / look.limit[box][pixels].astype(np.float32)
        if np.count_nonzero(over > STRONG_TIMES) < STRONG_MIN_PX:
            continue
        xyxy = (x, y, x + width, y + height)
        if _same_structure(look, xyxy, labels, int(label)):
            continue
        ghost = _is_ghost(look, xyxy, labels, int(label))
        yield Blob(xyxy, area, float(over.mean()), ghost), mask


def _components(solid: Mask) -> tuple[Int32, Int32]:
    """Give the label of every pixel (0: none) and per label x, y, width, height, area."""
    kernel = cv2.getStructuringElement(cv2.MORPH_RECT, GAP_PX)
    closed = cv2.morphologyEx(solid.view(np.uint8), cv2.MORPH_CLOSE, kernel)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(closed, connectivity=8)
    return np.asarray(labels, np.int32), np.asarray(stats, np.int32)


def _despeckled(mask: Mask) -> Mask:
    return np.asarray(cv2.medianBlur(mask.view(np.uint8), 3), np.uint8).view(np.bool_)


def _light(look: Look, changed: Mask) -> Mask:
    """Tell which changed pixels are the background under another light: shadows, reflections."""
    light = np.zeros_like(changed)
    at = np.flatnonzero(changed)
    now = look.picture.reshape(-1, 3)[at].astype(np.float32)
    then = look.background.reshape(-1, 3)[at].astype(np.float32)
    ratio = now[:, 0] / np.maximum(then[:, 0], np.float32(1))
    # Chroma shrinks towards grey (128) with the light.
    hue = np.abs((now[:, 1:] - 128) - (then[:, 1:] - 128) * ratio[:, None])
    colour = np.abs(then[:, 1:] - 128) * np.float32(LIGHT_CHROMA_SHARE)
    same_hue = (hue < LIGHT_CHROMA_MAX + colour).all(axis=1)
    light.ravel()[at[same_hue & (ratio > LIGHT_MIN) & (ratio < LIGHT_MAX)]] = True
    return light


def _wider(box: Box, shape: tuple[int, ...], by: int = 1) -> tuple[slice, slice]:
    x1, y1, x2, y2 = box
    return (
        slice(max(0, y1 - by), min(shape[0], y2 + by)),
        slice(max(0, x1 - by), min(shape[1], x2 + by)),
    )


def _same_structure(look: Look, box: Box, labels: Int32, label: int) -> bool:
    """Tell whether the background is still there: only its light changed, or the camera moved."""
    x1, y1, x2, y2 = box
    height, width = look.changed.shape
    if x2 - x1 > width // 2 or y2 - y1 > height // 2:
        return False
    part = _wider(box, look.changed.shape, by=SHIFT_MAX_PX)
    now = np.ascontiguousarray(look.picture[part][:, :, 0])
    # With a rim: what tells structure are edges, and those lie where the change ends.
    reach = np.ones((2 * SHIFT_MAX_PX + 1,) * 2, np.uint8)
    mask = np.asarray(cv2.dilate((labels[part] == label).view(np.uint8), reach), np.uint8)
    part = _wider(box, look.changed.shape, by=2 * SHIFT_MAX_PX)
    then = np.ascontiguousarray(look.background[part][:, :, 0])
    there = mask != 0
    if now[there].std() < STRUCTURE_MIN or then.std() < STRUCTURE_MIN:
        return False
    # The whole box is a fast first look; the mask keeps what stands beside the change out.
    if cv2.matchTemplate(then, now, cv2.TM_CCOEFF_NORMED).max() < SAME_STRUCTURE - 0.1:
        return False
    likeness = cv2.matchTemplate(then, now, cv2.TM_CCOEFF_NORMED, mask=mask)
    best = float(likeness[np.isfinite(likeness)].max(initial=0))
    return SAME_STRUCTURE < best <= 1.01


def _is_ghost(look: Look, box: Box, labels: Int32, label: int) -> bool:
    """Tell whether a thing's outline stands in the background instead of the picture."""
    part = _wider(box, look.changed.shape)
    if look.flicker[part][labels[part] == label].mean() > GHOST_FLICKER_MAX:
        return False
    outline = _steepness((labels[part] == label).view(np.uint8)) != 0
    then = _steepness(look.background[part][:, :, 0])[outline].mean()
    now = _steepness(look.picture[part][:, :, 0])[outline].mean()
    return bool(then > GHOST_EDGE_MIN and then > GHOST_TIMES * now)


def _steepness(levels: Uint8) -> Uint8:
    """Give the range of levels around each pixel."""
    kernel = np.ones((3, 3), np.uint8)
    steep = cv2.morphologyEx(np.ascontiguousarray(levels), cv2.MORPH_GRADIENT, kernel)
    return np.asarray(steep, np.uint8)


def _stacks(pieces: list[Blob], changed: Mask) -> list[list[Blob]]:
    """Group pieces that stand over each other: head, trunk and legs of one person."""
    group = list(range(len(pieces)))
    for one in range(len(pieces)):
        for two in range(one + 1, len(pieces)):
            if group[one] != group[two] and _belong(pieces[one], pieces[two], changed):
                old, new = group[two], group[one]
                group = [new if name == old else name for name in group]
    return [
        [pieces[at] for at, name in enumerate(group) if name == this] for this in sorted(set(group))
    ]


def _belong(one: Blob, two: Blob, changed: Mask) -> bool:
    small, large = sorted((one, two), key=lambda piece: piece.area_px)
    return _is_limb(small, large) or _is_stack(one.xyxy, two.xyxy, changed)


def _is_limb(small: Blob, large: Blob) -> bool:
    s, l = small.xyxy, large.xyxy
    across = max(s[0], l[0]) - min(s[2], l[2])
    along = max(s[1], l[1]) - min(s[3], l[3])
    return (
        s[3] - s[1] <= LIMB_HEIGHT * (l[3] - l[1])
        and small.area_px <= LIMB_AREA * large.area_px
        and max(across, along) <= LIMB_GAP_PX
    )


def _is_stack(one: Box, two: Box, changed: Mask) -> bool:
    narrow, wide = sorted((one[2] - one[0], two[2] - two[0]))
    left, right = max(one[0], two[0]), min(one[2], two[2])
    if narrow < STACK_LIKE * wide or right - left < STACK_COMMON * narrow:
        return False
    top, bottom = min(one[3], two[3]), max(one[1], two[1])
    gap = bottom - top
    if gap <= max(STACK_GAP * narrow, GAP_PX[0]):
        return True
    # A grey coat before a white wall passes for its shadow; but no shadow floats between a head
    # and its legs.
    taller = max(one[3] - one[1], two[3] - two[1])
    return gap <= taller and bool(changed[top:bottom, left:right].mean() > STACK_FILLED)


def _joined(pieces: list[Blob]) -> Blob:
    boxes = np.array([piece.xyxy for piece in pieces])
    area = sum(piece.area_px for piece in pieces)
    contrast = sum(piece.contrast * piece.area_px for piece in pieces) / area
    x1, y1 = (int(value) for value in boxes[:, :2].min(axis=0))
    x2, y2 = (int(value) for value in boxes[:, 2:].max(axis=0))
    return Blob((x1, y1, x2, y2), area, contrast, ghost=False)
