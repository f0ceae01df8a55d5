"""Where everything stands on the street: lanes, zebra crossing, houses with shops, trees."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vedette.sources.street.colours import Colour, rgb

# Depths from the camera, metres. Strips lie so far apart that, from up here, who walks on one
# pavement stands clear of the cars, and the cars of who walks on the other.
NEAR_KERB_Y_M = 13.0
FAR_KERB_Y_M = 19.0
NEAR_LANE_Y_M = 14.5
FAR_LANE_Y_M = 17.5
NEAR_WALK_Y_M = (11.2, 12.0)
FAR_WALK_Y_M = (20.9, 21.9)
VERGE_Y_M = 20.0
FACADE_Y_M = 23.0
GROUND_Y_M = (7.0, FACADE_Y_M)
STREET_X_M = (-16.0, 34.0)
FACADE_TOP_M = 8.4

ZEBRA_X_M = (5.2, 8.8)
DOOR_WIDTH_M = 1.1
DOOR_HEIGHT_M = 2.3

# Towards the upper left behind the camera stands a veiled sun: metres of shadow per metre height.
SHADOW_M = (0.36, 0.30)


@dataclass(frozen=True, slots=True)
class House:
    """One house of the terrace.

    Attributes:
        left_m, right_m: Its walls along x.
        wall, trim, shop: Colours of plaster, window frames and shop front.
        sign: What the shop is called.
        awning: Colour of its stripes, or None.
        brick: Whether the wall shows bricks.
        shutters: Whether the windows have shutters, in the shop's colour.
        door_m: Centre of its door.
    """

    left_m: float
    right_m: float
    wall: Colour
    trim: Colour
    shop: Colour
    sign: str
    awning: Colour | None
    brick: bool
    shutters: bool
    door_m: float

    @property
    def window_m(self) -> tuple[float, float]:
        """Give the sides of the shop window."""
        if self.door_m < (self.left_m + self.right_m) / 2:
            return self.door_m + 0.95, self.right_m - 0.5
        return self.left_m + 0.5, self.door_m - 0.95


@dataclass(frozen=True, slots=True)
class Tree:
    """A street tree; its crown hangs above everybody's head."""

    x_m: float
    y_m: float
    height_m: float
    hue: float


@dataclass(frozen=True, slots=True)
class Place:
    """The street of one seed."""

    houses: tuple[House, ...]
    trees: tuple[Tree, ...]


# Plaster colours that go together in soft light, with a front that goes with each.
_STYLES = (
    (rgb(0xE3D3B4), rgb(0x2F4F4A), False),
    (rgb(0xB4705A), rgb(0x2E3440), True),
    (rgb(0xA9B8A4), rgb(0x7A3B2E), False),
    (rgb(0xD9B28C), rgb(0x31465C), False),
    (rgb(0x9FB2C0), rgb(0x8A5A32), False),
    (rgb(0xC9C2B5), rgb(0x5B2F3A), False),
    (rgb(0x8F5B4C), rgb(0x3D4A36), True),
    (rgb(0xE0C7C0), rgb(0x274156), False),
)
_SIGNS = ("BAKERY", "BOOKS", "CAFE", "FLOWERS", "TAILOR", "CYCLES", "RECORDS", "OPTICIAN")
_AWNINGS = (rgb(0xA8433A), rgb(0x2F5D62), rgb(0xC08A2D), rgb(0x4A5F8C))


def lay_out(rng: np.random.Generator) -> Place:
    """Build the street of one seed."""
    styles = rng.permutation(len(_STYLES))
    signs = rng.permutation(len(_SIGNS))
    houses: list[House] = []
    left_m = STREET_X_M[0] + rng.uniform(0.0, 2.0)
    while left_m < STREET_X_M[1] - 4:
        number = len(houses)
        right_m = left_m + rng.uniform(5.6, 7.4)
        wall, shop, brick = _STYLES[styles[number % len(_STYLES)]]
        door_side = left_m + 1.15 if rng.random() < 0.5 else right_m - 1.15
        houses.append(
            House(
                left_m=left_m,
                right_m=right_m,
                wall=wall,
                trim=rgb(0xF0EBE0),
                shop=shop,
                sign=_SIGNS[signs[number % len(_SIGNS)]],
                awning=_AWNINGS[int(rng.integers(len(_AWNINGS)))] if rng.random() < 0.6 else None,
                brick=brick,
                shutters=bool(rng.random() < 0.45),
                door_m=door_side,
            )
        )
        left_m = right_m
    trees = [
        Tree(x_m + rng.uniform(-0.7, 0.7), 19.6, rng.uniform(6.2, 7.2), rng.uniform(-1, 1))
        for x_m in (-5.2, 1.6, 12.6, 18.6)
    ]
    return Place(tuple(houses), tuple(trees))
