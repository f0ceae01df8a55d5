"""One followed object: everything that is remembered of it, in one place.

Tracker, zones and lines each keep what they need on the track itself. So a track that ends leaves
nothing behind, and `export` is the one place that turns it all into arrays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from vedette.analytics.kalman import Axis, Motion
from vedette.domain.detection import State


# What is below is changed in place at every look, so it is not frozen.
@dataclass(slots=True)
class Stay:
    """A track and a zone.

    Attributes:
        inside: Whether it is in it.
        since_s: Since when; NaN outside.
        doubt_s: Since when it is seen on the other side, not yet believed; NaN if it is not.
    """

    inside: bool = False
    since_s: float = np.nan
    doubt_s: float = np.nan


@dataclass(slots=True)
class Side:
    """A track and a line.

    Attributes:
        hand: On which side it was last clearly: +1 left, -1 right, 0 not known.
        x, y: Where it was at the last look that was not exactly on the line, normalised; NaN
            before.
        met: Whether its last change of sides met the segment.
    """

    hand: int = 0
    x: float = np.nan
    y: float = np.nan
    met: bool = False


@dataclass(slots=True, eq=False)
class Track:
    """One object over frames.

    Attributes:
        motion: Where it is, and where it is going.
        kin: Number of the group of labels it belongs to.
        first_s, seen_s: Media time of the first and of the last look that saw it.
        stays, sides: One per zone and line of the scene, in its order.
        id: 0 until confirmed.
        label: Number of its label, by vote; -1 before the first.
        votes: Weight of each label it was ever called.
        seen_looks, looks: How often it was seen, and could have been.
    """

    motion: Motion
    kin: int
    first_s: float
    seen_s: float
    stays: list[Stay]
    sides: list[Side]
    id: int = 0
    label: int = -1
    votes: dict[int, float] = field(default_factory=dict)
    seen_looks: int = 1
    looks: int = 1


def export(tracks: Sequence[Track], *, zones: int, lines: int, labels: int) -> State:
    """Give all tracks as arrays of one row each; the counts say how wide the rows are."""
    count = len(tracks)
    axes = [one.motion.axes for one in tracks]
    stays = [stay for one in tracks for stay in one.stays]
    sides = [side for one in tracks for side in one.sides]
    votes = np.zeros((count, labels))
    for row, one in zip(votes, tracks, strict=True):
        row[list(one.votes)] = list(one.votes.values())

    def of_axes(name: str) -> np.ndarray:
        rows = [[getattr(axis, name) for axis in four] for four in axes]
        return np.array(rows, np.float64).reshape(count, 4)

    def column(items: Sequence[object], name: str, kind: type[np.generic]) -> np.ndarray:
        return np.array([getattr(one, name) for one in items], kind)

    return {
        "box_px": of_axes("at"),
        "velocity_px": of_axes("speed"),
        "box_var": of_axes("var"),
        "box_velocity_cov": of_axes("cov"),
        "velocity_var": of_axes("speed_var"),
        "votes": votes,
        **{name: column(tracks, name, np.int64) for name in _WHOLE},
        **{name: column(tracks, name, np.float64) for name in _TIMES},
        "zone_inside": column(stays, "inside", np.bool_).reshape(count, zones),
        "zone_since_s": column(stays, "since_s", np.float64).reshape(count, zones),
        "zone_doubt_s": column(stays, "doubt_s", np.float64).reshape(count, zones),
        "line_side": column(sides, "hand", np.int64).reshape(count, lines),
        "line_point": np.array([(one.x, one.y) for one in sides]).reshape(count, lines, 2),
        "line_met": column(sides, "met", np.bool_).reshape(count, lines),
    }


_WHOLE = ("id", "label", "kin", "seen_looks", "looks")
_TIMES = ("first_s", "seen_s")


def loaded(state: State) -> list[Track]:
    """Give the tracks that `export` made into arrays."""
    columns = {name: array.tolist() for name, array in state.items()}
    return [_loaded_row({name: column[at] for name, column in columns.items()})
            for at in range(len(columns["id"]))]  # fmt: skip


def _loaded_row(row: dict[str, Any]) -> Track:
    four = zip(
        *(row[name] for name in ("box_px", "box_var", "velocity_px", "velocity_var")),
        row["box_velocity_cov"],
        strict=True,
    )
    stays = zip(row["zone_inside"], row["zone_since_s"], row["zone_doubt_s"], strict=True)
    sides = zip(row["line_side"], row["line_point"], row["line_met"], strict=True)
    return Track(
        motion=Motion(*(Axis(*numbers) for numbers in four)),
        stays=[Stay(*stay) for stay in stays],
        sides=[Side(hand, x, y, met) for hand, (x, y), met in sides],
        votes={label: weight for label, weight in enumerate(row["votes"]) if weight},
        **{name: row[name] for name in (*_WHOLE, *_TIMES)},
    )
