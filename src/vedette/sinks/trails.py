"""Where each track came from: the fading line behind its foot point."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence

import numpy as np

from vedette.domain.frame import Pixels
from vedette.domain.scene import SceneObject
from vedette.sinks import ink
from vedette.sinks.ink import Colour, Rect, hex_colour

# Twelve hues of like lightness, neighbours far apart, all bright enough for dark letters.
TRACK_COLOURS = tuple(
    map(
        hex_colour,
        (
            "#2dd4bf", "#fbbf24", "#60a5fa", "#fb7185", "#a3e635", "#c4a1ff",
            "#fb923c", "#38d9f5", "#f472b6", "#4ade80", "#93a5ff", "#fde047",
        ),
    )
)  # fmt: skip

TRAIL_S = 2.0
# A trail fades in so many steps; more are not seen.
TRAIL_SHADES = 8
TRAIL_POINTS_MAX = 64


class Trails:
    """Remembers and draws the trails of one source; for one thread."""

    def __init__(self, unit: float) -> None:
        """Begin with none; `unit` is the picture's measure of a fine line, pixels."""
        self._unit = unit
        self._trails: dict[int, deque[tuple[float, float, float]]] = {}

    def __len__(self) -> int:
        return len(self._trails)

    def remember(self, now_s: float, objects: Sequence[SceneObject], boxes: Sequence[Rect]) -> None:
        """Note where the tracks stand now, and forget what is old."""
        for found, (left, top, right, bottom) in zip(objects, boxes, strict=True):
            if found.track_id is None:
                continue
            trail = self._trails.setdefault(found.track_id, deque(maxlen=TRAIL_POINTS_MAX))
            x, y = (left + right) / 2, bottom
            if trail:
                _, last_x, last_y = trail[-1]
                moved_px = math.hypot(x - last_x, y - last_y)
                if moved_px < 4 * self._unit:  # A box trembles by a pixel or two; a trail must not.
                    continue
                if moved_px > max(right - left, bottom - top, 20 * self._unit):
                    trail.clear()  # It was somewhere else; nothing walked along here.
            trail.append((now_s, x, y))
        for track_id, trail in list(self._trails.items()):
            # A clock that went back leaves times ahead of now; they are as stale as old ones.
            while trail and not 0 <= now_s - trail[0][0] <= TRAIL_S:
                trail.popleft()
            if not trail:
                del self._trails[track_id]

    def draw(self, picture: Pixels, now_s: float) -> None:
        """Draw all trails in place, the older the fainter."""
        height, width = picture.shape[:2]
        for track_id, trail in self._trails.items():
            colour = track_colour(track_id)
            points = _smoothed(list(trail))
            step = -(-len(points) // TRAIL_SHADES)
            for first in range(0, len(points) - 1, step):
                part = points[first : first + step + 1]
                at_s, x, y = part[-1]
                fresh = 1 - (now_s - at_s) / TRAIL_S
                # Mixed with a pixel below it, a stroke looks translucent and costs no copy.
                column = min(max(round(x), 0), width - 1)
                row = min(max(round(y), 0), height - 1)
                blue, green, red = picture[row, column].tolist()
                paint = ink.mixed((blue, green, red), colour, 0.1 + 0.75 * fresh)
                thick = self._unit * (1 + 2.4 * fresh)
                path = np.array(part)[:, 1:]
                ink.stroke(picture, path, colour=paint, thickness_px=thick)


def track_colour(track_id: int) -> Colour:
    """Give the colour that a track keeps."""
    return TRACK_COLOURS[track_id % len(TRACK_COLOURS)]


def _smoothed(trail: list[tuple[float, float, float]]) -> list[tuple[float, float, float]]:
    """Give the trail without the up and down of each step; its ends stay."""
    return [
        trail[0],
        *(
            (at_s, (x0 + 2 * x + x1) / 4, (y0 + 2 * y + y1) / 4)
            for (_, x0, y0), (at_s, x, y), (_, x1, y1) in zip(
                trail, trail[1:], trail[2:], strict=False
            )
        ),
        *trail[-1:],
    ]
