"""What stands on the street and never moves: trees, lamps, bollards, a bench, planters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vedette.sources.street.camera import Camera, Points
from vedette.sources.street.colours import Colour, mixed, rgb, shaded
from vedette.sources.street.place import (
    FACADE_Y_M,
    FAR_KERB_Y_M,
    NEAR_KERB_Y_M,
    ZEBRA_X_M,
    House,
    Place,
    Tree,
)  # fmt: skip
from vedette.sources.street.sprite import Shape, Sprite, capsules, discs, paint

_BARK = rgb(0x5D4A3B)
_IRON = rgb(0x39403F)
_WOOD = rgb(0x8A6642)


@dataclass(frozen=True, slots=True, eq=False)
class Prop:
    """A painted thing and how far away it stands; what passes behind is hidden by it."""

    depth_m: float
    sprite: Sprite


class _Easel:
    """Collects the shapes of one prop."""

    def __init__(self, camera: Camera) -> None:
        self._camera = camera
        self.shapes: list[Shape] = []

    def at(self, *points_m: tuple[float, float, float]) -> tuple[Points, Points]:
        return self._camera.project(np.array(points_m))

    def post(
        self, x: float, y: float, heights_m: tuple[float, float], radius: float, colour: Colour
    ) -> None:
        z0, z1 = heights_m
        (low, high), scale = self.at((x, y, z0), (x, y, z1))
        for part, shift, tone in ((1.0, 0.0, 0.8), (0.55, -0.35, 1.15)):
            move = np.array([shift * radius * scale[0], 0.0])
            outline = capsules(
                np.array([low + move]), radius * part * scale[:1],
                np.array([high + move]), radius * part * scale[1:],
            )[0]  # fmt: skip
            self.shapes.append(Shape(outline, shaded(colour, tone)))

    def face(self, colour: Colour, *points_m: tuple[float, float, float]) -> None:
        self.shapes.append(Shape(self.at(*points_m)[0], colour))

    def block(
        self,
        low: tuple[float, float, float],
        high: tuple[float, float, float],
        colour: Colour,
    ) -> None:
        """Add an upright box: its front, its seen side, its top."""
        (x0, y0, z0), (x1, y1, z1) = low, high
        side = x0 if (x0 + x1) / 2 > 0 else x1
        self.face(
            shaded(colour, 0.72), (side, y0, z0), (side, y1, z0), (side, y1, z1), (side, y0, z1)
        )
        self.face(shaded(colour, 0.92), (x0, y0, z0), (x1, y0, z0), (x1, y0, z1), (x0, y0, z1))
        self.face(shaded(colour, 1.15), (x0, y0, z1), (x1, y0, z1), (x1, y1, z1), (x0, y1, z1))

    def blobs(self, spots_m: Points, radii_m: Points, colours: Sequence[Colour]) -> None:
        """Add many small balls, the farthest first."""
        centres, scale = self._camera.project(spots_m)
        outlines = discs(centres, radii_m * scale)
        self.shapes += [Shape(*one) for one in zip(outlines, colours, strict=True)]

    def ball(self, spot_m: tuple[float, float, float], radius_m: float, colour: Colour) -> None:
        self.blobs(np.array([spot_m]), np.array([radius_m]), [colour])


def paint_props(place: Place, camera: Camera, rng: np.random.Generator) -> list[Prop]:
    """Paint everything that stands on the street, farthest first."""
    props: list[Prop] = []

    def add(easel: _Easel, x_m: float, y_m: float) -> None:
        sprite = paint(easel.shapes, zoom=3, width=camera.width, height=camera.height)
        if sprite is not None:
            props.append(Prop(camera.depth_m(x_m, y_m), sprite))

    for house in place.houses:
        if house.awning is not None:
            easel = _Easel(camera)
            _awning(easel, house)
            add(easel, (house.left_m + house.right_m) / 2, FACADE_Y_M)
        if rng.random() < 0.6:
            easel = _Easel(camera)
            x = house.door_m + (0.95 if rng.random() < 0.5 else -0.95)
            _planter(easel, x, FACADE_Y_M - 0.3, rng)
            add(easel, x, FACADE_Y_M - 0.3)
    for tree in place.trees:
        easel = _Easel(camera)
        _tree(easel, tree, rng)
        add(easel, tree.x_m, tree.y_m)
    for x in (-2.0, 10.6, 16.2):
        easel = _Easel(camera)
        _lamp(easel, x, FAR_KERB_Y_M + 0.5)
        add(easel, x, FAR_KERB_Y_M + 0.5)
    for y in (NEAR_KERB_Y_M - 0.45, FAR_KERB_Y_M + 0.45):
        for x in (ZEBRA_X_M[0] - 0.5, ZEBRA_X_M[0] - 1.9, ZEBRA_X_M[1] + 0.5, ZEBRA_X_M[1] + 1.9):
            easel = _Easel(camera)
            easel.post(x, y, (0.0, 0.85), 0.055, _IRON)
            easel.post(x, y, (0.68, 0.72), 0.06, rgb(0xC9C2AE))
            add(easel, x, y)
    easel = _Easel(camera)
    _bench(easel, -1.1, 20.0)
    add(easel, -0.3, 19.9)
    return sorted(props, key=lambda prop: -prop.depth_m)


def _tree(easel: _Easel, tree: Tree, rng: np.random.Generator) -> None:
    x, y, top = tree.x_m, tree.y_m, tree.height_m
    easel.post(x, y, (0.0, 3.4), 0.08, _BARK)
    for side in (-0.7, 0.5):
        (low, high), scale = easel.at((x, y, 2.8), (x + side, y, 4.4))
        outline = capsules(
            np.array([low]), np.array([0.08 * scale[0]]),
            np.array([high]), np.array([0.04 * scale[1]]),
        )[0]  # fmt: skip
        easel.shapes.append(Shape(outline, shaded(_BARK, 0.75)))
    leaf = mixed(rgb(0x64804A), rgb(0x8C8B45) if tree.hue > 0 else rgb(0x3F6B50), abs(tree.hue) / 2)
    middle, half = (3.15 + top) / 2, (top - 3.15) / 2
    # Clumps fill a flattened ball, far and low ones first; single leaves lie over them.
    for count, radii, spread, core in (
        (440, (0.10, 0.30), (1.75, 0.5, 1.0), 0.40),
        (1100, (0.03, 0.085), (1.90, 0.0, 1.05), 0.33),
    ):
        ball = rng.standard_normal((count, 3))
        ball *= (rng.random(count) ** core / np.sqrt((ball**2).sum(axis=1)))[:, None]
        ball = ball[np.argsort(-ball[:, 1] * 1.3 + 0.45 * half * ball[:, 2])]
        lit = 0.82 + 0.29 * ball[:, 2] - 0.14 * ball[:, 0] - 0.12 * ball[:, 1]
        tones = lit * rng.uniform(0.84, 1.18, count)
        spots = np.array([x, y, middle]) + ball * np.array([spread[0], spread[1], spread[2] * half])
        easel.blobs(
            spots, rng.uniform(*radii, count),
            [
                mixed(shaded(leaf, float(tone)), rgb(0xE2E2A8), max(0.0, float(sun) - 0.92) * 0.6)
                for tone, sun in zip(tones, lit, strict=True)
            ],
        )  # fmt: skip


def _lamp(easel: _Easel, x: float, y: float) -> None:
    easel.post(x, y, (0.0, 0.6), 0.085, _IRON)
    easel.post(x, y, (0.5, 4.1), 0.05, _IRON)
    easel.post(x - 0.28, y, (4.05, 4.1), 0.03, _IRON)
    for side in (-0.3, 0.3):
        (a, b), scale = easel.at((x, y, 4.05), (x + side, y, 4.15))
        outline = capsules(
            np.array([a]), np.array([0.03 * scale[0]]), np.array([b]), np.array([0.025 * scale[1]])
        )[0]
        easel.shapes.append(Shape(outline, _IRON))
        easel.ball((x + side, y, 4.33), 0.17, rgb(0xEFE8D6))
        easel.ball((x + side - 0.04, y, 4.38), 0.09, rgb(0xFFFDF4))
        easel.post(x + side, y, (4.5, 4.53), 0.09, _IRON)


def _bench(easel: _Easel, x: float, y: float) -> None:
    for side in (0.1, 1.5):
        easel.block((x + side, y, 0.0), (x + side + 0.07, y + 0.4, 0.42), _IRON)
    for slat in range(3):
        y0 = y + 0.38 - slat * 0.15
        easel.block((x, y0 - 0.12, 0.42), (x + 1.68, y0, 0.47), _WOOD)
    for slat in range(2):
        z = 0.60 + slat * 0.18
        easel.block((x, y - 0.1, z), (x + 1.68, y - 0.06, z + 0.12), _WOOD)


def _planter(easel: _Easel, x: float, y: float, rng: np.random.Generator) -> None:
    easel.block((x - 0.2, y - 0.18, 0.0), (x + 0.2, y + 0.18, 0.42), rgb(0x9C6B4E))
    leaf = rgb(0x4E6E43)
    turn, reach = rng.uniform(0, 2 * np.pi, 70), np.sqrt(rng.random(70))
    across, up = 0.27 * reach * np.cos(turn), 0.36 * reach * np.sin(turn)
    spots = np.stack([x + across, np.full(70, y), 0.75 + up], axis=1)
    tones = (0.92 + 0.5 * up) * rng.uniform(0.8, 1.15, 70)
    easel.blobs(spots, rng.uniform(0.04, 0.09, 70), [shaded(leaf, float(tone)) for tone in tones])


def _awning(easel: _Easel, house: House) -> None:
    assert house.awning is not None
    x0, x1 = house.left_m + 0.3, house.right_m - 0.3
    stripes = round((x1 - x0) / 0.42)
    step = (x1 - x0) / stripes
    out, high, low = FACADE_Y_M - 1.15, 3.25, 2.78
    for number in range(stripes):
        a, b = x0 + number * step, x0 + (number + 1) * step
        colour = house.awning if number % 2 == 0 else rgb(0xEDE6D6)
        easel.face(
            colour, (a, FACADE_Y_M, high), (b, FACADE_Y_M, high), (b, out, low), (a, out, low)
        )
        easel.face(
            shaded(colour, 0.82), (a, out, low), (b, out, low), (b, out, low - 0.2),
            ((a + b) / 2, out, low - 0.27), (a, out, low - 0.2),
        )  # fmt: skip
