"""Counts as the outside reads them: in buckets, unknown is null, each with its coverage."""

from __future__ import annotations

import json
from datetime import datetime
from enum import StrEnum
from itertools import islice
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from vedette.api import problems
from vedette.api.asking import Moment
from vedette.api.choosing import CURSOR_PATTERN, cursor_of, key_of, scenario_ids
from vedette.api.events import milliseconds
from vedette.api.filling import Stretch, filled_buckets
from vedette.api.parts import PAGE_DEFAULT, PAGE_MAX, Parts, moment
from vedette.domain.count import CountKind
from vedette.domain.errors import BadInput
from vedette.domain.ids import ScenarioId
from vedette.store.base import Transaction
from vedette.store.statements.counting import (
    BucketKey,
    StoredWideBucket,
    coverage_intervals,
    wide_buckets,
)
from vedette.store.statements.results import run_row

_NAME = Query(min_length=1, max_length=200)
_MEDIA_S_MAX = 10**9


class BucketWidth(StrEnum):
    """How long a bucket is."""

    TEN_SECONDS = "10s"
    MINUTE = "1m"
    HOUR = "1h"


_WIDTHS_MS = {
    BucketWidth.TEN_SECONDS: 10_000,
    BucketWidth.MINUTE: 60_000,
    BucketWidth.HOUR: 3_600_000,
}


class CountView(BaseModel):
    """What happened to one label in one place during one bucket; null is unknown."""

    scenario_id: str
    run: int
    start: Annotated[datetime | None, Field(description="Wall time; live sources alone.")]
    start_s: Annotated[float | None, Field(description="Media time, seconds; finite sources.")]
    width_s: int
    kind: CountKind
    place: Annotated[str, Field(description="Zone or line; empty for the whole picture.")]
    label: str
    now_mean: float | None
    now_min: int | None
    now_max: int | None
    entered: int | None
    left: int | None
    crossed_in: int | None
    crossed_out: int | None
    distinct: int | None
    coverage: Annotated[float, Field(description="Share of the bucket that was seen, 0 to 1.")]


class CoverageView(BaseModel):
    """A stretch of wall time that was seen, or was not."""

    start: datetime
    end: datetime
    covered: bool


class CountPage(BaseModel):
    """A page of counts; `next_cursor` is null at its end.

    Where `from` and `to` and a scenario or camera are named, time that nobody saw has buckets too,
    and all in them is null. Elsewhere what has no bucket was not seen: unknown, not zero.
    """

    counts: list[CountView]
    coverage: Annotated[
        list[CoverageView] | None,
        Field(description="Of a live scenario's run between `from` and `to`, where all are named."),
    ]
    next_cursor: str | None


