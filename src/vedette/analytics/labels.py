"""What a track is: labels under numbers, kin that detectors mix up, and the vote over a life."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from vedette.analytics.boxes import Float
from vedette.analytics.table import Column, ColumnKind, Table

# Detectors call the same van a car in one picture and a truck in the next; a track lives through
# that. All other labels are strangers to each other.
KIN = (frozenset({"car", "truck", "bus", "train"}),)
# A track changes its label only when another one has this much more weight, so that two labels
# that stand level do not alternate.
CHANGE_RATIO = 1.1

COLUMNS = {
    "votes": ColumnKind(np.float64, (0,)),
    "label": ColumnKind(np.int64, (), -1),
    "kin": ColumnKind(np.int64, (), -1),
}


class Labels:
    """Every label met so far, under a number that stays."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        self.names: list[str] = []
        self._number: dict[str, int] = {}
        self._kin: list[int] = []
        self._kin_array = np.zeros(0, np.int64)
        self._known: dict[tuple[str, ...], Column] = {}
        self._chosen: dict[tuple[str, ...], Column] = {}
        self.numbers(tuple(names))

    def __len__(self) -> int:
        return len(self.names)

    def numbers(self, labels: tuple[str, ...]) -> Column:
        """Give the number of each of a detector's labels; new ones get the next numbers."""
        known = self._known.get(labels)
        if known is None:
            known = np.array([self._number_of(label) for label in labels], np.int64)
            self._kin_array = np.array(self._kin, np.int64)
            # Detectors have one list of labels; a source that keeps changing it fills no memory.
            self._known = {labels: known}
        return known

    def kin(self, numbers: Column) -> Column:
        """Give the number of the group that each label belongs to: its first member's."""
        return np.asarray(self._kin_array[numbers])

    def chosen(self, labels: tuple[str, ...]) -> Column:
        """Give a mask over all numbers: True for those in `labels`; empty means all."""
        mask = self._chosen.get(labels)
        if mask is None or len(mask) < len(self.names):
            mask = np.array([not labels or name in labels for name in self.names], np.bool_)
            self._chosen[labels] = mask
        return mask

    def _number_of(self, label: str) -> int:
        if label not in self._number:
            number = len(self.names)
            self._number[label] = number
            self.names.append(label)
            family = next((one for one in KIN if label in one), frozenset({label}))
            first = next(at for at, name in enumerate(self.names) if name in family)
            self._kin.append(first)
        return self._number[label]


def vote(table: Table, rows: Column, labels: Column, confidence: Float) -> tuple[Column, Column]:
    """Add what was seen of `rows` (each at most once).

    Returns:
        The rows whose label changed, and the label each had before (-1: none).
    """
    table["votes"][rows, labels] += confidence
    rows = rows[labels != table["label"][rows]]
    votes, old = table["votes"][rows], table["label"][rows]
    if not len(rows):
        return rows, old
    best, at = votes.argmax(axis=1), np.arange(len(rows))
    # A new row has no label yet: index -1 reads some other vote, which the mask overrides.
    wins = (votes[at, best] > CHANGE_RATIO * votes[at, old]) | (old < 0)
    table["label"][rows[wins]] = best[wins]
    return rows[wins], old[wins]
