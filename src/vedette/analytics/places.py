"""Geometry of the places a user drew, in pixels of the picture.

Distances are in pixels, not in normalised units, because a picture is wider than high and an
object's own size is the measure of what is jitter. Polygons have few corners and are asked about
few points, so this is done on Python's floats.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from vedette.domain.zone import Point

# Start x, start y, end x, end y.
Edge = tuple[float, float, float, float]

# Divided by in place of an edge of no length.
_TINY = float(np.finfo(np.float64).tiny)


def edges(polygon_px: Sequence[Point]) -> list[Edge]:
    """Give the edges of a polygon, the one that closes it last."""
    return [(*start, *end) for start, end in pairwise((*polygon_px, polygon_px[0]))]


def inside(polygon_px: Iterable[Edge], x: float, y: float) -> bool:
    """Tell whether a point lies in the polygon; its border does.

    A polygon that crosses itself is filled by the even-odd rule.
    """
    odd = False
    for start_x, start_y, end_x, end_y in polygon_px:
        if (start_y > y and end_y > y) or (start_y < y and end_y < y):
            continue
        way_x, way_y = end_x - start_x, end_y - start_y
        offset_x, offset_y = x - start_x, y - start_y
        cross = way_x * offset_y - way_y * offset_x
        along = way_x * offset_x + way_y * offset_y
        if cross == 0 and 0 <= along <= way_x * way_x + way_y * way_y:
            return True
        # The ray to the right meets an edge that runs down where cross > 0, one that runs up
        # where < 0.
        if (start_y > y) != (end_y > y) and (cross > 0) == (way_y > 0):
            odd = not odd
    return odd


def border_distance(border_px: Iterable[Edge], x: float, y: float) -> float:
    """Give the distance of a point to the nearest of the edges; infinity where there is none."""
    nearest2 = math.inf
    for start_x, start_y, end_x, end_y in border_px:
        way_x, way_y = end_x - start_x, end_y - start_y
        offset_x, offset_y = x - start_x, y - start_y
        length2 = max(way_x * way_x + way_y * way_y, _TINY)
        along = min(max((offset_x * way_x + offset_y * way_y) / length2, 0.0), 1.0)
        away_x, away_y = offset_x - along * way_x, offset_y - along * way_y
        nearest2 = min(nearest2, away_x * away_x + away_y * away_y)
    return math.sqrt(nearest2)


def inner_edges(polygon: Sequence[Point]) -> npt.NDArray[np.bool_]:
    """Give (P,): False for edges that lie on the picture's own border.

    There nothing can step out of the zone without leaving the picture; and boxes cut off by the
    picture's edge stand exactly on it.
    """
    points = np.array(polygon, np.float64)
    following = np.roll(points, -1, axis=0)
    low = ((points <= 0.005) & (following <= 0.005)).any(axis=1)
    high = ((points >= 0.995) & (following >= 0.995)).any(axis=1)
    return np.asarray(~(low | high))


def thickness_px(polygon_px: Sequence[Point]) -> float:
    """Give area by girth: about half the radius of the largest circle that fits in."""
    corners = np.array(polygon_px, np.float64)
    following = np.roll(corners, -1, axis=0)
    area = abs(float((corners[:, 0] * following[:, 1] - corners[:, 1] * following[:, 0]).sum()) / 2)
    girth = float(np.sqrt(((following - corners) ** 2).sum(axis=1)).sum())
    return area / girth


def side_px(line_px: Edge, x: float, y: float) -> float:
    """Give the signed distance of a point from the line through start and end.

    Positive to the left hand of somebody who walks from start to end *as seen on the picture*,
    whose y grows downward.
    """
    start_x, start_y, end_x, end_y = line_px
    way_x, way_y = end_x - start_x, end_y - start_y
    cross = way_x * (y - start_y) - way_y * (x - start_x)
    return -cross / math.sqrt(way_x * way_x + way_y * way_y)


def scaled(points_norm: Iterable[Point], wh_px: Point) -> list[Point]:
    """Give normalised points in pixels of a picture of that width and height."""
    return [(x * wh_px[0], y * wh_px[1]) for x, y in points_norm]
