"""When a source was seen, and when not.

What lies between two looks that follow each other is covered where they are no further apart than
the gap allowed; every instant of it then has a look within the gap on both sides. Nothing else is
covered: not the time before the first look, not after the last one, not a longer gap, whole.

No instant is called covered twice. Where the clock steps back, the looks that follow bring nothing
new until it has left what was covered already; where it steps back into a gap, the gap is filled.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable

import numpy as np

from vedette.domain.detection import State
from vedette.domain.errors import BadInput

# Goes up when the meaning of an exported array changes.
STATE_VERSION = 1
# Of the wished distance between looks: a look on a picture grid comes up to a picture late.
SPACING_SHARE = 1.5
# Stretches remembered, to know them again after the clock stepped back. Where there would be more,
# the shortest gap between two of them is forgotten: it can no longer be filled.
STRETCHES_MAX = 64

Stretch = tuple[int, int]
"""Milliseconds [from, to)."""


class Covered:
    """The stretches of wall time in which a live source was seen.

    A look is whatever proves what was there at a moment: a picture looked at, or the certainty that
    it had not changed.
    """

    def __init__(self, *, gap_max_s: float, spacing_s: float = 0.0) -> None:
        """Begin with nothing seen.

        Args:
            gap_max_s: How far apart two looks may be for the time between them to be covered.
            spacing_s: The distance wished between looks; where that is long, so is the gap allowed.
        """
        self._seen = Seen(gap_ms(gap_max_s, spacing_s))
        self._fresh: list[Stretch] = []

    def look(self, at_ms: int, *, pts_s: float | None = None) -> None:
        """Take up a look.

        Args:
            at_ms: Wall time.
            pts_s: Its media time, where known: a second witness of how long ago the last look was,
                as the wall clock may step back over a gap.
        """
        for stretch in self._seen.look(at_ms, pts_s):
            if self._fresh and self._fresh[-1][1] == stretch[0]:
                self._fresh[-1] = (self._fresh[-1][0], stretch[1])
            else:
                self._fresh.append(stretch)

    def taken(self) -> list[Stretch]:
        """Give what has become covered since the last call.

        Stretches never overlap each other or earlier ones. One that goes on begins where it ended
        when it was given last.
        """
        fresh, self._fresh = self._fresh, []
        return fresh

    def break_off(self) -> None:
        """Say that what comes next does not follow from the last look: the source was lost."""
        self._seen.break_off()

    def export_state(self) -> State:
        """Give all it remembers as plain arrays, copied; what was not taken yet too."""
        return {
            "version": np.array(STATE_VERSION),
            **self._seen.export(),
            "fresh_ms": _stretches(self._fresh),
        }

    def load_state(self, state: State) -> None:
        """Go on from what `export_state` gave.

        Raises:
            BadInput: the state was made by another version.
        """
        if int(state["version"]) != STATE_VERSION:
            raise BadInput(
                f"the saved coverage has version {int(state['version'])}, this program reads "
                f"{STATE_VERSION}; begin anew"
            )
        self._seen.load(state)
        self._fresh = [(begin, end) for begin, end in state["fresh_ms"].tolist()]


def gap_ms(gap_max_s: float, spacing_s: float) -> int:
    """Give how far apart two looks may be, for looks wished every `spacing_s`."""
    return round(max(gap_max_s, SPACING_SHARE * spacing_s) * 1000)


class Seen:
    """What was covered so far, and what the next look adds."""

    def __init__(self, gap_ms: int) -> None:
        self._gap_ms = gap_ms
        self._last_ms: int | None = None
        self._last_pts_s: float | None = None
        self._spans = Spans()

    def look(self, at_ms: int, pts_s: float | None) -> list[Stretch]:
        """Take up a look; give the stretches that are covered now and were not before it."""
        last_ms, last_pts_s = self._last_ms, self._last_pts_s
        self._last_ms, self._last_pts_s = at_ms, pts_s
        if last_ms is None or not 0 < at_ms - last_ms <= self._gap_ms:
            return []
        # Half a millisecond either way: `at_ms` is rounded, too.
        if (
            pts_s is not None
            and last_pts_s is not None
            and not 0 <= (pts_s - last_pts_s) * 1000 < self._gap_ms + 1
        ):
            return []
        return self._spans.add(last_ms, at_ms)

    def break_off(self) -> None:
        """Forget the last look, not what was covered."""
        self._last_ms = self._last_pts_s = None

    def close(self, begin_ms: int, end_ms: int) -> None:
        """Let nothing in [begin, end) be new any more."""
        self._spans.add(begin_ms, end_ms)

    def holds(self, at_ms: int) -> bool:
        """Tell whether that instant is covered or closed."""
        return self._spans.holds(at_ms)

    def export(self) -> State:
        """Give copies of what it remembers."""
        return {
            "last_ms": np.array([] if self._last_ms is None else [self._last_ms], np.int64),
            "last_pts_s": np.array([] if self._last_pts_s is None else [self._last_pts_s]),
            "spans_ms": _stretches(self._spans.stretches()),
        }

    def load(self, state: State) -> None:
        """Take what `export` gave."""
        last_ms, last_pts_s = state["last_ms"].tolist(), state["last_pts_s"].tolist()
        self._last_ms = last_ms[0] if last_ms else None
        self._last_pts_s = last_pts_s[0] if last_pts_s else None
        self._spans = Spans((begin, end) for begin, end in state["spans_ms"].tolist())


class Spans:
    """Stretches of time in order, apart from each other; a bounded number of them."""

    def __init__(self, stretches: Iterable[Stretch] = ()) -> None:
        self._begins: list[int] = []
        self._ends: list[int] = []
        for begin, end in stretches:
            self.add(begin, end)

    def add(self, begin: int, end: int) -> list[Stretch]:
        """Take up [begin, end), which is not empty; give the parts that were not there."""
        ends = self._ends
        if ends and ends[-1] == begin:  # Nearly always.
            ends[-1] = end
            return [(begin, end)]
        first, behind = bisect_left(ends, begin), bisect_right(self._begins, end)
        fresh, at = [], begin
        for known_begin, known_end in zip(
            self._begins[first:behind], ends[first:behind], strict=True
        ):
            if at < known_begin:
                fresh.append((at, known_begin))
            at = max(at, known_end)
        if at < end:
            fresh.append((at, end))
        if first < behind:
            begin, end = min(begin, self._begins[first]), max(end, ends[behind - 1])
        self._begins[first:behind], ends[first:behind] = [begin], [end]
        if len(ends) > STRETCHES_MAX:
            self._join_nearest()
        return fresh

    def holds(self, at: int) -> bool:
        """Tell whether `at` lies in one of them."""
        index = bisect_right(self._begins, at) - 1
        return index >= 0 and at < self._ends[index]

    def stretches(self) -> list[Stretch]:
        """Give them in order."""
        return list(zip(self._begins, self._ends, strict=True))

    def _join_nearest(self) -> None:
        at = min(range(len(self._ends) - 1), key=lambda at: self._begins[at + 1] - self._ends[at])
        del self._ends[at], self._begins[at + 1]


def _stretches(stretches: list[Stretch]) -> np.ndarray:
    return np.array(stretches, np.int64).reshape(-1, 2)
