"""Buckets of counts for wall time that nobody saw: they are told, and all in them is unknown."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row

from vedette.domain.count import CountKind, WideBucket
from vedette.domain.errors import BadInput
from vedette.domain.ids import ScenarioId
from vedette.store.base import Transaction
from vedette.store.statements.counting import StoredWideBucket, wide_buckets
from vedette.store.statements.overview import runs_of
from vedette.store.statements.series import Series, series_before

# Two days of a label in 10 s; each page lays all of it out, in about a tenth of a second.
BUCKETS_MAX = 20_000
# Runs that are looked at for when they began; what is older counts to the first of them.
_RUNS_MAX = 1000
# Runs that are asked what they counted, where the newest counted nothing.
_RUNS_ASKED = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """Which buckets are asked for; None leaves a condition out.

    Attributes:
        from_ms: Those that touch [from_ms, to_ms), wall time.
        to_ms: See `from_ms`.
        width_ms: One of `WIDTHS_MS`.
        run: Of this run alone.
        kind: Of this kind alone.
        place: Of the zone or line of that name.
        label: Of this label alone.
    """

    from_ms: int
    to_ms: int
    width_ms: int
    run: int | None
    kind: CountKind | None
    place: str | None
    label: str | None

    @property
    def starts_ms(self) -> range:
        """Where its buckets begin."""
        return range(self.from_ms - self.from_ms % self.width_ms, self.to_ms, self.width_ms)

    def holds(self, series: Series) -> bool:
        """Tell whether these counts are asked for."""
        return (
            self.kind in {None, series.kind}
            and self.place in {None, series.place}
            and self.label in {None, series.label}
        )


def filled_buckets(
    transaction: Transaction, scenario_id: ScenarioId, stretch: Stretch
) -> tuple[list[StoredWideBucket], bool]:
    """Give all buckets of a scenario in a stretch of time, and whether its source is live.

    Of a live source also those that nobody has: of every place and label that was counted by then.
    Such a bucket counts to the run that was the latest when it ended. In the order of their keys.

    Raises:
        BadInput: they are more than `BUCKETS_MAX`.
    """
    found = wide_buckets(
        transaction,
        width_ms=stretch.width_ms,
        scenario_id=scenario_id,
        run=stretch.run,
        kind=stretch.kind,
        place=stretch.place,
        label=stretch.label,
        from_ms=stretch.from_ms,
        to_ms=stretch.to_ms,
        limit=BUCKETS_MAX + 1,
    )
    _bounded(len(found))
    every = runs_of(transaction, scenario_id, _RUNS_MAX)
    runs = [one for one in reversed(every) if stretch.run in {None, one.run}]
    if not any(_is_live(one) for one in runs):
        return found, False
    series = {_series_of(one.bucket) for one in found}
    series |= {one for one in _known(transaction, runs, stretch) if stretch.holds(one)}
    _bounded(len(stretch.starts_ms) * len(series))
    there = {(one.bucket.start_ms, _series_of(one.bucket)) for one in found}
    found += [
        StoredWideBucket(scenario_id, _run_at(runs, start_ms + stretch.width_ms), unknown)
        for start_ms in stretch.starts_ms
        for one in series
        if (start_ms, one) not in there
        for unknown in (_unknown(start_ms, stretch.width_ms, one),)
    ]
    return sorted(found, key=lambda one: one.key), True


def _bounded(number: int) -> None:
    if number > BUCKETS_MAX:
        raise BadInput(
            f"that is more than {BUCKETS_MAX} buckets; take wider ones (bucket=1m or 1h), less "
            "time between from and to, or name a zone, a line or a label"
        )


def _known(transaction: Transaction, runs: Sequence[Row[Any]], stretch: Stretch) -> set[Series]:
    """Give what was counted last before a stretch."""
    begun = runs[: bisect_right(runs, stretch.to_ms, key=_began_ms)] or runs[:1]
    for run in list(reversed(begun))[:_RUNS_ASKED]:
        before_ms = stretch.starts_ms.start
        if found := series_before(transaction, run.scenario_id, run.run, before_ms):
            return found
    return set()


def _run_at(runs: Sequence[Row[Any]], before_ms: int) -> int:
    """Give the latest run that began before then, else the first."""
    return int(runs[max(bisect_right(runs, before_ms - 1, key=_began_ms) - 1, 0)].run)


def _began_ms(run: Row[Any]) -> int:
    return int(run.started_at_ms)


def _is_live(run: Row[Any]) -> bool:
    return bool(json.loads(run.facts or "{}").get("live"))


def _series_of(one: WideBucket) -> Series:
    return Series(one.kind, one.place, one.label)


def _unknown(start_ms: int, width_ms: int, series: Series) -> WideBucket:
    return WideBucket(
        start_ms=start_ms,
        width_ms=width_ms,
        kind=series.kind,
        place=series.place,
        label=series.label,
        now_mean=None,
        now_min=None,
        now_max=None,
        entered=None,
        left=None,
        crossed_in=None,
        crossed_out=None,
        distinct=None,
        covered_s=0.0,
    )
