"""Who is in which zone, since when, and who came and went.

An object is inside where its bottom centre is. It changes sides only when it is clearly across the
border (deeper than box jitter), or has stayed on the other side for a while; both times are then
dated back to the first look there. So a person standing on a border is not counted again and again.

Whoever begins inside has entered: entered − left is always who is inside. Whoever disappears
inside stays until the track ends; the dwell ends when last seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vedette.analytics.boxes import Float
from vedette.analytics.labels import Labels
from vedette.analytics.places import border_distance, inner_edges, inside, thickness_px
from vedette.analytics.table import Column, ColumnKind, Mask, Table
from vedette.domain.detection import State
from vedette.domain.scene import ZoneCount
from vedette.domain.zone import Zone

# Of the object's size (mean of width and height): three times what the bottom of a box jitters.
MARGIN_SIZES = 0.15
# Of the zone's thickness, so that a narrow zone can be entered at all.
MARGIN_THICKNESS = 0.5
# Seconds after which a look across the border is believed however near it is.
SETTLE_S = 2.0


@dataclass(frozen=True, slots=True)
class Move:
    """One entry into a zone or leaving of it."""

    row: int
    zone: int
    entered: bool
    dwell_s: float


class Zones:
    """All zones of a scene; keeps a column entry per track and zone, and totals."""

    def __init__(self, zones: Sequence[Zone], table: Table) -> None:
        self._zones = tuple(zones)
        self._table = table
        self._corners = [np.array(zone.polygon_norm, np.float64) for zone in zones]
        self._edges = [inner_edges(zone.polygon_norm) for zone in zones]
        count = len(self._zones)
        self._totals: State = {
            "entered": np.zeros(count, np.int64),
            "left": np.zeros(count, np.int64),
            "most": np.zeros(count, np.int64),
            "dwell_s": np.zeros(count, np.float64),
        }

    @staticmethod
    def columns(count: int) -> dict[str, ColumnKind]:
        """Give what the table keeps for `count` zones."""
        return {
            "zone_inside": ColumnKind(np.bool_, (count,)),
            "zone_since_s": ColumnKind(np.float64, (count,), np.nan),
            "zone_doubt_s": ColumnKind(np.float64, (count,), np.nan),
        }

    def look(
        self, rows: Column, points_px: Float, sizes_px: Float, *,
        wh_px: Float, now_s: float, labels: Labels,
    ) -> list[Move]:  # fmt: skip
        """Take up where the tracks in `rows` stand now.

        Args:
            rows: (N,) rows of tracks that were seen.
            points_px: (N, 2) where they stand.
            sizes_px: (N,) mean of their width and height.
            wh_px: (2,) size of the picture.
            now_s: Media time.
            labels: To know whom a zone counts.

        Returns:
            What confirmed tracks did, in the order of zones, then rows.
        """
        moves: list[Move] = []
        if not len(rows):
            return moves
        for at, zone in enumerate(self._zones):
            corners_px = self._corners[at] * wh_px
            counts = labels.chosen(zone.labels)[self._table["label"][rows]]
            there = inside(corners_px, points_px) & counts
            was = self._table["zone_inside"][rows, at]
            doubt = self._table["zone_doubt_s"][rows, at]
            differs = there != was
            doubt[~differs] = np.nan
            if differs.any():
                doubt[differs & np.isnan(doubt)] = now_s
                margin = np.minimum(
                    MARGIN_SIZES * sizes_px, MARGIN_THICKNESS * thickness_px(corners_px)
                )
                far = border_distance(corners_px, points_px, self._edges[at]) > margin
                sure = differs & (far | ~counts | (now_s - doubt >= SETTLE_S))
                moves += self._settle(at, rows[sure], doubt[sure])
                doubt[sure] = np.nan
            self._table["zone_doubt_s"][rows, at] = doubt
        now = self._totals["entered"] - self._totals["left"]
        np.maximum(self._totals["most"], now, out=self._totals["most"])
        return moves

    def begin(self, rows: Column) -> list[Move]:
        """Count tracks that are confirmed now where they already are."""
        if not self._zones or not len(rows):
            return []
        return [
            self._enter(int(row), at)
            for row in rows
            for at in np.flatnonzero(self._table["zone_inside"][row]).tolist()
        ]

    def end(self, rows: Column) -> list[Move]:
        """Let confirmed tracks that end leave where they are."""
        if not self._zones or not len(rows):
            return []
        ends = self._ends_s()
        return [
            self._leave(int(row), at, float(ends[row, at]))
            for row in rows
            for at in np.flatnonzero(self._table["zone_inside"][row]).tolist()
        ]

    def counts(self) -> dict[str, ZoneCount]:
        """Give the totals so far."""
        if not self._zones:
            return {}
        now = self._totals["entered"] - self._totals["left"]
        present = self._table["zone_inside"] & (self._table["id"] > 0)[:, None]
        staying = self._ends_s() - self._table["zone_since_s"]
        dwell = self._totals["dwell_s"] + np.where(present, staying, 0.0).sum(axis=0)
        return {
            zone.name: ZoneCount(
                now=int(now[at]),
                most_at_once=int(self._totals["most"][at]),
                entered=int(self._totals["entered"][at]),
                left=int(self._totals["left"][at]),
                dwell_s=round(float(dwell[at]), 6),
            )
            for at, zone in enumerate(self._zones)
        }

    def names(self, row: int) -> tuple[str, ...]:
        """Give the zones a track is in."""
        return self._names(self._table["zone_inside"][row]) if self._zones else ()

    def names_at(self, point_px: Float, label: str, wh_px: Float) -> tuple[str, ...]:
        """Give the zones in which something stands that has no track."""
        return tuple(
            zone.name
            for zone, corners in zip(self._zones, self._corners, strict=True)
            if (not zone.labels or label in zone.labels)
            and inside(corners * wh_px, point_px[None])[0]
        )

    def export(self) -> State:
        """Give copies of the totals."""
        return {name: total.copy() for name, total in self._totals.items()}

    def load(self, state: State) -> None:
        """Take the totals that `export` gave."""
        self._totals = {name: state[name].astype(old.dtype) for name, old in self._totals.items()}

    def _names(self, mask: Mask) -> tuple[str, ...]:
        if not mask.any():
            return ()
        return tuple(self._zones[at].name for at in np.flatnonzero(mask).tolist())

    def _settle(self, zone: int, rows: Column, since_s: Float) -> list[Move]:
        moves = []
        for row, moment_s in zip(rows.tolist(), since_s.tolist(), strict=True):
            confirmed = bool(self._table["id"][row] > 0)
            if self._table["zone_inside"][row, zone]:
                if confirmed:
                    moves.append(self._leave(row, zone, moment_s))
                self._table["zone_inside"][row, zone] = False
                self._table["zone_since_s"][row, zone] = np.nan
            else:
                self._table["zone_inside"][row, zone] = True
                self._table["zone_since_s"][row, zone] = moment_s
                if confirmed:
                    moves.append(self._enter(row, zone))
        return moves

    def _enter(self, row: int, zone: int) -> Move:
        self._totals["entered"][zone] += 1
        return Move(row, zone, entered=True, dwell_s=0.0)

    def _leave(self, row: int, zone: int, end_s: float) -> Move:
        dwell_s = round(end_s - float(self._table["zone_since_s"][row, zone]), 6)
        self._totals["left"][zone] += 1
        self._totals["dwell_s"][zone] += dwell_s
        return Move(row, zone, entered=False, dwell_s=dwell_s)

    def _ends_s(self) -> Float:
        """Give (T, Z): until when a track that is inside was last known to be."""
        doubt = self._table["zone_doubt_s"]
        return np.where(np.isnan(doubt), self._table["seen_s"][:, None], doubt)
