"""The terrace: house fronts with shops below and windows above, painted on one flat sheet."""

from __future__ import annotations

import cv2
import numpy as np

from vedette.sources.street.colours import Colour, mixed, rgb, shaded
from vedette.sources.street.place import (
    DOOR_HEIGHT_M,
    DOOR_WIDTH_M,
    FACADE_TOP_M,
    STREET_X_M,
    House,
    Place,
)  # fmt: skip
from vedette.sources.street.sheet import Sheet

_SHOP_TOP_M = 3.0
_SIGN_TOP_M = 3.65
_WINDOW_Z_M = (4.55, 6.6)
_INSIDE = rgb(0x2A2622)
_SKY = rgb(0xC9D6DF)


def paint_facades(place: Place, rng: np.random.Generator, density: float) -> Sheet:
    """Paint all house fronts."""
    sheet = Sheet(STREET_X_M, (0.0, FACADE_TOP_M), density, place.houses[0].wall)
    for house in place.houses:
        _wall(sheet, house, rng)
        _upper_windows(sheet, house, rng)
        _shop(sheet, house, rng)
    for house in place.houses:
        _edges(sheet, house)
    grain = np.round(rng.standard_normal(sheet.picture.shape[:2], np.float32) * 2.2 + 64)
    rough = cv2.cvtColor(grain.astype(np.uint8), cv2.COLOR_GRAY2BGR)
    cv2.addWeighted(sheet.picture, 1.0, rough, 1.0, -64.0, dst=sheet.picture)
    # Daylight comes from above: fronts darken a little towards the ground.
    sheet.shade(*_span(), bottom=0.80, top=1.04)
    return sheet


def _span() -> tuple[float, float, float, float]:
    return STREET_X_M[0], 0.0, STREET_X_M[1], FACADE_TOP_M


def _wall(sheet: Sheet, house: House, rng: np.random.Generator) -> None:
    sheet.rect(house.left_m, 0, house.right_m, FACADE_TOP_M, house.wall)
    if house.brick:
        rows = int((FACADE_TOP_M - _SIGN_TOP_M) / 0.16)
        for row in range(rows):
            z = _SIGN_TOP_M + row * 0.16
            x = house.left_m - (0.2 if row % 2 else 0.0)
            while x < house.right_m:
                brick = shaded(house.wall, rng.uniform(0.90, 1.10))
                left, right = max(x, house.left_m), min(x + 0.38, house.right_m)
                if right > left:
                    sheet.rect(left, z, right, z + 0.135, brick)
                x += 0.40
    part = sheet.part(house.left_m, 0, house.right_m, FACADE_TOP_M)
    if part.size:
        # Weathering: large soft stains.
        small = rng.normal(0.0, 1.0, (8, 8)).astype(np.float32)
        stain = cv2.resize(small, (part.shape[1], part.shape[0]), interpolation=cv2.INTER_CUBIC)
        part[:] = np.clip(part + stain[..., None] * 3.5, 0, 255).astype(np.uint8)


def _upper_windows(sheet: Sheet, house: House, rng: np.random.Generator) -> None:
    count = 2 if house.right_m - house.left_m < 6.3 else 3
    step = (house.right_m - house.left_m) / count
    for number in range(count):
        centre = house.left_m + step * (number + 0.5)
        half = min(0.55, step * 0.27)
        z0, z1 = _WINDOW_Z_M
        if house.shutters:
            for side in (-1, 1):
                x = centre + side * (half + 0.30)
                sheet.rect(x - 0.24, z0 - 0.02, x + 0.24, z1 + 0.02, shaded(house.shop, 1.05))
                for slat in np.arange(z0 + 0.1, z1 - 0.05, 0.13):
                    sheet.rect(x - 0.19, slat, x + 0.19, slat + 0.05, shaded(house.shop, 0.8))
        sheet.rect(centre - half - 0.13, z0 - 0.1, centre + half + 0.13, z1 + 0.16, house.trim)
        sheet.rect(centre - half - 0.02, z0 - 0.0, centre + half + 0.02, z1 + 0.02, rgb(0x6F6A62))
        _glass(sheet, (centre - half, z0, centre + half, z1), rng, curtain=True)
        sheet.rect(centre - 0.035, z0, centre + 0.035, z1, house.trim)
        sheet.rect(centre - half, z0 + 1.25, centre + half, z0 + 1.31, house.trim)
        sheet.rect(centre - half - 0.2, z0 - 0.2, centre + half + 0.2, z0 - 0.08, house.trim)
        sheet.shade(
            centre - half - 0.2, z0 - 0.42, centre + half + 0.2, z0 - 0.2, bottom=1.0, top=0.78
        )
        if rng.random() < 0.4:
            _flower_box(sheet, centre, half, z0, rng)


