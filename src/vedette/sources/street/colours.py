"""Colours as OpenCV takes them: blue, green, red, 0 to 255."""

from __future__ import annotations

from functools import lru_cache

# A film uses few colours, each thousands of times.
_CACHED_MAX = 65_536

Colour = tuple[int, int, int]


def rgb(code: int) -> Colour:
    """Give the colour that is written 0xRRGGBB."""
    return code & 255, code >> 8 & 255, code >> 16 & 255


@lru_cache(_CACHED_MAX)
def shaded(colour: Colour, factor: float) -> Colour:
    """Make a colour darker (below 1) or lighter (above 1)."""
    b, g, r = (min(255, max(0, round(part * factor))) for part in colour)
    return b, g, r


@lru_cache(_CACHED_MAX)
def mixed(one: Colour, other: Colour, share: float) -> Colour:
    """Mix two colours; `share` is the part of the other one."""
    b, g, r = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return b, g, r
