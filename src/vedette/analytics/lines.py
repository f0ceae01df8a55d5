"""Who crossed which line, and which way.

The path between two looks is taken as straight, so a fast object at few looks per second crosses
too. A crossing counts when the path met the segment itself and the object is then clearly on the
other side, farther from the line than box jitter; until it is clearly back, it cannot cross again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vedette.analytics.labels import Labels
from vedette.analytics.places import Edge, scaled, side_px
from vedette.analytics.track import Side, Track
from vedette.analytics.zones import Standing
from vedette.domain.detection import State
from vedette.domain.scene import LineCount
from vedette.domain.zone import Line, Point

# Of the object's size (mean of width and height): three times what the bottom of a box jitters.
MARGIN_SIZES = 0.15


@dataclass(frozen=True, slots=True)
class Crossing:
    """One crossing of a line: `inward` from its right hand to its left."""

    track: Track
    line: int
    inward: bool


class Lines:
    """All lines of a scene; keeps a `Side` per track and line, and totals."""

    def __init__(self, lines: Sequence[Line]) -> None:
        self._lines = tuple(lines)
        self._in = [0] * len(lines)
        self._out = [0] * len(lines)

    def look(self, seen: Sequence[Standing], *, wh_px: Point, labels: Labels) -> list[Crossing]:
        """Take up where tracks stand now; arguments as in `Zones.look`.

        Returns:
            What confirmed tracks crossed, in the order of lines, then as in `seen`.
        """
        crossings: list[Crossing] = []
        for at, line in enumerate(self._lines):
            start, end = scaled((line.start_norm, line.end_norm), wh_px)
            line_px = (*start, *end)
            for one in seen:
                side = one.track.sides[at]
                distance_px = _taken_up(side, one, line_px, wh_px)
                hand = 1 if distance_px > 0 else -1
                if abs(distance_px) > MARGIN_SIZES * one.size and hand != side.hand:
                    counted = labels.chosen(line.labels)[one.track.label]
                    crossings += self._cross(at, one.track, hand, counted=counted)
        return crossings

    def counts(self) -> dict[str, LineCount]:
        """Give the totals so far."""
        return {
            line.name: LineCount(crossed_in, crossed_out)
            for line, crossed_in, crossed_out in zip(self._lines, self._in, self._out, strict=True)
        }

    def export(self) -> State:
        """Give the totals as arrays, one number per line."""
        return {"in": np.array(self._in, np.int64), "out": np.array(self._out, np.int64)}

    def load(self, state: State) -> None:
        """Take the totals that `export` gave."""
        self._in, self._out = state["in"].tolist(), state["out"].tolist()

    def _cross(self, line: int, track: Track, hand: int, *, counted: bool) -> list[Crossing]:
        side = track.sides[line]
        crossings = []
        if side.hand:
            if not track.id:
                return []  # Who crosses before being confirmed is counted when confirmed.
            if counted and side.met:
                (self._in if hand > 0 else self._out)[line] += 1
                crossings.append(Crossing(track, line, inward=hand > 0))
        side.hand, side.met = hand, False
        return crossings


def _taken_up(side: Side, one: Standing, line_px: Edge, wh_px: Point) -> float:
    """Note where somebody is now, and whether the way there met the segment; give `side_px`."""
    width, height = wh_px
    distance_px = side_px(line_px, one.x, one.y)
    x, y = side.x * width, side.y * height
    before_px = side_px(line_px, x, y)
    if distance_px * before_px < 0:  # False for a new track, whose place is NaN.
        share = before_px / (before_px - distance_px)
        start_x, start_y, end_x, end_y = line_px
        way_x, way_y = end_x - start_x, end_y - start_y
        to_x, to_y = x + share * (one.x - x) - start_x, y + share * (one.y - y) - start_y
        along = (to_x * way_x + to_y * way_y) / (way_x * way_x + way_y * way_y)
        side.met = 0 <= along <= 1
    if distance_px:
        side.x, side.y = one.x / width, one.y / height
    return distance_px
