"""Strokes, pills and words on a BGR picture: everything antialiased, nothing copies the picture."""

from __future__ import annotations

import math
import threading
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from vedette.domain.frame import Pixels

Colour = tuple[int, int, int]
"""Blue, green, red; each 0 to 255."""
Rect = tuple[float, float, float, float]
"""x_min, y_min, x_max, y_max; pixels."""
Points = npt.NDArray[np.float64]

# OpenCV draws on a grid of 1/16 pixel when told so.
SHIFT = 4
# Height of a capital letter of OpenCV's built-in sans face, in parts of the font size.
CAPITAL = 0.70
ELLIPSIS = "…"
# OpenCV wraps words at the picture's edge unless given one far away.
NO_WRAP = (-100_000, 100_000)


class _Faces(threading.local):
    """The built-in TrueType face: no font file to ship, and the same letters on every machine.

    A face remembers its weight while it writes, so two threads must not share one.
    """

    def __init__(self) -> None:
        self.sans = cv2.FontFace("sans")


_faces = _Faces()


def hex_colour(code: str) -> Colour:
    """Give the colour of `#rrggbb`."""
    return int(code[5:7], 16), int(code[3:5], 16), int(code[1:3], 16)


def mixed(under: Colour, over: Colour, share: float) -> Colour:
    """Give `over` laid on `under` with opacity `share` in [0, 1]."""
    rest = 1 - share
    return (
        round(under[0] * rest + over[0] * share),
        round(under[1] * rest + over[1] * share),
        round(under[2] * rest + over[2] * share),
    )


@lru_cache(maxsize=4096)
def text_width(text: str, size_px: int, weight: int) -> int:
    """Give the width of a text, pixels."""
    if not text:
        return 0
    # An image size of 0 would be taken as a width to wrap at.
    x, _, width, _ = cv2.getTextSize((100_000, 100_000), text, (0, 0), _faces.sans, size_px, weight)
    return int(x + width)


def fitted(text: str, width_px: float, size_px: int, weight: int) -> str:
    """Give the text, shortened by an ellipsis until it is no wider than `width_px`."""
    text = "".join(letter if letter.isprintable() else " " for letter in text)
    if text_width(text, size_px, weight) <= width_px:
        return text
    for length in range(min(len(text), 200) - 1, 0, -1):
        shorter = text[:length].rstrip() + ELLIPSIS
        if text_width(shorter, size_px, weight) <= width_px:
            return shorter
    return ""


def write_text(
    picture: Pixels, text: str, left: float, baseline: float, *, size_px: int, weight: int,
    colour: Colour,
) -> None:  # fmt: skip
    """Write one line; what would leave the picture is cut off."""
    if text:
        origin = (round(left), round(baseline))
        cv2.putText(
            picture,
            text,
            origin,
            colour,
            _faces.sans,
            size_px,
            weight,
            cv2.PUT_TEXT_ALIGN_LEFT,
            NO_WRAP,
        )


def rounded(rect: Rect, radius: float) -> Points:
    """Give the outline of a rectangle with round corners: float64 (24, 2), six points a corner.

    Clockwise as seen, from the left end of the upper left corner.
    """
    left, top, right, bottom = rect
    radius = max(0.0, min(radius, (right - left) / 2, (bottom - top) / 2))
    low, high = (left + radius, top + radius), (right - radius, bottom - radius)
    return np.where(_HIGH_SIDE, high, low) + radius * _CIRCLE


def fill(picture: Pixels, outline: Points, colour: Colour) -> None:
    """Fill a convex outline."""
    cv2.fillConvexPoly(picture, _grid(outline), colour, cv2.LINE_AA, SHIFT)


def stroke(
    picture: Pixels, *paths: Points, colour: Colour, thickness_px: float, closed: bool = False
) -> None:
    """Draw along paths."""
    thickness = max(1, round(thickness_px))
    grids = [_grid(path) for path in paths]
    cv2.polylines(picture, grids, closed, colour, thickness, cv2.LINE_AA, SHIFT)


def disc(picture: Pixels, x: float, y: float, radius_px: float, colour: Colour) -> None:
    """Draw a filled disc."""
    scale = 1 << SHIFT
    cv2.circle(
        picture,
        (round(x * scale), round(y * scale)),
        max(scale, round(radius_px * scale)),
        colour,
        -1,
        cv2.LINE_AA,
        SHIFT,
    )


def tint(picture: Pixels, rect: Rect, colour: Colour, share: float) -> None:
    """Lay a translucent colour over a rectangle, in place."""
    window = _window(picture, rect)
    if window.size:
        # In place: a sheet of one colour costs less than a copy of the window.
        cv2.addWeighted(window, 1 - share, _sheet(window.shape, colour), share, 0, dst=window)


def tint_rounded(picture: Pixels, rect: Rect, radius: float, colour: Colour, share: float) -> None:
    """Lay a translucent colour over a rectangle with round corners, in place."""
    window = _window(picture, rect)
    if window.size:
        blended = cv2.addWeighted(window, 1 - share, _sheet(window.shape, colour), share, 0)
        cv2.copyTo(blended, _rounded_mask(window.shape[1], window.shape[0], radius), window)


def shade(picture: Pixels, rect: Rect, share: float) -> None:
    """Darken a rectangle by `share` in [0, 1], in place."""
    window = _window(picture, rect)
    if window.size:
        cv2.convertScaleAbs(window, dst=window, alpha=1 - share)


def tint_mask(
    picture: Pixels, mask: Pixels, corner: tuple[int, int], colour: Colour, share: float
) -> None:
    """Lay a translucent colour where `mask` is set: uint8, 0 or 255; upper left at `corner`."""
    left, top = corner
    window = picture[top : top + mask.shape[0], left : left + mask.shape[1]]
    blended = cv2.addWeighted(window, 1 - share, _sheet(window.shape, colour), share, 0)
    cv2.copyTo(blended, mask, window)


@lru_cache(maxsize=64)
def _sheet(shape: tuple[int, ...], colour: Colour) -> Pixels:
    return np.full(shape, colour, np.uint8)


@lru_cache(maxsize=256)
def _rounded_mask(width: int, height: int, radius: float) -> Pixels:
    mask = np.zeros((height, width), np.uint8)
    fill(mask, rounded((0, 0, width - 1, height - 1), radius), (255, 255, 255))
    return (mask > 127).astype(np.uint8) * np.uint8(255)


def _window(picture: Pixels, rect: Rect) -> Pixels:
    left, top, right, bottom = (max(0, round(side)) for side in rect)
    return picture[top:bottom, left:right]


def _grid(points: Points) -> npt.NDArray[np.int32]:
    return np.rint(points * (1 << SHIFT)).astype(np.int32)


# A circle from its left point upwards, four corners of six points; and which of them lie at the
# high end of a rectangle's x and y.
_TURN = np.concatenate([np.linspace(corner, corner + 1, 6) for corner in range(4)]) * (math.pi / 2)
_CIRCLE: Points = np.stack([-np.cos(_TURN), -np.sin(_TURN)], axis=1)
_HIGH_SIDE = np.repeat(
    np.array([[False, False], [True, False], [True, True], [False, True]]), 6, axis=0
)
