"""Shapes painted finely, averaged down, laid over a picture: how all that stands is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np

from vedette.sources.street.camera import Points
from vedette.sources.street.colours import Colour
from vedette.sources.street.sheet import Picture

_SHIFT = 4  # Fraction bits of OpenCV's drawing.
_MARGIN_PX = 2
_TURN = np.linspace(-np.pi / 2, np.pi / 2, 8)
_ARC = np.stack([np.cos(_TURN), np.sin(_TURN)], axis=1)  # Half a circle around +x.
_ROUND = np.linspace(0, 2 * np.pi, 14, endpoint=False)
_CIRCLE = np.stack([np.cos(_ROUND), np.sin(_ROUND)], axis=1)

Box = tuple[float, float, float, float]


class Shape(NamedTuple):
    """A filled polygon: pixels (N, 2), and its colour."""

    points_px: Points
    colour: Colour


@dataclass(frozen=True, slots=True, eq=False)
class Sprite:
    """A small picture with soft edges, at a place in the big one.

    Attributes:
        left, top: Where its first pixel lies.
        colour: uint8 (H, W, 3), already multiplied by `cover`.
        cover: uint8 (H, W, 3): how much of what lies behind it hides, the same in each channel.
    """

    left: int
    top: int
    colour: Picture
    cover: Picture


def capsules(starts: Points, radii0: Points, ends: Points, radii1: Points) -> Points:
    """Give the outlines (N, 16, 2) of N sausages between two circles each."""
    axis = ends - starts
    length = np.sqrt((axis**2).sum(axis=1, keepdims=True))
    axis = np.where(length > 1e-6, axis / np.maximum(length, 1e-6), (1.0, 0.0))
    cos, sin = axis[:, 0:1], axis[:, 1:2]
    arc = np.stack(
        [cos * _ARC[:, 0] - sin * _ARC[:, 1], sin * _ARC[:, 0] + cos * _ARC[:, 1]], axis=2
    )
    return np.concatenate(
        [
            ends[:, None] + arc * radii1[:, None, None],
            starts[:, None] - arc * radii0[:, None, None],
        ],
        axis=1,
    )


def discs(centres: Points, radii: Points) -> Points:
    """Give the outlines (N, 14, 2) of N discs."""
    return centres[:, None] + _CIRCLE * radii[:, None, None]


def paint(
    shapes: Sequence[Shape], *, zoom: int, width: int, height: int, window: Box | None = None
) -> Sprite | None:
    """Paint shapes, first ones behind, into a sprite no larger than the picture.

    Args:
        shapes: What to paint.
        zoom: Painted this many times larger, then averaged: that makes edges soft.
        width: Of the whole picture, pixels.
        height: Likewise.
        window: Only what lies in this box is seen (an open door), or None.

    Returns:
        The sprite, or None where nothing of it lies in the picture.
    """
    every = np.concatenate([shape.points_px for shape in shapes])
    (x0, y0), (x1, y1) = every.min(axis=0), every.max(axis=0)
    if window is not None:
        x0, y0 = max(x0, window[0]), max(y0, window[1])
        x1, y1 = min(x1, window[2]), min(y1, window[3])
    left, top = max(0, int(x0) - _MARGIN_PX), max(0, int(y0) - _MARGIN_PX)
    right, bottom = min(width, int(x1) + 1 + _MARGIN_PX), min(height, int(y1) + 1 + _MARGIN_PX)
    if right <= left or bottom <= top:
        return None
    fine = np.zeros(((bottom - top) * zoom, (right - left) * zoom, 4), np.uint8)
    offset = np.array((left, top))
    fixed = np.rint((every - offset) * (zoom << _SHIFT) - (1 << _SHIFT - 1)).astype(np.int32)
    begin = 0
    for points, colour in shapes:
        end = begin + len(points)
        cv2.fillPoly(fine, [fixed[begin:end]], (*colour, 255), cv2.LINE_8, _SHIFT)
        begin = end
    if window is not None:
        inside = np.zeros(fine.shape[:2], np.uint8)
        corners = np.round((np.array(window).reshape(2, 2) - offset) * zoom).astype(int)
        (a, b), (c, d) = corners.clip(0)
        inside[b:d, a:c] = 1
        fine *= inside[..., None]
    small = cv2.resize(fine, (right - left, bottom - top), interpolation=cv2.INTER_AREA)
    cover = np.asarray(
        cv2.cvtColor(np.ascontiguousarray(small[..., 3]), cv2.COLOR_GRAY2BGR), np.uint8
    )
    return Sprite(left, top, np.ascontiguousarray(small[..., :3]), cover)


def lay(picture: Picture, sprite: Sprite, light: float = 1.0) -> None:
    """Lay a sprite over a picture, in place; `light` darkens it (below 1)."""
    height, width = sprite.colour.shape[:2]
    part = picture[sprite.top : sprite.top + height, sprite.left : sprite.left + width]
    behind = cv2.multiply(part, cv2.bitwise_not(sprite.cover), scale=1 / 255)
    cv2.scaleAdd(sprite.colour, light, behind, dst=behind)
    part[:] = behind
