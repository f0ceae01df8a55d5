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
from vedette.analytics.boxes import Float, centre_and_size, from_centre_and_size, overlap
from vedette.analytics.table import Column, ColumnKind, Mask, Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """The tracker's limits; times are media time.

    Attributes:
        weak_confidence: Detections below this are ignored; from here to the user's confidence
            they only go on with tracks.
        confirm_s: An object younger than this is not counted: detectors and motion flicker.
        confirm_looks: Nor one seen fewer times, or in less than half of the looks since it began.
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
        xyxy_px: (N, 4).
        confidence: (N,).
        label: (N,) numbers of `Labels`.
        kin: (N,) likewise.
    """

    xyxy_px: Float
    confidence: Float
    label: Column
    kin: Column

    def __len__(self) -> int:
        return len(self.confidence)


@dataclass(frozen=True, slots=True, eq=False)
class Followed:
    """What became of the detections and tracks in one picture.

    Attributes:
        row_of: (N,) row of each detection's track in the table, -1 for none.
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
        table["looks"][:] += 1
        gone = self._lapsed(now_s, elapsed_s)
        recent = now_s - table["seen_s"] <= max(self._tuning.weak_unseen_s, elapsed_s + 1e-9)
        row_of = self._match(found, ~gone, recent, wh_px)
        at = np.flatnonzero(row_of >= 0)
        if len(at):
            centre, size = centre_and_size(found.xyxy_px[at])
            kalman.update(table, row_of[at], centre, size)
            table["seen_s"][row_of[at]] = now_s
            table["seen_looks"][row_of[at]] += 1
        unseen_s = now_s - table["seen_s"]
        gone |= unseen_s > np.where(table["id"] > 0, self._tuning.lost_s, self._tuning.doubt_s)
        gone = np.concatenate([gone, self._begin(now_s, found, row_of)])
        at = np.flatnonzero(row_of >= 0)
        seen = row_of[at]
        changed, old_label = labels.vote(table, seen, found.label[at], found.confidence[at])
        counted = table["id"][changed] > 0
        confirmed = self._confirm(now_s, seen)
        return Followed(row_of, gone, changed[counted], old_label[counted], confirmed)

    def rescale(self, factor: Float) -> None:
        """Carry tracks over to a picture of another size; `factor` (2,): new by old pixels."""
        kalman.rescale(self._table, factor)

    def _lapsed(self, now_s: float, elapsed_s: float) -> Mask:
        """Give the tracks that were unseen for too long before this picture came.

        Who was there in the last picture is never lost by a low frame rate alone.
        """
        unseen_s = now_s - self._table["seen_s"]
        missed = unseen_s > elapsed_s + 1e-9
        lapsed: Mask = (missed & (unseen_s > self._tuning.lost_s)) | (unseen_s > self._tuning.gap_s)
        return lapsed

    def _match(self, found: Found, free: Mask, recent: Mask, wh_px: Float) -> Column:
        """Give every detection its row, or -1; `recent` rows may go on with weak ones."""
        row_of = np.full(len(found), -1, np.int64)
        if not len(found) or not free.any():
            return row_of
        table, tuning = self._table, self._tuning
        free = free.copy()  # Becomes False for rows that are taken.
        expected = from_centre_and_size(table["centre_px"], table["size_px"])
        likeness = overlap(expected, found.xyxy_px)
        likeness *= table["kin"][:, None] == found.kin[None, :]
        strong = found.confidence >= self._confidence
        known = table["id"] > 0
        # An object seen more surely is the likelier continuation (ByteTrack's score fusion).
        fused = np.where(likeness >= tuning.overlap_min, likeness * found.confidence, 0.0)

        def take(similarity: Float, rows: Mask, columns: Mask) -> None:
            row_at, column_at = np.flatnonzero(rows & free), np.flatnonzero(columns & (row_of < 0))
            if not len(row_at) or not len(column_at):
                return
            chosen_rows, chosen = assign(-similarity[np.ix_(row_at, column_at)], 0.0)
            row_of[column_at[chosen]] = row_at[chosen_rows]
            free[row_at[chosen_rows]] = False

        take(fused, known, strong)
        weak = np.where(likeness >= tuning.weak_overlap_min, likeness, 0.0)
        if not strong.all():
            take(weak, known & recent, ~strong)
        if not known.all():
            take(fused, ~known, strong)
            take(weak, ~known & recent, ~strong)
        if free.any() and (strong & (row_of < 0)).any():
            reached = self._within_reach(found, expected, wh_px)
            take(reached, known, strong)
            take(reached, ~known, strong)
        return row_of

    def _within_reach(self, found: Found, expected: Float, wh_px: Float) -> Float:
        """Give the similarity (T, N) of boxes that need not overlap: near, and of like size."""
        table, tuning = self._table, self._tuning
        centre, size = centre_and_size(found.xyxy_px)
        own = np.maximum(table["size_px"], 1.0)
        away = np.abs(centre[None] - table["centre_px"][:, None])
        std = np.sqrt(table["centre_var"] + (kalman.MEASURED_STD * own) ** 2)
        away_std = np.sqrt(((away / std[:, None]) ** 2).sum(axis=2))
        away_sizes = np.sqrt((away**2).sum(axis=2)) / own.mean(axis=1)[:, None]
        ratio = size[None] / own[:, None]
        ratio = np.minimum(ratio, 1 / np.maximum(ratio, 1e-9)).min(axis=2)
        # Who was on the way out of the picture is gone; the next one at that edge is a new one.
        velocity = table["velocity_px"]
        edge = 0.02 * wh_px
        leaving = ((expected[:, :2] < edge) & (velocity < 0)) | (
            (expected[:, 2:] > wh_px - edge) & (velocity > 0)
        )
        allowed = (
            (away_std <= tuning.reach_std)
            & (away_sizes <= tuning.reach_sizes)
            & (ratio >= tuning.size_ratio_min)
            & (table["kin"][:, None] == found.kin[None, :])
            & ~leaving.any(axis=1, keepdims=True)
        )
        return np.where(allowed, ratio / (1.0 + away_std), 0.0)

    def _begin(self, now_s: float, found: Found, row_of: Column) -> Mask:
        """Begin a track for every strong detection left; give their part of `gone`."""
        new = np.flatnonzero((row_of < 0) & (found.confidence >= self._confidence))
        if not len(new):
            return np.zeros(0, np.bool_)
        table = self._table
        first = len(table)
        table.append(len(new))
        rows = slice(first, first + len(new))
        row_of[new] = np.arange(first, first + len(new))
        kalman.start(table, rows, *centre_and_size(found.xyxy_px[new]))
        table["kin"][rows] = found.kin[new]
        table["first_s"][rows] = now_s
        table["seen_s"][rows] = now_s
        table["seen_looks"][rows] = 1
        table["looks"][rows] = 1
        return np.zeros(len(new), np.bool_)

    def _confirm(self, now_s: float, seen: Column) -> Column:
        """Give an id to whoever was seen often and long enough."""
        table, tuning = self._table, self._tuning
        waiting = np.sort(seen[table["id"][seen] == 0])
        if not len(waiting):
            return np.asarray(waiting)
        looks = table["seen_looks"][waiting]
        sure = (
            (now_s - table["first_s"][waiting] >= tuning.confirm_s - 1e-9)
            & (looks >= tuning.confirm_looks)
            & (2 * looks >= table["looks"][waiting])
        )
        confirmed = waiting[sure]
        table["id"][confirmed] = np.arange(self.next_id, self.next_id + len(confirmed))
        self.next_id += len(confirmed)
        return np.asarray(confirmed)
