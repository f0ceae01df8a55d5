"""Geometry of the places a user drew, in pixels of the picture.

Distances are in pixels, not in normalised units, because a picture is wider than high and an
object's own size is the measure of what is jitter.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vedette.analytics.boxes import Float
from vedette.analytics.table import Mask
from vedette.domain.zone import Point


def inside(polygon_px: Float, points_px: Float) -> Mask:
    """Tell for each of (N, 2) points whether it lies in the polygon (P, 2); its border does.

    A polygon that crosses itself is filled by the even-odd rule.
    """
    start, end = polygon_px, np.roll(polygon_px, -1, axis=0)
    x, y = points_px[:, :1], points_px[:, 1:]
    edge = end - start
    offset_x, offset_y = x - start[:, 0], y - start[:, 1]
    cross = edge[:, 0] * offset_y - edge[:, 1] * offset_x
    spans = (start[:, 1] > y) != (end[:, 1] > y)
    # The ray to the right meets an edge that runs down where cross > 0, one that runs up where < 0.
    meets = spans & ((cross > 0) == (edge[:, 1] > 0))
    along = edge[:, 0] * offset_x + edge[:, 1] * offset_y
    on_border = (cross == 0) & (along >= 0) & (along <= (edge**2).sum(axis=1))
    odd = (np.count_nonzero(meets, axis=1) % 2).astype(np.bool_)
    return np.asarray(odd | on_border.any(axis=1))


def border_distance(polygon_px: Float, points_px: Float, counted: Mask) -> Float:
    """Give the distance (N,) of points to the nearest of the polygon's edges that count.

    Args:
        polygon_px: (P, 2).
        points_px: (N, 2).
        counted: (P,) False for edges that are not looked at; infinity where there is none.
    """
    start, end = polygon_px[counted], np.roll(polygon_px, -1, axis=0)[counted]
    if not len(start):
        return np.full(len(points_px), np.inf)
    edge = end - start
    offset = points_px[:, None] - start
    length2 = np.maximum((edge**2).sum(axis=1), np.finfo(np.float64).tiny)
    along = np.clip((offset * edge).sum(axis=2) / length2, 0.0, 1.0)
    away = offset - along[..., None] * edge
    return np.asarray(np.sqrt((away**2).sum(axis=2)).min(axis=1))


def inner_edges(polygon: Sequence[Point]) -> Mask:
    """Give (P,): False for edges that lie on the picture's own border.

    There nothing can step out of the zone without leaving the picture; and boxes cut off by the
    picture's edge stand exactly on it.
    """
    points = np.array(polygon, np.float64)
    following = np.roll(points, -1, axis=0)
    low = ((points <= 0.005) & (following <= 0.005)).any(axis=1)
    high = ((points >= 0.995) & (following >= 0.995)).any(axis=1)
    return np.asarray(~(low | high))


def thickness_px(polygon_px: Float) -> float:
    """Give area by girth: about half the radius of the largest circle that fits in."""
    following = np.roll(polygon_px, -1, axis=0)
    area = abs(
        float((polygon_px[:, 0] * following[:, 1] - polygon_px[:, 1] * following[:, 0]).sum()) / 2
    )
    girth = float(np.sqrt(((following - polygon_px) ** 2).sum(axis=1)).sum())
    return area / girth


def side_px(start_px: Float, end_px: Float, points_px: Float) -> Float:
    """Give the signed distance (N,) of points (N, 2) from the line through start and end.

    Positive to the left hand of somebody who walks from start to end *as seen on the picture*,
    whose y grows downward.
    """
    way = end_px - start_px
    offset = points_px - start_px
    cross = way[0] * offset[..., 1] - way[1] * offset[..., 0]
    return np.asarray(-cross / np.sqrt((way**2).sum()))
