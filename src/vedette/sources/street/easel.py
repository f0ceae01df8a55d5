"""One picture of the film: the empty street, shadows, then everybody from far to near."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from vedette.sources.street.backdrop import Backdrop
from vedette.sources.street.camera import Camera, Points
from vedette.sources.street.sheet import Picture
from vedette.sources.street.sprite import Box, Shape, Sprite, lay, paint

_CAST = 0.30  # Share of light that a shadow takes.
_BELOW = 0.50  # Right below a car hardly any light comes.
_SHADOW_SHRINK = 3  # Shadows are soft: painted at a third of the size.


@dataclass(frozen=True, slots=True, eq=False)
class Figure:
    """Somebody as seen at one moment.

    Attributes:
        depth_m: Distance along the line of sight; who is nearer is painted later.
        shapes: The farthest first.
        cast: Outlines that together are the shadow on the ground.
        below: Outline of the darkest shadow, or None.
        window: The open door through which alone it is seen, or None.
        dim: Share of daylight that reaches it: less inside a house.
    """

    depth_m: float
    shapes: Sequence[Shape]
    cast: Sequence[Points]
    below: Points | None
    window: Box | None = None
    dim: float = 1.0


class Easel:
    """Paints pictures of one street, all of one size."""

    def __init__(self, backdrop: Backdrop, camera: Camera) -> None:
        self._backdrop = backdrop
        self._camera = camera
        self._zoom = 4 if camera.focal_px < 700 else 3 if camera.focal_px < 1300 else 2

    def picture(self, figures: Sequence[Figure]) -> Picture:
        """Paint one picture, uint8 (H, W, 3), BGR, without sensor noise."""
        picture = self._backdrop.picture.copy()
        far_first = sorted(figures, key=lambda figure: -figure.depth_m)
        for figure in far_first:
            if figure.window is None:
                self._shadow(picture, figure)
        for figure in far_first:
            sprite = paint(
                figure.shapes, zoom=self._zoom, width=self._camera.width,
                height=self._camera.height, window=figure.window,
            )  # fmt: skip
            if sprite is None:
                continue
            height, width = sprite.cover.shape[:2]
            row = min(self._camera.height - 1, sprite.top + height // 2)
            column = min(self._camera.width - 1, sprite.left + width // 2)
            lay(picture, sprite, float(self._backdrop.lens[row, column]) * figure.dim)
            self._put_props_before(picture, sprite, figure.depth_m)
        return picture

    def _shadow(self, picture: Picture, figure: Figure) -> None:
        shrink = _SHADOW_SHRINK
        outlines = [figure.below, *figure.cast] if figure.below is not None else figure.cast
        every = np.concatenate(outlines)
        soft = max(1.0, 0.055 * self._camera.focal_px / figure.depth_m) / shrink
        pad = int(3 * soft * shrink) + 3
        x0, y0 = np.floor(every.min(axis=0)).astype(int) - pad
        x1, y1 = np.ceil(every.max(axis=0)).astype(int) + pad
        x0, y0 = max(0, x0), max(0, y0)
        x1, y1 = min(self._camera.width, x1), min(self._camera.height, y1)
        if x1 - x0 < 4 or y1 - y0 < 4:
            return
        # Whole cells, so that the shadow does not creep against the picture.
        x0, y0 = x0 - x0 % shrink, y0 - y0 % shrink
        size = (-(-(y1 - y0) // shrink), -(-(x1 - x0) // shrink))
        light = np.full(size, 255, np.uint8)
        offset = np.array((x0, y0))
        fixed = [
            np.round((outline - offset) * (16 / shrink)).astype(np.int32) for outline in figure.cast
        ]
        for outline in fixed:
            cv2.fillPoly(light, [outline], 255 * (1 - _CAST), cv2.LINE_8, 4)
        light = cv2.GaussianBlur(light, (0, 0), soft)
        if figure.below is not None:
            dark = np.full(size, 255, np.uint8)
            below = np.round((figure.below - offset) * (16 / shrink)).astype(np.int32)
            cv2.fillPoly(dark, [below], 255 * (1 - _BELOW), cv2.LINE_8, 4)
            light = cv2.multiply(light, cv2.GaussianBlur(dark, (0, 0), soft * 0.8), scale=1 / 255)
        wide = (size[1] * shrink, size[0] * shrink)
        light = cv2.resize(light, wide, interpolation=cv2.INTER_LINEAR)[: y1 - y0, : x1 - x0]
        part = picture[y0:y1, x0:x1]
        part[:] = cv2.multiply(part, cv2.cvtColor(light, cv2.COLOR_GRAY2BGR), scale=1 / 255)

    def _put_props_before(self, picture: Picture, sprite: Sprite, depth_m: float) -> None:
        """Paint again what stands nearer than a figure that was just laid down."""
        height, width = sprite.cover.shape[:2]
        left, top, right, bottom = sprite.left, sprite.top, sprite.left + width, sprite.top + height
        for prop in self._backdrop.props:
            thing = prop.sprite
            if prop.depth_m >= depth_m:
                continue
            x0, y0 = max(left, thing.left), max(top, thing.top)
            x1 = min(right, thing.left + thing.cover.shape[1])
            y1 = min(bottom, thing.top + thing.cover.shape[0])
            if x0 >= x1 or y0 >= y1:
                continue
            inside = (
                slice(y0 - thing.top, y1 - thing.top),
                slice(x0 - thing.left, x1 - thing.left),
            )
            piece = Sprite(
                x0, y0, np.ascontiguousarray(thing.colour[inside]),
                np.ascontiguousarray(thing.cover[inside]),
            )  # fmt: skip
            lay(picture, piece, float(self._backdrop.lens[(y0 + y1) // 2, (x0 + x1) // 2]))