def _glass(
    sheet: Sheet,
    box: tuple[float, float, float, float],
    rng: np.random.Generator,
    *,
    curtain: bool,
) -> None:
    x0, z0, x1, z1 = box
    base = mixed(rgb(0x3A444B), _SKY, rng.uniform(0.10, 0.32))
    sheet.rect(x0, z0, x1, z1, base)
    sheet.shade(x0, z0, x1, z1, bottom=0.72, top=1.25)
    if curtain and rng.random() < 0.75:
        cloth = mixed(rgb(0xE9E2D2), base, 0.35)
        width = (x1 - x0) * rng.uniform(0.16, 0.3)
        sheet.polygon([(x0, z0), (x0 + width * 0.6, z0), (x0 + width, z1), (x0, z1)], cloth)
        sheet.polygon([(x1, z0), (x1 - width * 0.6, z0), (x1 - width, z1), (x1, z1)], cloth)
    # A slanting reflection of the sky.
    part = sheet.part(x0, z0, x1, z1)
    if part.size:
        height, width_px = part.shape[:2]
        mask = np.zeros((height, width_px), np.uint8)
        lean = height * 0.35
        start = width_px * rng.uniform(0.05, 0.5)
        for offset, breadth in ((0.0, 0.22), (0.34, 0.07)):
            left = start + offset * width_px
            points = np.array(
                [
                    (left + lean, 0), (left + lean + breadth * width_px, 0),
                    (left + breadth * width_px - lean * 0.2, height), (left - lean * 0.2, height),
                ],
                np.int32,
            )  # fmt: skip
            cv2.fillPoly(mask, [points], 60, cv2.LINE_AA)
        share = mask[..., None] / 255.0
        part[:] = (part * (1 - share) + np.array(_SKY) * share).astype(np.uint8)


def _flower_box(
    sheet: Sheet, centre: float, half: float, z: float, rng: np.random.Generator
) -> None:
    flowers = (rgb(0xC8506A), rgb(0xE0A13A), rgb(0xD9D3E8), rgb(0xB23A48))
    bloom = flowers[int(rng.integers(len(flowers)))]
    sheet.rect(centre - half, z - 0.06, centre + half, z + 0.13, rgb(0x6B4A35))
    for _ in range(46):
        x = centre + rng.uniform(-half, half)
        green = shaded(rgb(0x55773F), rng.uniform(0.75, 1.2))
        sheet.circle(x, z + rng.uniform(0.1, 0.3), rng.uniform(0.04, 0.08), green)
    for _ in range(20):
        x = centre + rng.uniform(-half, half)
        sheet.circle(x, z + rng.uniform(0.14, 0.36), rng.uniform(0.025, 0.045), bloom)


def _shop(sheet: Sheet, house: House, rng: np.random.Generator) -> None:
    left, right = house.left_m + 0.18, house.right_m - 0.18
    sheet.rect(left, 0, right, _SHOP_TOP_M + 0.08, house.shop)
    for x in (left, right - 0.28):
        sheet.rect(x, 0.0, x + 0.28, _SHOP_TOP_M, shaded(house.shop, 1.14))
        sheet.rect(x + 0.07, 0.5, x + 0.21, _SHOP_TOP_M - 0.2, shaded(house.shop, 0.94))
    x0, x1 = house.window_m
    sheet.rect(x0 - 0.08, 0.62, x1 + 0.08, _SHOP_TOP_M - 0.12, shaded(house.shop, 1.3))
    _display(sheet, (x0, 0.7, x1, _SHOP_TOP_M - 0.2), house.sign, rng)
    bars = max(2, round((x1 - x0) / 1.3))
    for number in range(1, bars):
        x = x0 + (x1 - x0) * number / bars
        sheet.rect(x - 0.03, 0.7, x + 0.03, _SHOP_TOP_M - 0.2, shaded(house.shop, 1.25))
    sheet.rect(x0, 2.28, x1, 2.34, shaded(house.shop, 1.25))
    for number in range(bars):
        a = x0 + (x1 - x0) * (number + 0.12) / bars
        b = x0 + (x1 - x0) * (number + 0.88) / bars
        sheet.rect(a, 0.14, b, 0.5, shaded(house.shop, 0.86))
    _door(sheet, house)
    sheet.rect(left, 0, right, 0.1, rgb(0x77726A))
    sheet.rect(left - 0.05, _SHOP_TOP_M, right + 0.05, _SIGN_TOP_M, shaded(house.shop, 0.92))
    sheet.rect(left - 0.1, _SIGN_TOP_M, right + 0.1, _SIGN_TOP_M + 0.12, shaded(house.trim, 0.93))
    sheet.shade(left, _SIGN_TOP_M - 0.16, right, _SIGN_TOP_M, bottom=1.0, top=0.7)
    sheet.text((left + right) / 2, (_SHOP_TOP_M + _SIGN_TOP_M) / 2, 0.27, house.sign, rgb(0xEADFC2))


