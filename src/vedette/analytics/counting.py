"""How many: confirmed tracks of each label, now, at most, and distinct over the run."""

from __future__ import annotations

import numpy as np

from vedette.analytics.labels import Labels
from vedette.analytics.table import Column
from vedette.domain.detection import State
from vedette.domain.scene import ObjectCount


class Tally:
    """Totals by label number; they grow as labels become known."""

    def __init__(self) -> None:
        self._distinct = np.zeros(0, np.int64)
        self._most = np.zeros(0, np.int64)
        self._now = np.zeros(0, np.int64)

    def widen(self, count: int) -> None:
        """Make room for `count` labels."""
        more = count - len(self._distinct)
        if more > 0:
            self._distinct, self._most, self._now = (
                np.concatenate([total, np.zeros(more, np.int64)])
                for total in (self._distinct, self._most, self._now)
            )

    def confirm(self, labels: Column) -> None:
        """Count tracks that are confirmed now."""
        np.add.at(self._distinct, labels, 1)

    def relabel(self, old: Column, new: Column) -> None:
        """Move confirmed tracks whose vote turned: a van taken for a car at first is one truck."""
        np.add.at(self._distinct, old, -1)
        np.add.at(self._distinct, new, 1)

    def look(self, labels: Column) -> None:
        """Take up the labels of the confirmed tracks seen in this picture."""
        self._now = np.bincount(labels, minlength=len(self._distinct)).astype(np.int64)
        np.maximum(self._most, self._now, out=self._most)

    def counts(self, labels: Labels) -> dict[str, ObjectCount]:
        """Give the totals of every label that has any."""
        return {
            labels.names[at]: ObjectCount(
                now=int(self._now[at]),
                distinct=int(self._distinct[at]),
                # Tracks may have been moved to another label since there were so many.
                most_at_once=int(min(self._most[at], self._distinct[at])),
            )
            for at in np.flatnonzero(self._distinct).tolist()
        }

    def export(self) -> State:
        """Give copies of the totals."""
        return {
            "distinct": self._distinct.copy(), "most": self._most.copy(), "now": self._now.copy(),
        }  # fmt: skip

    def load(self, state: State) -> None:
        """Take the totals that `export` gave."""
        self._distinct = state["distinct"].astype(np.int64)
        self._most = state["most"].astype(np.int64)
        self._now = state["now"].astype(np.int64)
