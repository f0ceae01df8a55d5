"""Zones and lines in pixels of one picture size, made once."""

from __future__ import annotations

import cv2
import numpy as np

from vedette.domain.frame import Pixels
from vedette.domain.zone import Line, Zone
from vedette.sinks.ink import Colour, Points, hex_colour

ZONE_COLOURS = tuple(map(hex_colour, ("#5eead4", "#7dd3fc", "#fcd34d", "#f0abfc")))


class ZoneInk:
    """A zone in pixels, with the mask of its inside."""

    def __init__(self, zone: Zone, colour: Colour, width: int, height: int) -> None:
        self.name = zone.name
        self.colour = colour
        self.outline: Points = np.array(zone.polygon_norm) * (width - 1, height - 1)
        low = np.floor(self.outline.min(axis=0)).astype(int)
        high = np.ceil(self.outline.max(axis=0)).astype(int) + 1
        self.left, self.top = int(low[0]), int(low[1])
        self.mask: Pixels = np.zeros((high[1] - low[1], high[0] - low[0]), np.uint8)
        cv2.fillPoly(self.mask, [np.rint(self.outline - low).astype(np.int32)], 255)
        # Its name goes to the corner nearest to the picture's upper left.
        corner = self.outline[np.argmin(self.outline.sum(axis=1))]
        self.anchor = (float(corner[0]), float(corner[1]))


class LineInk:
    """A line in pixels, with the direction that counts as in."""

    def __init__(self, line: Line, width: int, height: int) -> None:
        self.name = line.name
        self.path: Points = np.array([line.start_norm, line.end_norm]) * (width - 1, height - 1)
        start, end = self.path
        self.middle: Points = (start + end) / 2
        self.along: Points = (end - start) / max(1e-9, float(np.hypot(*(end - start))))
        # With y downwards, the left hand of one walking along (x, y) points to (y, -x).
        self.inward: Points = np.array([self.along[1], -self.along[0]])