# What a shop shows: colours of its goods, their width and height, whether they are round.
_GOODS: dict[str, tuple[tuple[int, ...], tuple[float, float], tuple[float, float], bool]] = {
    "BAKERY": ((0xC98D4B, 0xB5793F, 0xE0B878, 0x8F5A2E), (0.22, 0.36), (0.12, 0.20), True),
    "BOOKS": (
        (0x8A3B32, 0x35557A, 0xC9B58B, 0x4E6B4A, 0x6E5A86),
        (0.05, 0.11),
        (0.22, 0.38),
        False,
    ),
    "CAFE": ((0xE6DCC8, 0xC9A45C, 0x7C4A3A), (0.12, 0.22), (0.10, 0.26), True),
    "FLOWERS": (
        (0xD8577A, 0xE6B23C, 0xB9A6D9, 0xF0EBE0, 0xC8433C),
        (0.16, 0.30),
        (0.22, 0.36),
        True,
    ),
    "TAILOR": ((0x3A4660, 0x6B4A52, 0xD8D0C0, 0x4C5A4A), (0.30, 0.42), (0.40, 0.50), False),
    "CYCLES": ((0xB5443A, 0x2F6E73, 0xC9CCCC), (0.40, 0.52), (0.30, 0.44), True),
    "RECORDS": (
        (0xC05A3A, 0x2E5E8C, 0xE0B23C, 0x3E7A5A, 0x27272B),
        (0.30, 0.34),
        (0.30, 0.34),
        False,
    ),
    "OPTICIAN": ((0xE4E6E6, 0x9FB8C4, 0x4A5A66), (0.18, 0.26), (0.07, 0.11), True),
}


def _display(
    sheet: Sheet, box: tuple[float, float, float, float], sign: str, rng: np.random.Generator
) -> None:
    """Paint what lies in a shop window: shelves with the shop's goods in warm light."""
    x0, z0, x1, z1 = box
    tints, widths, heights, is_round = _GOODS[sign]
    sheet.rect(x0, z0, x1, z1, mixed(_INSIDE, rgb(0xB98F58), round(rng.uniform(0.40, 0.60), 2)))
    sheet.shade(x0, z0, x1, z1, bottom=0.8, top=1.35)
    for shelf in (z0 + 0.02, z0 + 0.62, z0 + 1.14):
        x = x0 + 0.1
        while x < x1 - widths[1] - 0.05:
            width, high = rng.uniform(*widths), rng.uniform(*heights)
            tint = shaded(
                rgb(tints[int(rng.integers(len(tints)))]), round(rng.uniform(0.7, 1.0), 2)
            )
            if is_round:
                turn = np.linspace(0, 2 * np.pi, 16, endpoint=False)
                middle, base = x + width / 2, shelf + high / 2
                sheet.polygon(
                    [
                        (middle + width / 2 * float(np.cos(a)), base + high / 2 * float(np.sin(a)))
                        for a in turn
                    ],
                    tint,
                )
            else:
                sheet.rect(x, shelf, x + width, shelf + high, tint)
            x += width + rng.uniform(0.01, 0.16)
        sheet.rect(x0, shelf - 0.035, x1, shelf, rgb(0x6D5336))
    for number in range(int((x1 - x0) / 0.9)):
        lamp = x0 + 0.5 + number * 0.9
        sheet.circle(lamp, z1 - 0.16, 0.075, rgb(0xFFE9B8))
    part = sheet.part(x0, z0, x1, z1)
    if part.size:
        veil = np.linspace(0.30, 0.06, len(part))[:, None, None]
        part[:] = (part * (1 - veil) + np.array(mixed(_SKY, _INSIDE, 0.15)) * veil).astype(np.uint8)


def _door(sheet: Sheet, house: House) -> None:
    half = DOOR_WIDTH_M / 2
    x0, x1 = house.door_m - half, house.door_m + half
    sheet.rect(x0 - 0.12, 0, x1 + 0.12, _SHOP_TOP_M - 0.1, shaded(house.shop, 1.2))
    # The shop stands open; inside it is dim.
    sheet.rect(x0, 0, x1, DOOR_HEIGHT_M, _INSIDE)
    sheet.shade(x0, 0, x1, DOOR_HEIGHT_M, bottom=1.35, top=0.8)
    sheet.rect(x0 + 0.04, 0.04, x0 + 0.13, DOOR_HEIGHT_M - 0.05, shaded(house.shop, 1.05))
    sheet.rect(x0, DOOR_HEIGHT_M + 0.06, x1, _SHOP_TOP_M - 0.2, mixed(_SKY, _INSIDE, 0.45))
    sheet.rect(x0 - 0.12, 0, x1 + 0.12, 0.08, rgb(0x8B867C))


def _edges(sheet: Sheet, house: House) -> None:
    """Paint the joint between two houses, a cornice, and shadows that give the front depth."""
    dark: Colour = shaded(house.wall, 0.72)
    sheet.rect(house.left_m - 0.03, 0, house.left_m + 0.03, FACADE_TOP_M, dark)
    sheet.shade(house.left_m + 0.03, 0, house.left_m + 0.2, FACADE_TOP_M, bottom=0.93, top=0.93)
    sheet.rect(house.left_m, 7.1, house.right_m, 7.28, shaded(house.trim, 0.96))
    sheet.shade(house.left_m, 6.9, house.right_m, 7.1, bottom=1.0, top=0.8)
