"""Detections → tracks: which box is which object, over time.

ByteTrack's idea: strong detections are matched first, weak ones only to go on with tracks that
nobody else claimed. Ours differs where video is not 30 even frames a second, and where people and
not boxes are to be counted; docs/design/decisions/0002-tracking-of-our-own.md says how and why.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vedette.analytics import kalman, labels
from vedette.analytics.assignment import assign
from vedette.analytics.boxes import Float, cornered, overlap
from vedette.analytics.table import Column, ColumnKind, Mask, Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """The tracker's limits; times are media time.

    Attributes:
        weak_confidence: Detections below this are ignored; from here to the user's confidence
            they only go on with tracks.
        confirm_s: An object younger than this is not counted: detectors and motion flicker.
        confirm_looks: Nor one seen fewer times, or in less than half of the looks since it began,
            or begun strong and only weak ever since.
        doubt_s: A track not yet confirmed is forgotten when unseen for longer (ByteTrack: for
            one frame).
        lost_s: A confirmed track is kept this long while unseen. ByteTrack's 30 frames make 1 s;
            people take longer behind a pillar or a passer-by.
        gap_s: After a hole this long in the video nobody is taken for the same.
        overlap_min: Least overlap of a detection with where its track is expected.
        weak_overlap_min: Likewise for a weak detection, of which there are many by accident.
        weak_unseen_s: Weak detections do not bring back who was unseen for longer.
        reach_std: How many standard deviations of the expected place a box may be away
            when it does not overlap: at few looks per second things move by more than their size.
        reach_sizes: And how many of its own sizes at most.
        size_ratio_min: And how much smaller or larger, in width and height.
        twin_overlap: Two detections of kin that overlap more are one object seen twice.
    """

    weak_confidence: float = 0.1
    confirm_s: float = 0.3
    confirm_looks: int = 2
    doubt_s: float = 0.25
    lost_s: float = 2.0
    gap_s: float = 10.0
    overlap_min: float = 0.1
    weak_overlap_min: float = 0.3
    weak_unseen_s: float = 0.5
    reach_std: float = 2.5
    reach_sizes: float = 2.0
    size_ratio_min: float = 0.5
    twin_overlap: float = 0.8


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """Detections of one picture as the tracker wants them, strongest first.

    Attributes:
        xyxy_px: (N, 4) corners.
        box_px: (N, 4) the same as centre x, centre y, width, height.
        confidence: (N,).
        label: (N,) numbers of `Labels`.
        kin: (N,) likewise.
    """

    xyxy_px: Float
    box_px: Float
    confidence: Float
    label: Column
    kin: Column

    def __len__(self) -> int:
        return len(self.confidence)


@dataclass(frozen=True, slots=True, eq=False)
class Followed:
    """What became of the detections and tracks in one picture.

    Attributes:
        row_of: (N,) row of each detection's track in the table, `NONE`, or `TWIN`.
        gone: (T,) True for the tracks that end now; they are still in the table.
        relabelled: Rows of tracks confirmed earlier whose label changed now.
        old_label: The label that each of those had.
        confirmed: Rows confirmed now, in the order of their new ids.
    """

    row_of: Column
    gone: Mask
    relabelled: Column
    old_label: Column
    confirmed: Column


# Times closer than this are the same: a frame's time is rounded to the microsecond.
SAME_S = 1e-6
# Nearer to the picture's edge than this share of its size is at the edge.
EDGE_SHARE = 0.02
# In place of a row: no track; and the weaker one of two boxes around one object, to be ignored.
NONE, TWIN = -1, -2

COLUMNS = {
    **kalman.COLUMNS,
    **labels.COLUMNS,
    "id": ColumnKind(np.int64),  # 0 until confirmed.
    "first_s": ColumnKind(np.float64),
    "seen_s": ColumnKind(np.float64),
    "seen_looks": ColumnKind(np.int64),
    "looks": ColumnKind(np.int64),
}


class Tracker:
    """Follows objects; writes the columns above, one row per track."""

    def __init__(self, table: Table, *, confidence: float, tuning: Tuning) -> None:
        self._table = table
        self._tuning = tuning
        self._confidence = confidence
        self.next_id = 1

    def follow(self, now_s: float, elapsed_s: float, found: Found, wh_px: Float) -> Followed:
        """Take up one picture, `elapsed_s` after the last one."""
        table = self._table
        kalman.predict(table, elapsed_s)
        looks = table["looks"]
        looks += 1
        unseen_s = now_s - table["seen_s"]
        gone = self._lapsed(unseen_s, elapsed_s)
        recent = unseen_s <= max(self._tuning.weak_unseen_s, elapsed_s + SAME_S)
        row_of = self._match(found, ~gone, recent, wh_px)
        at = (row_of >= 0).nonzero()[0]
        if len(at):
            rows = row_of[at]
            kalman.update(table, rows, found.box_px[at])
            table["seen_s"][rows] = now_s
            table["seen_looks"][rows] += 1
            unseen_s[rows] = 0.0
        patience_s = np.where(table["id"] > 0, self._tuning.lost_s, self._tuning.doubt_s)
        gone |= unseen_s > patience_s
        begun = self._begin(now_s, found, row_of)
        if begun:
            gone = np.concatenate([gone, np.zeros(begun, np.bool_)])
            at = (row_of >= 0).nonzero()[0]
        rows = row_of[at]
        changed, old_label = labels.vote(table, rows, found.label[at], found.confidence[at])
        counted = table["id"][changed] > 0
        # A weak look goes on with a track; that alone never makes a flicker somebody to count.
        confirmed = self._confirm(now_s, rows[found.confidence[at] >= self._confidence])
        return Followed(row_of, gone, changed[counted], old_label[counted], confirmed)

    def rescale(self, factor: Float) -> None:
        """Carry tracks over to a picture of another size; `factor` (2,): new by old pixels."""
        kalman.rescale(self._table, factor)

    def _lapsed(self, unseen_s: Float, elapsed_s: float) -> Mask:
        """Give the tracks that were unseen for too long before this picture came.

        Who was there in the last picture is never lost by a low frame rate alone.
        """
        missed = unseen_s > elapsed_s + SAME_S
        lapsed: Mask = (missed & (unseen_s > self._tuning.lost_s)) | (unseen_s > self._tuning.gap_s)
        return lapsed

    def _match(self, found: Found, free: Mask, recent: Mask, wh_px: Float) -> Column:
        """Give every detection its row, or `NONE` or `TWIN`; only `recent` rows take weak ones."""
        row_of = np.full(len(found), NONE, np.int64)
        if not len(found):
            return row_of
        table, tuning = self._table, self._tuning
        count = len(table)
        expected = cornered(table["box_px"])
        likeness = overlap(np.concatenate([expected, found.xyxy_px]), found.xyxy_px)
        likeness *= np.concatenate([table["kin"], found.kin])[:, None] == found.kin
        row_of[_twins(likeness[count:], tuning.twin_overlap)] = TWIN
        if not free.any():
            return row_of
        likeness = likeness[:count]
        strong = found.confidence >= self._confidence
        known = table["id"] > 0
        free = free.copy()  # Becomes False for rows that are taken.

        def take(similarity: Float, rows: Mask, columns: Mask) -> None:
            row_at = (rows & free).nonzero()[0]
            column_at = (columns & (row_of == NONE)).nonzero()[0]
            if not len(row_at) or not len(column_at):
                return
            if len(row_at) < count or len(column_at) < len(row_of):
                similarity = similarity[row_at[:, None], column_at]
            chosen_rows, chosen = assign(-similarity, 0.0)
            row_of[column_at[chosen]] = row_at[chosen_rows]
            free[row_at[chosen_rows]] = False

        # An object seen more surely is the likelier continuation (ByteTrack's score fusion).
        fused = np.where(likeness >= tuning.overlap_min, likeness * found.confidence, 0.0)
        take(fused, known, strong)
        has_weak = not strong.all()
        if has_weak:
            weak = np.where(likeness >= tuning.weak_overlap_min, likeness, 0.0)
            take(weak, known & recent, ~strong)
        if not known.all():
            take(fused, ~known, strong)
            if has_weak:
                take(weak, ~known & recent, ~strong)
        if free.any() and (strong & (row_of == NONE)).any():
            reached = self._within_reach(found, expected, wh_px)
            take(reached, known, strong)
            take(reached, ~known, strong)
        return row_of

    def _within_reach(self, found: Found, expected: Float, wh_px: Float) -> Float:
        """Give the similarity (T, N) of boxes that need not overlap: near, and of like size."""
        table, tuning = self._table, self._tuning
        own = table["box_px"]
        own_size = np.maximum(own[:, 2:], 1.0)
        away = found.box_px[None, :, :2] - own[:, None, :2]
        std = np.sqrt(table["box_var"][:, :2] + (kalman.MEASURED_STD * own_size) ** 2)
        away_std = np.sqrt(((away / std[:, None]) ** 2).sum(axis=2))
        away_sizes = np.sqrt((away**2).sum(axis=2)) / own_size.mean(axis=1)[:, None]
        ratio = found.box_px[None, :, 2:] / own_size[:, None]
        ratio = np.minimum(ratio, 1 / ratio).min(axis=2)
        # Who was on the way out of the picture is gone; the next one at that edge is a new one.
        velocity = table["velocity_px"][:, :2]
        edge = EDGE_SHARE * wh_px
        leaving = ((expected[:, :2] < edge) & (velocity < 0)) | (
            (expected[:, 2:] > wh_px - edge) & (velocity > 0)
        )
        allowed = (
            (away_std <= tuning.reach_std)
            & (away_sizes <= tuning.reach_sizes)
            & (ratio >= tuning.size_ratio_min)
            & (table["kin"][:, None] == found.kin)
            & ~leaving.any(axis=1, keepdims=True)
        )
        return np.where(allowed, ratio / (1.0 + away_std), 0.0)

    def _begin(self, now_s: float, found: Found, row_of: Column) -> int:
        """Begin a track for every strong detection left; give how many."""
        new = ((row_of == NONE) & (found.confidence >= self._confidence)).nonzero()[0]
        if not len(new):
            return 0
        table = self._table
        first = len(table)
        table.append(len(new))
        rows = slice(first, first + len(new))
        row_of[new] = np.arange(first, first + len(new))
        kalman.start(table, rows, found.box_px[new])
        table["kin"][rows] = found.kin[new]
        table["first_s"][rows] = now_s
        table["seen_s"][rows] = now_s
        table["seen_looks"][rows] = 1
        table["looks"][rows] = 1
        return len(new)

    def _confirm(self, now_s: float, seen: Column) -> Column:
        """Give an id to whoever was seen often and long enough."""
        table, tuning = self._table, self._tuning
        waiting = seen[table["id"][seen] == 0]
        waiting.sort()
        if not len(waiting):
            return np.asarray(waiting)
        looks = table["seen_looks"][waiting]
        sure = (
            (now_s - table["first_s"][waiting] >= tuning.confirm_s - SAME_S)
            & (looks >= tuning.confirm_looks)
            & (2 * looks >= table["looks"][waiting])
        )
        confirmed = waiting[sure]
        table["id"][confirmed] = np.arange(self.next_id, self.next_id + len(confirmed))
        self.next_id += len(confirmed)
        return np.asarray(confirmed)


def _twins(likeness: Float, most: float) -> Mask:
    """Tell which detections overlap a stronger one, itself no twin, by more than `most`."""
    alike = likeness > most
    twin = np.zeros(len(alike), np.bool_)
    if np.count_nonzero(alike) > len(alike):  # Everybody is like themselves.
        for at in range(1, len(alike)):
            twin[at] = (alike[at, :at] & ~twin[:at]).any()
    return twin
