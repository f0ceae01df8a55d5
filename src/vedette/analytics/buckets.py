"""Counts in buckets of time: how many were where, who came and went, and how much of it was seen.

All sums are whole numbers (objects times milliseconds), divided once when a bucket is given. So it
makes no difference at which moments buckets are asked for, or the work is saved and gone on with.

A place reads 0, with coverage, from the look at which its label is first known in the run. What a
look shows holds until the next look, where that is near enough; else for nothing.

Where a clock steps back into buckets that were closed, they stay as they are: what is seen there
adds no time, and what happens there is counted in the bucket still open, so that no entry is lost.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from operator import attrgetter
from typing import Any

import numpy as np

from vedette.analytics.coverage import Seen, gap_ms
from vedette.domain.count import BUCKET_MS, CountBucket, CountKind
from vedette.domain.detection import State
from vedette.domain.errors import BadInput
from vedette.domain.event import Event, EventType
from vedette.domain.scene import Scene, SceneObject
from vedette.domain.zone import ScenePlan

# Goes up when the meaning of an exported array changes.
STATE_VERSION = 1

# Kinds by number: a key made of plain values is found several times faster.
_KINDS = tuple(CountKind)
_OBJECT, _ZONE, _LINE = (
    _KINDS.index(kind) for kind in (CountKind.OBJECT, CountKind.ZONE, CountKind.LINE)
)
_Key = tuple[int, str, str]
"""Kind, place, label."""
_UNKNOWN = -1


@dataclass(slots=True)
class _Row:
    """What the open bucket holds of one label in one place; whole numbers alone.

    Times are milliseconds of covered time since the bucket's start.
    """

    now: int = 0  # At the last look.
    since: int = 0  # From when on `now` is not yet in the sums.
    known_from: int = 0
    sum: int = 0  # Objects times milliseconds.
    least: int = _UNKNOWN
    most: int = _UNKNOWN
    entered: int = 0
    left: int = 0
    crossed_in: int = 0
    crossed_out: int = 0
    distinct: int = 0
    changed: int = 0  # By an event, since the bucket was given.

    def settle(self, covered: int) -> None:
        """Take up that `now` held until then."""
        held = covered - self.since
        if held:
            self.sum += self.now * held
            self.least = self.now if self.least == _UNKNOWN else min(self.least, self.now)
            self.most = max(self.most, self.now)
            self.since = covered

    def says_something(self, covered: int) -> bool:
        """Tell whether there is anything to know; once there is, there always will be."""
        return covered > self.known_from or bool(
            self.entered or self.left or self.crossed_in or self.crossed_out or self.distinct
        )


# A row as plain numbers, in the order of its making.
_COLUMNS = tuple(one.name for one in fields(_Row))
_numbers_of = attrgetter(*_COLUMNS)


class Buckets:
    """Counts of one source, look by look; pure, like the analyzer whose scenes it takes up."""

    def __init__(
        self,
        plan: ScenePlan,
        *,
        gap_max_s: float,
        live: bool,
        spacing_s: float = 0.0,
        labels: Iterable[str] = (),
    ) -> None:
        """Begin with nothing counted.

        Args:
            plan: Zones and lines.
            gap_max_s: How far apart two looks may be for the time between them to be covered.
            live: Buckets are of wall time; else of media time.
            spacing_s: The distance wished between looks; where that is long, so is the gap allowed.
            labels: Known from the beginning, besides those that zones and lines name: 0 is read of
                them before the first one is seen.
        """
        self._plan = plan
        self._live = live
        self._seen = Seen(gap_ms(gap_max_s, spacing_s))
        self._start_ms: int | None = None
        self._covered_ms = 0
        self._given_ms = 0
        self._rows: dict[_Key, _Row] = {}
        self._labels: set[str] = set()
        self._now: dict[_Key, int] = {}
        # Closed and not yet given: key, start, covered time of it, and the row's sums.
        self._closed: list[tuple[_Key, int, int, _Row]] = []
        for label in labels:
            self._learn(label)
        for named in (*(zone.labels for zone in plan.zones), *(line.labels for line in plan.lines)):
            for label in named:
                self._learn(label)

    def observe(self, at_ms: int, scene: Scene, *, pts_s: float) -> None:
        """Take up the next look.

        Args:
            at_ms: Wall time (live), or media time (finite): `pts_s` in milliseconds.
            scene: What is known after it. Confirmed tracks alone are counted.
            pts_s: Media time; for a live source a second witness of how long ago the last look was.
        """
        for begin_ms, end_ms in self._seen.look(at_ms, pts_s if self._live else None):
            self._cover(begin_ms, end_ms)
        start_ms = at_ms - at_ms % BUCKET_MS
        if start_ms != self._start_ms and not self._seen.holds(start_ms):
            self._open(start_ms)
        self._count(scene.objects)
        for event in scene.events:
            self._happen(event)

    def break_off(self) -> None:
        """Say that what comes next does not follow from the last look: a live source was lost.

        Not for a finite source, however often it is stopped and gone on with.
        """
        self._seen.break_off()

    def changed(self) -> list[CountBucket]:
        """Give all buckets that changed since the last call, whole, by time and place.

        The one still open comes again and again; a later one replaces an earlier one of the same
        start, kind, place and label.
        """
        buckets = [
            _bucket(key, start_ms, covered_ms, row)
            for key, start_ms, covered_ms, row in self._closed
        ]
        self._closed.clear()
        if self._start_ms is not None:
            grown = self._covered_ms > self._given_ms
            for key, row in self._rows.items():
                if (grown or row.changed) and row.says_something(self._covered_ms):
                    row.settle(self._covered_ms)
                    row.changed = 0
                    buckets.append(_bucket(key, self._start_ms, self._covered_ms, row))
            self._given_ms = self._covered_ms
        return sorted(buckets, key=lambda one: (one.start_ms, one.kind, one.place, one.label))

    def export_state(self) -> State:
        """Give all it remembers as plain arrays, copied; what was not given yet too."""
        closed = [
            (start_ms, covered_ms, *_numbers_of(row))
            for _, start_ms, covered_ms, row in self._closed
        ]
        start = [] if self._start_ms is None else [self._start_ms]
        return {
            "version": np.array(STATE_VERSION),
            "made_for": _text(self._made_for()),
            "start_ms": np.array(start, np.int64),
            "covered_ms": np.array([self._covered_ms, self._given_ms], np.int64),
            "keys": _text(list(self._rows)),
            "rows": _table([_numbers_of(row) for row in self._rows.values()]),
            "closed_keys": _text([key for key, *_ in self._closed]),
            "closed": _table(closed, more=2),
            **{f"seen.{name}": array for name, array in self._seen.export().items()},
        }

    def load_state(self, state: State) -> None:
        """Go on from what `export_state` gave.

        Raises:
            BadInput: the state was made by another version, or for other zones and lines.
        """
        if int(state["version"]) != STATE_VERSION:
            raise BadInput(
                f"the saved counts have version {int(state['version'])}, this program reads "
                f"{STATE_VERSION}; begin anew"
            )
        if _from_text(state["made_for"]) != json.loads(json.dumps(self._made_for())):
            raise BadInput("the saved counts were made for other zones or lines; begin anew")
        start = state["start_ms"].tolist()
        self._start_ms = start[0] if start else None
        self._covered_ms, self._given_ms = state["covered_ms"].tolist()
        rows = zip(_from_text(state["keys"]), state["rows"].tolist(), strict=True)
        self._rows = {_key(key): _Row(*numbers) for key, numbers in rows}
        self._labels = {label for _, _, label in self._rows}
        self._now = {key: row.now for key, row in self._rows.items() if row.now}
        closed = zip(_from_text(state["closed_keys"]), state["closed"].tolist(), strict=True)
        self._closed = [
            (_key(key), start_ms, covered_ms, _Row(*numbers))
            for key, (start_ms, covered_ms, *numbers) in closed
        ]
        seen = "seen."
        self._seen.load(
            {name[len(seen) :]: array for name, array in state.items() if name.startswith(seen)}
        )

    def _cover(self, begin_ms: int, end_ms: int) -> None:
        """Let what the last look showed hold over time that was not covered before."""
        while begin_ms < end_ms:
            start_ms = begin_ms - begin_ms % BUCKET_MS
            if start_ms != self._start_ms:
                self._open(start_ms)
            until_ms = min(end_ms, start_ms + BUCKET_MS)
            self._covered_ms += until_ms - begin_ms
            begin_ms = until_ms

    def _open(self, start_ms: int) -> None:
        """Close the open bucket for ever, and begin another."""
        if self._start_ms is not None:
            for key, row in self._rows.items():
                changes = row.changed or self._covered_ms > self._given_ms
                if changes and row.says_something(self._covered_ms):
                    row.settle(self._covered_ms)
                    self._closed.append((key, self._start_ms, self._covered_ms, row))
                self._rows[key] = _Row(now=row.now)  # Who was there still is.
            self._seen.close(self._start_ms, self._start_ms + BUCKET_MS)
        self._start_ms = start_ms
        self._covered_ms = self._given_ms = 0

    def _count(self, objects: tuple[SceneObject, ...]) -> None:
        """Take up who is where at this look."""
        now: dict[_Key, int] = {}
        for one in objects:
            if one.track_id is None:
                continue
            label = one.label
            key = (_OBJECT, "", label)
            now[key] = now.get(key, 0) + 1
            for zone in one.zones:
                key = (_ZONE, zone, label)
                now[key] = now.get(key, 0) + 1
        if now == self._now:
            return
        for key in self._now.keys() | now.keys():
            count = now.get(key, 0)
            row = self._rows.get(key) or self._row(key)
            if row.now != count:
                row.settle(self._covered_ms)
                row.now = count
        self._now = now

    def _happen(self, event: Event) -> None:
        if event.type is EventType.TRACK_STARTED:
            row = self._row((_OBJECT, "", event.label or ""))
            row.distinct += 1
        elif event.type is EventType.ZONE_ENTERED:
            row = self._row((_ZONE, event.place or "", event.label or ""))
            row.entered += 1
        elif event.type is EventType.ZONE_LEFT:
            row = self._row((_ZONE, event.place or "", event.label or ""))
            row.left += 1
        elif event.type is EventType.LINE_CROSSED:
            row = self._row((_LINE, event.place or "", event.label or ""))
            if event.direction == "in":
                row.crossed_in += 1
            else:
                row.crossed_out += 1
        else:
            return
        row.changed = 1

    def _row(self, key: _Key) -> _Row:
        """Give the row of that key; a new label is known everywhere at once."""
        row = self._rows.get(key)
        if row is None:
            self._learn(key[2])
            # A track may change its label inside a zone that does not count the new one.
            row = self._rows.get(key) or self._add(key)
        return row

    def _learn(self, label: str) -> None:
        if label in self._labels:
            return
        self._labels.add(label)
        self._add((_OBJECT, "", label))
        for kind, places in ((_ZONE, self._plan.zones), (_LINE, self._plan.lines)):
            for place in places:
                if not place.labels or label in place.labels:
                    self._add((kind, place.name, label))

    def _add(self, key: _Key) -> _Row:
        row = self._rows[key] = _Row(since=self._covered_ms, known_from=self._covered_ms)
        return row

    def _made_for(self) -> object:
        return {"plan": asdict(self._plan), "live": self._live}


def _bucket(key: _Key, start_ms: int, covered_ms: int, row: _Row) -> CountBucket:
    kind, place, label = key
    covered_ms -= row.known_from
    present = covered_ms > 0 and kind != _LINE
    return CountBucket(
        start_ms=start_ms,
        kind=_KINDS[kind],
        place=place,
        label=label,
        now_mean=row.sum / covered_ms if present else None,
        now_min=row.least if present else None,
        now_max=row.most if present else None,
        entered=row.entered,
        left=row.left,
        crossed_in=row.crossed_in,
        crossed_out=row.crossed_out,
        distinct=row.distinct,
        covered_s=covered_ms / 1000,
    )


def _key(parts: list[Any]) -> _Key:
    kind, place, label = parts
    return kind, place, label


def _table(rows: list[tuple[int, ...]], *, more: int = 0) -> np.ndarray:
    return np.array(rows, np.int64).reshape(-1, len(_COLUMNS) + more)


def _text(value: object) -> np.ndarray:
    """Give JSON as bytes: numpy's own text arrays lose trailing zeros and need a fixed width."""
    return np.frombuffer(json.dumps(value).encode("ascii"), np.uint8).copy()


def _from_text(array: np.ndarray) -> Any:
    return json.loads(array.astype(np.uint8).tobytes())
