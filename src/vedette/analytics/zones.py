"""Who is in which zone, since when, and who came and went.

An object is inside where its bottom centre is. It changes sides only when it is clearly across the
border (deeper than box jitter), or has stayed on the other side for a while; both times are then
dated back to the first look there. So a person standing on a border is not counted again and again.

Whoever begins inside has entered: entered − left is always who is inside. Whoever disappears
inside stays until the track ends; the dwell ends when last seen.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from vedette.analytics.labels import Labels
from vedette.analytics.places import (
    Edge,
    border_distance,
    edges,
    inner_edges,
    inside,
    scaled,
    thickness_px,
)
from vedette.analytics.track import Stay, Track
from vedette.domain.detection import State
from vedette.domain.scene import ZoneCount
from vedette.domain.zone import Point, Zone

# Of the object's size (mean of width and height): three times what the bottom of a box jitters.
MARGIN_SIZES = 0.15
# Of the zone's thickness, so that a narrow zone can be entered at all.
MARGIN_THICKNESS = 0.5
# Seconds after which a look across the border is believed however near it is.
SETTLE_S = 2.0


@dataclass(frozen=True, slots=True)
class Standing:
    """A track that was seen: where it stands, and the mean of its width and height; px."""

    track: Track
    x: float
    y: float
    size: float


@dataclass(frozen=True, slots=True)
class Move:
    """One entry into a zone or leaving of it."""

    track: Track
    zone: int
    entered: bool
    dwell_s: float


@dataclass(slots=True)
class _Totals:
    """What one zone has counted so far."""

    entered: int = 0
    left: int = 0
    most: int = 0
    dwell_s: float = 0.0


_KINDS = {"entered": np.int64, "left": np.int64, "most": np.int64, "dwell_s": np.float64}


class _Drawn:
    """A zone on a picture of one size."""

    def __init__(self, zone: Zone, wh_px: Point) -> None:
        corners_px = scaled(zone.polygon_norm, wh_px)
        self.edges: list[Edge] = edges(corners_px)
        counted = inner_edges(zone.polygon_norm).tolist()
        self._border = [edge for edge, inner in zip(self.edges, counted, strict=True) if inner]
        self._margin_px_max = MARGIN_THICKNESS * thickness_px(corners_px)

    def is_far(self, one: Standing) -> bool:
        """Tell whether it stands farther from the border than jitter reaches."""
        margin_px = min(MARGIN_SIZES * one.size, self._margin_px_max)
        return border_distance(self._border, one.x, one.y) > margin_px


class Zones:
    """All zones of a scene; keeps a `Stay` per track and zone, and totals."""

    def __init__(self, zones: Sequence[Zone]) -> None:
        self._zones = tuple(zones)
        self._totals = [_Totals() for _ in zones]
        self._drawn_for: Point | None = None
        self._drawn: list[_Drawn] = []

    def look(
        self, seen: Sequence[Standing], *, wh_px: Point, now_s: float, labels: Labels
    ) -> list[Move]:
        """Take up where tracks stand now.

        Args:
            seen: The tracks that were seen.
            wh_px: Size of the picture.
            now_s: Media time.
            labels: To know whom a zone counts.

        Returns:
            What confirmed tracks did, in the order of zones, then as in `seen`.
        """
        moves: list[Move] = []
        for at, (zone, drawn, totals) in enumerate(
            zip(self._zones, self._on(wh_px), self._totals, strict=True)
        ):
            chosen = labels.chosen(zone.labels)
            for one in seen:
                stay = one.track.stays[at]
                counts = chosen[one.track.label]
                there = counts and inside(drawn.edges, one.x, one.y)
                if there == stay.inside:
                    stay.doubt_s = math.nan
                    continue
                if math.isnan(stay.doubt_s):
                    stay.doubt_s = now_s
                if not counts or now_s - stay.doubt_s >= SETTLE_S or drawn.is_far(one):
                    moves += self._settle(at, one.track, stay)
                    stay.doubt_s = math.nan
            if seen:
                totals.most = max(totals.most, totals.entered - totals.left)
        return moves

    def begin(self, tracks: Iterable[Track]) -> list[Move]:
        """Count tracks that are confirmed now where they already are."""
        return [
            self._enter(track, at)
            for track in tracks
            for at, stay in enumerate(track.stays)
            if stay.inside
        ]

    def end(self, tracks: Iterable[Track]) -> list[Move]:
        """Let confirmed tracks that end leave where they are."""
        return [
            self._leave(track, at, _end_s(track, stay))
            for track in tracks
            for at, stay in enumerate(track.stays)
            if stay.inside
        ]

    def counts(self, tracks: Iterable[Track]) -> dict[str, ZoneCount]:
        """Give the totals so far, `tracks` being all that are followed."""
        if not self._zones:
            return {}
        present = [track for track in tracks if track.id > 0]
        counts = {}
        for at, (zone, totals) in enumerate(zip(self._zones, self._totals, strict=True)):
            staying_s = 0.0
            for track in present:
                stay = track.stays[at]
                if stay.inside:
                    staying_s += _end_s(track, stay) - stay.since_s
            counts[zone.name] = ZoneCount(
                now=totals.entered - totals.left,
                most_at_once=totals.most,
                entered=totals.entered,
                left=totals.left,
                dwell_s=round(totals.dwell_s + staying_s, 6),
            )
        return counts

    def names(self, track: Track) -> tuple[str, ...]:
        """Give the zones a track is in."""
        if not self._zones:
            return ()
        return tuple(
            zone.name for zone, stay in zip(self._zones, track.stays, strict=True) if stay.inside
        )

    def names_at(self, point_px: Point, label: str, wh_px: Point) -> tuple[str, ...]:
        """Give the zones in which something stands that has no track."""
        if not self._zones:
            return ()
        return tuple(
            zone.name
            for zone, drawn in zip(self._zones, self._on(wh_px), strict=True)
            if (not zone.labels or label in zone.labels) and inside(drawn.edges, *point_px)
        )

    def export(self) -> State:
        """Give the totals as arrays, one number per zone."""
        return {
            name: np.array([getattr(one, name) for one in self._totals], kind)
            for name, kind in _KINDS.items()
        }

    def load(self, state: State) -> None:
        """Take the totals that `export` gave."""
        self._totals = [
            _Totals(*numbers)
            for numbers in zip(*(state[name].tolist() for name in _KINDS), strict=True)
        ]

    def _on(self, wh_px: Point) -> list[_Drawn]:
        if self._drawn_for != wh_px:
            self._drawn = [_Drawn(zone, wh_px) for zone in self._zones]
            self._drawn_for = wh_px
        return self._drawn

    def _settle(self, zone: int, track: Track, stay: Stay) -> list[Move]:
        moves = []
        moment_s = stay.doubt_s
        if stay.inside:
            if track.id:
                moves.append(self._leave(track, zone, moment_s))
            stay.inside, stay.since_s = False, math.nan
        else:
            stay.inside, stay.since_s = True, moment_s
            if track.id:
                moves.append(self._enter(track, zone))
        return moves

    def _enter(self, track: Track, zone: int) -> Move:
        self._totals[zone].entered += 1
        return Move(track, zone, entered=True, dwell_s=0.0)

    def _leave(self, track: Track, zone: int, end_s: float) -> Move:
        dwell_s = round(end_s - track.stays[zone].since_s, 6)
        self._totals[zone].left += 1
        self._totals[zone].dwell_s += dwell_s
        return Move(track, zone, entered=False, dwell_s=dwell_s)


def _end_s(track: Track, stay: Stay) -> float:
    """Give until when a track that is inside was last known to be."""
    return track.seen_s if math.isnan(stay.doubt_s) else stay.doubt_s