def count_routes(parts: Parts) -> APIRouter:
    """Give the routes of counts."""
    routes = APIRouter(tags=["counts"])

    @routes.get("/api/v1/counts", responses=problems.declared(404), operation_id="listCounts")
    async def list_counts(  # noqa: PLR0913
        *,
        scenario: Annotated[str | None, _NAME] = None,
        camera: Annotated[str | None, _NAME] = None,
        run: Annotated[int | None, Query(ge=1, le=2**31 - 1)] = None,
        zone: Annotated[str | None, _NAME] = None,
        line: Annotated[str | None, _NAME] = None,
        label: Annotated[str | None, _NAME] = None,
        from_: Annotated[Moment | None, Query(alias="from")] = None,
        to: Moment | None = None,
        from_s: Annotated[float | None, Query(ge=0, le=_MEDIA_S_MAX)] = None,
        to_s: Annotated[float | None, Query(ge=0, le=_MEDIA_S_MAX)] = None,
        bucket: BucketWidth = BucketWidth.TEN_SECONDS,
        cursor: Annotated[str | None, Query(pattern=CURSOR_PATTERN)] = None,
        limit: Annotated[int, Query(ge=1, le=PAGE_MAX)] = PAGE_DEFAULT,
    ) -> CountPage:
        """List counts; `from` and `to` are wall time (live), `from_s` and `to_s` media time."""
        if zone is not None and line is not None:
            raise BadInput("name a zone or a line, not both")
        wall, media = (milliseconds(from_), milliseconds(to)), (_ms(from_s), _ms(to_s))
        if any(one is not None for one in wall) and any(one is not None for one in media):
            raise BadInput("give wall time (from, to) or media time (from_s, to_s), not both")
        from_ms, to_ms = (
            one if one is not None else other for one, other in zip(wall, media, strict=True)
        )
        kinds = (str, int, int, str, str, str)
        after = None if cursor is None else BucketKey(*key_of(cursor, kinds))
        kind = CountKind.ZONE if zone is not None else CountKind.LINE if line is not None else None
        place, width_ms = zone if zone is not None else line, _WIDTHS_MS[bucket]
        stretch = None
        if wall[0] is not None and wall[1] is not None:
            stretch = Stretch(
                from_ms=wall[0], to_ms=wall[1], width_ms=width_ms,
                run=run, kind=kind, place=place, label=label,
            )  # fmt: skip

        def work(transaction: Transaction) -> CountPage:
            found: list[StoredWideBucket] = []
            live_ids: set[ScenarioId] = set()
            for one in scenario_ids(transaction, scenario, camera):
                if after is not None and one is not None and one < after.scenario_id:
                    continue
                if one is not None and stretch is not None:
                    every, is_live = filled_buckets(transaction, one, stretch)
                    live_ids |= {one} if is_live else set()
                    behind = (each for each in every if after is None or each.key > after)
                    found += islice(behind, limit - len(found))
                else:
                    found += wide_buckets(
                        transaction,
                        width_ms=width_ms,
                        scenario_id=one,
                        run=run,
                        kind=kind,
                        place=place,
                        label=label,
                        from_ms=from_ms,
                        to_ms=to_ms,
                        limit=limit - len(found),
                        after=after,
                    )
                if len(found) >= limit:
                    break
            live = {
                # A run may have no row of its own, and nobody could say what it reads.
                of: of[0] in live_ids or _is_live(transaction, *of)
                for of in {(stored.scenario_id, stored.run) for stored in found}
            }
            return CountPage(
                counts=[_view(one, live[one.scenario_id, one.run]) for one in found],
                coverage=_coverage(transaction, scenario, run, wall),
                next_cursor=cursor_of(found[-1].key) if len(found) == limit else None,
            )

        return await parts.store.aread(work)

    return routes


def _view(stored: StoredWideBucket, live: bool) -> CountView:  # noqa: FBT001
    one = stored.bucket
    return CountView(
        scenario_id=stored.scenario_id,
        run=stored.run,
        start=moment(one.start_ms) if live else None,
        start_s=None if live else one.start_ms / 1000,
        width_s=one.width_ms // 1000,
        kind=one.kind,
        place=one.place,
        label=one.label,
        now_mean=one.now_mean,
        now_min=one.now_min,
        now_max=one.now_max,
        entered=one.entered,
        left=one.left,
        crossed_in=one.crossed_in,
        crossed_out=one.crossed_out,
        distinct=one.distinct,
        coverage=one.coverage,
    )


def _coverage(
    transaction: Transaction,
    scenario: str | None,
    run: int | None,
    wall: tuple[int | None, int | None],
) -> list[CoverageView] | None:
    from_ms, to_ms = wall
    if scenario is None or run is None or from_ms is None or to_ms is None:
        return None
    if not _is_live(transaction, scenario, run):
        return None
    tiles = coverage_intervals(transaction, ScenarioId(scenario), run, from_ms=from_ms, to_ms=to_ms)
    return [
        CoverageView(start=moment(one.from_ms), end=moment(one.to_ms), covered=one.covered)
        for one in tiles
    ]


def _is_live(transaction: Transaction, scenario_id: str, run: int) -> bool:
    row = run_row(transaction, ScenarioId(scenario_id), run)
    return row is not None and bool(json.loads(row.facts or "{}").get("live"))


def _ms(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * 1000)
