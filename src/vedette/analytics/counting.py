"""How many: confirmed tracks of each label, now, at most, and distinct over the run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import numpy as np

from vedette.analytics.labels import Labels
from vedette.domain.detection import State
from vedette.domain.scene import ObjectCount


class Tally:
    """Totals by label number."""

    def __init__(self) -> None:
        self._distinct: Counter[int] = Counter()
        self._most: Counter[int] = Counter()
        self._now: Counter[int] = Counter()
        # From one picture to the next little changes: most are given out again.
        self._given: dict[str, ObjectCount] = {}
        self._stale = True

    def confirm(self, label: int) -> None:
        """Count a track that is confirmed now."""
        self._distinct[label] += 1
        self._stale = True

    def relabel(self, old: int, new: int) -> None:
        """Move a confirmed track whose vote turned: a van taken for a car at first is one truck."""
        self._distinct[old] -= 1
        self._distinct[new] += 1
        self._stale = True

    def look(self, labels: Iterable[int]) -> None:
        """Take up the labels of the confirmed tracks seen in this picture."""
        now: dict[int, int] = {}
        for label in labels:
            now[label] = now.get(label, 0) + 1
        if now != self._now:
            self._now = Counter(now)
            self._most |= self._now
            self._stale = True

    def counts(self, labels: Labels) -> dict[str, ObjectCount]:
        """Give the totals of every label that has any; not to be changed."""
        if self._stale:
            self._given = {
                labels.names[at]: ObjectCount(
                    now=self._now[at],
                    distinct=distinct,
                    # Tracks may have been moved to another label since there were so many.
                    most_at_once=min(self._most[at], distinct),
                )
                for at, distinct in sorted(self._distinct.items())
                if distinct
            }
            self._stale = False
        return self._given

    def export(self, labels: int) -> State:
        """Give the totals of the first `labels` numbers as arrays."""
        return {
            name: np.array([total[at] for at in range(labels)], np.int64)
            for name, total in (
                ("distinct", self._distinct), ("most", self._most), ("now", self._now),
            )
        }  # fmt: skip

    def load(self, state: State) -> None:
        """Take the totals that `export` gave."""
        self._distinct, self._most, self._now = (
            Counter({at: total for at, total in enumerate(state[name].tolist()) if total})
            for name in ("distinct", "most", "now")
        )
        self._stale = True
