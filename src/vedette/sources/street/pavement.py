"""The ground seen from above: paving, kerbs, asphalt with its markings, shade of the trees."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from vedette.sources.street.colours import mixed, rgb, shaded
from vedette.sources.street.place import (
    FACADE_Y_M,
    FAR_KERB_Y_M,
    GROUND_Y_M,
    NEAR_KERB_Y_M,
    SHADOW_M,
    STREET_X_M,
    VERGE_Y_M,
    ZEBRA_X_M,
    Place,
)  # fmt: skip
from vedette.sources.street.sheet import Sheet, blended

_ASPHALT = rgb(0x6C6D70)
_SLAB = rgb(0xB3ABA0)
_COBBLE = rgb(0x9A9084)
_KERB = rgb(0xC9C5BC)
_PAINT = rgb(0xDAD8D0)
_SLAB_M = 0.62


def paint_ground(place: Place, rng: np.random.Generator, density: float) -> Sheet:
    """Paint pavements and road on one sheet; `up` is away from the camera."""
    sheet = Sheet(STREET_X_M, GROUND_Y_M, density, _SLAB)
    _paving(sheet, GROUND_Y_M[0], NEAR_KERB_Y_M, rng)
    _paving(sheet, FAR_KERB_Y_M, FACADE_Y_M, rng)
    _verge(sheet, rng)
    _asphalt(sheet, rng)
    _markings(sheet, rng)
    _kerbs(sheet)
    _shade(sheet, place, rng)
    return sheet


def _paving(sheet: Sheet, y0: float, y1: float, rng: np.random.Generator) -> None:
    row = 0
    y = y1
    while y > y0:
        x = STREET_X_M[0] - (_SLAB_M / 2 if row % 2 else 0.0)
        while x < STREET_X_M[1]:
            tone = shaded(_SLAB, 1 + rng.normal(0, 0.028))
            sheet.rect(x, y - _SLAB_M, x + _SLAB_M, y, shaded(_SLAB, 0.86))
            sheet.rect(x + 0.012, y - _SLAB_M + 0.012, x + _SLAB_M - 0.012, y - 0.012, tone)
            x += _SLAB_M
        y -= _SLAB_M
        row += 1


def _verge(sheet: Sheet, rng: np.random.Generator) -> None:
    """Paint a band of small stones, where the trees stand."""
    y = FAR_KERB_Y_M
    row = 0
    while y < VERGE_Y_M - 0.05:
        x = STREET_X_M[0] - (0.1 if row % 2 else 0.0)
        while x < STREET_X_M[1]:
            sheet.rect(x, y, x + 0.2, y + 0.2, shaded(_COBBLE, 0.8))
            sheet.rect(
                x + 0.012, y + 0.012, x + 0.188, y + 0.188, shaded(_COBBLE, rng.uniform(0.9, 1.1))
            )
            x += 0.2
        y += 0.2
        row += 1


def _asphalt(sheet: Sheet, rng: np.random.Generator) -> None:
    part = sheet.part(STREET_X_M[0], NEAR_KERB_Y_M, STREET_X_M[1], FAR_KERB_Y_M)
    height, width = part.shape[:2]
    grain: npt.NDArray[np.float32] = rng.standard_normal((height, width), np.float32) * 5
    cv2.GaussianBlur(grain, (3, 3), 0.7, dst=grain)
    for cells, strength in (((5, 26), 3.0), ((20, 110), 1.6)):
        patch = rng.normal(0.0, strength, cells).astype(np.float32)
        grain += cv2.resize(patch, (width, height), interpolation=cv2.INTER_CUBIC)
    # Tyres polish two tracks in each lane.
    y = np.linspace(FAR_KERB_Y_M, NEAR_KERB_Y_M, height)
    for lane in (14.5, 17.5):
        for side in (-0.78, 0.78):
            grain -= (4.2 * np.exp(-(((y - lane - side) / 0.26) ** 2)))[:, None].astype(np.float32)
        grain -= (2.5 * np.exp(-(((y - lane) / 0.2) ** 2)))[:, None].astype(np.float32)
    part[:] = np.array(_ASPHALT, np.float32) + grain[..., None]
    # A mended trench, a manhole, drains at the kerb.
    sheet.shade(-3.2, 13.3, -2.1, 18.7, bottom=0.90, top=0.90)
    sheet.shade(10.6, 14.8, 14.4, 15.9, bottom=0.92, top=0.92)
    for x, y_m in ((1.2, 16.6), (15.8, 14.3)):
        sheet.circle(x, y_m, 0.36, shaded(_ASPHALT, 0.72))
        sheet.circle(x, y_m, 0.31, shaded(_ASPHALT, 0.95))
        for bar in (-0.16, 0.0, 0.16):
            sheet.rect(x - 0.2, y_m + bar - 0.03, x + 0.2, y_m + bar + 0.03, shaded(_ASPHALT, 0.7))
    for x in (-6.0, 3.6, 13.4):
        for y_m in (NEAR_KERB_Y_M + 0.12, FAR_KERB_Y_M - 0.52):
            sheet.rect(x, y_m, x + 0.5, y_m + 0.4, shaded(_ASPHALT, 0.6))
            for bar in range(5):
                sheet.rect(
                    x + 0.04 + bar * 0.095, y_m + 0.04, x + 0.085 + bar * 0.095, y_m + 0.36,
                    shaded(_ASPHALT, 0.35),
                )  # fmt: skip


def _markings(sheet: Sheet, rng: np.random.Generator) -> None:
    part = sheet.part(STREET_X_M[0], NEAR_KERB_Y_M, STREET_X_M[1], FAR_KERB_Y_M)
    before = part.copy()
    middle = (NEAR_KERB_Y_M + FAR_KERB_Y_M) / 2
    x = STREET_X_M[0]
    while x < STREET_X_M[1]:
        if x + 1.8 < ZEBRA_X_M[0] - 1.6 or x > ZEBRA_X_M[1] + 1.6:
            sheet.rect(x, middle - 0.06, x + 1.8, middle + 0.06, _PAINT)
        x += 3.6
    y = NEAR_KERB_Y_M + 0.4
    while y < FAR_KERB_Y_M - 0.5:
        sheet.rect(ZEBRA_X_M[0], y, ZEBRA_X_M[1], y + 0.5, _PAINT)
        y += 0.97
    for x0, y0, y1 in (
        (ZEBRA_X_M[0] - 1.35, NEAR_KERB_Y_M + 0.25, middle - 0.15),
        (ZEBRA_X_M[1] + 1.0, middle + 0.15, FAR_KERB_Y_M - 0.25),
    ):
        sheet.rect(x0, y0, x0 + 0.35, y1, _PAINT)
    # Worn paint lets the asphalt through.
    height, width = before.shape[:2]
    wear = rng.standard_normal((height // 3, width // 3), np.float32)
    cv2.GaussianBlur(wear, (5, 5), 1.2, dst=wear)
    share = cv2.resize(wear * 115 + 36, (width, height), interpolation=cv2.INTER_LINEAR)
    worn = np.clip(share, 10, 190).astype(np.uint8)
    part[:] = blended(part, before, worn)


def _kerbs(sheet: Sheet) -> None:
    for y0, y1, lip in (
        (NEAR_KERB_Y_M - 0.3, NEAR_KERB_Y_M, NEAR_KERB_Y_M + 0.03),
        (FAR_KERB_Y_M, FAR_KERB_Y_M + 0.3, FAR_KERB_Y_M - 0.05),
    ):
        sheet.rect(STREET_X_M[0], y0, STREET_X_M[1], y1, _KERB)
        x = STREET_X_M[0]
        while x < STREET_X_M[1]:
            sheet.rect(x, y0, x + 0.018, y1, shaded(_KERB, 0.75))
            x += 1.0
        low, high = sorted((lip, y1 if lip > y1 else y0))
        sheet.rect(STREET_X_M[0], low, STREET_X_M[1], high, shaded(_KERB, 0.68))
    # Dropped kerbs with studs at the crossing.
    for y0 in (NEAR_KERB_Y_M - 0.95, FAR_KERB_Y_M + 0.32):
        sheet.rect(ZEBRA_X_M[0], y0, ZEBRA_X_M[1], y0 + 0.62, mixed(_SLAB, rgb(0xD8C9A0), 0.55))
        for x in np.arange(ZEBRA_X_M[0] + 0.08, ZEBRA_X_M[1], 0.14):
            for y in np.arange(y0 + 0.08, y0 + 0.6, 0.14):
                sheet.rect(x, y, x + 0.06, y + 0.06, mixed(_SLAB, rgb(0xB9A878), 0.6))


def _shade(sheet: Sheet, place: Place, rng: np.random.Generator) -> None:
    """Lay the shade of the trees and of the houses' foot over everything."""
    height, width = sheet.picture.shape[:2]
    small = 4  # Shade is soft: a quarter of the density is plenty.
    light: npt.NDArray[np.float32] = np.ones((height // small, width // small), np.float32)
    per_m = sheet.density / small
    for tree in place.trees:
        for _ in range(70):
            z = rng.uniform(0.5, 1.0) * tree.height_m
            spread = 1.9 * np.sqrt(rng.random())
            turn = rng.uniform(0, 2 * np.pi)
            x = tree.x_m + z * SHADOW_M[0] * 0.8 + spread * np.cos(turn) - STREET_X_M[0]
            y = GROUND_Y_M[1] - (tree.y_m + z * SHADOW_M[1] * 0.8 + spread * 0.8 * np.sin(turn))
            spot = (round(x * per_m), round(y * per_m))
            cv2.circle(light, spot, max(1, round(rng.uniform(0.22, 0.55) * per_m)), 0.80, -1)
        x0, y0 = tree.x_m - STREET_X_M[0], GROUND_Y_M[1] - tree.y_m
        tip = (x0 + 2.6 * SHADOW_M[0], y0 - 2.6 * SHADOW_M[1])
        cv2.line(
            light, (round(x0 * per_m), round(y0 * per_m)),
            (round(tip[0] * per_m), round(tip[1] * per_m)), 0.74, max(1, round(0.24 * per_m)),
        )  # fmt: skip
    cv2.GaussianBlur(light, (0, 0), max(0.6, 0.10 * per_m), dst=light)
    rows = np.linspace(GROUND_Y_M[1], GROUND_Y_M[0], len(light))
    foot = 1 - 0.30 * np.exp(-(FACADE_Y_M - rows) / 0.35)
    light *= foot[:, None].astype(np.float32)
    full = cv2.resize(np.round(light * 255).astype(np.uint8), (width, height))
    cv2.multiply(sheet.picture, cv2.cvtColor(full, cv2.COLOR_GRAY2BGR), sheet.picture, 1 / 255)
