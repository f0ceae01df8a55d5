"""Who crossed which line, and which way.

The path between two looks is taken as straight, so a fast object at few looks per second crosses
too. A crossing counts when the path met the segment itself and the object is then clearly on the
other side, farther from the line than box jitter; until it is clearly back, it cannot cross again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vedette.analytics.boxes import Float
from vedette.analytics.labels import Labels
from vedette.analytics.places import side_px
from vedette.analytics.table import Column, ColumnKind, Table
from vedette.domain.detection import State
from vedette.domain.scene import LineCount
from vedette.domain.zone import Line

# Of the object's size (mean of width and height): three times what the bottom of a box jitters.
MARGIN_SIZES = 0.15


@dataclass(frozen=True, slots=True)
class Crossing:
    """One crossing of a line: `inward` from its right hand to its left."""

    row: int
    line: int
    inward: bool


class Lines:
    """All lines of a scene; keeps a column entry per track and line, and totals.

    Columns: `line_side` is the side on which the track was last clearly (+1 left, -1 right, 0 not
    known); `line_point` where it was at the last look that was not exactly on the line,
    normalised; `line_met` whether its last change of sides met the segment.
    """

    def __init__(self, lines: Sequence[Line], table: Table) -> None:
        self._lines = tuple(lines)
        self._table = table
        self._ends = [
            (np.array(line.start_norm, np.float64), np.array(line.end_norm, np.float64))
            for line in lines
        ]
        self._totals: State = {
            "in": np.zeros(len(self._lines), np.int64),
            "out": np.zeros(len(self._lines), np.int64),
        }

    @staticmethod
    def columns(count: int) -> dict[str, ColumnKind]:
        """Give what the table keeps for `count` lines."""
        return {
            "line_side": ColumnKind(np.int64, (count,)),
            "line_point": ColumnKind(np.float64, (count, 2), np.nan),
            "line_met": ColumnKind(np.bool_, (count,)),
        }

    def look(
        self, rows: Column, points_px: Float, sizes_px: Float, *, wh_px: Float, labels: Labels
    ) -> list[Crossing]:
        """Take up where the tracks in `rows` stand now; arguments as in `Zones.look`.

        Returns:
            What confirmed tracks crossed, in the order of lines, then rows.
        """
        crossings: list[Crossing] = []
        if not len(rows):
            return crossings
        for at, line in enumerate(self._lines):
            start, end = self._ends[at][0] * wh_px, self._ends[at][1] * wh_px
            side = side_px(start, end, points_px)
            before = self._table["line_point"][rows, at] * wh_px
            side_before = side_px(start, end, before)
            changed = side * side_before < 0  # False for a new track, whose point is NaN.
            if changed.any():
                share = side_before[changed] / (side_before[changed] - side[changed])
                step = points_px[changed] - before[changed]
                meeting = before[changed] + share[:, None] * step
                way = end - start
                along = ((meeting - start) @ way) / (way @ way)
                self._table["line_met"][rows[changed], at] = (along >= 0) & (along <= 1)
            apart = side != 0
            self._table["line_point"][rows[apart], at] = points_px[apart] / wh_px
            clear = np.abs(side) > MARGIN_SIZES * sizes_px
            hand = np.where(side > 0, 1, -1)
            moved = clear & (hand != self._table["line_side"][rows, at])
            if moved.any():
                counts = labels.chosen(line.labels)[self._table["label"][rows[moved]]]
                crossings += self._cross(at, rows[moved], hand[moved], counts)
        return crossings

    def counts(self) -> dict[str, LineCount]:
        """Give the totals so far."""
        return {
            line.name: LineCount(int(self._totals["in"][at]), int(self._totals["out"][at]))
            for at, line in enumerate(self._lines)
        }

    def export(self) -> State:
        """Give copies of the totals."""
        return {name: total.copy() for name, total in self._totals.items()}

    def load(self, state: State) -> None:
        """Take the totals that `export` gave."""
        self._totals = {name: state[name].astype(old.dtype) for name, old in self._totals.items()}

    def _cross(self, line: int, rows: Column, hand: Column, counts: Column) -> list[Crossing]:
        table = self._table
        crossings = []
        for row, now, counted in zip(rows.tolist(), hand.tolist(), counts.tolist(), strict=True):
            known = table["line_side"][row, line] != 0
            if known and table["id"][row] == 0:
                continue  # Who crosses before being confirmed is counted when confirmed.
            if known and counted and table["line_met"][row, line]:
                self._totals["in" if now > 0 else "out"][line] += 1
                crossings.append(Crossing(row, line, inward=now > 0))
            table["line_side"][row, line] = now
            table["line_met"][row, line] = False
        return crossings
