"""Predictions: by page, by range of frames, media time or wall time, and as files."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from itertools import islice
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse, Response, StreamingResponse
from pydantic import BaseModel, Field

from vedette.api import problems
from vedette.api.accepting import foreseen
from vedette.api.asking import Moment
from vedette.api.captured import WallTime, captured_rows
from vedette.api.parts import PAGE_DEFAULT, PAGE_MAX, Parts
from vedette.domain.errors import BadInput, NotFound
from vedette.results import reading
from vedette.results.forms import FileFormat, encoded
from vedette.store.base import Transaction
from vedette.store.statements.results import run_row
from vedette.store.statements.scenarios import command_waits, get_scenario

_MEDIA_TYPES: dict[FileFormat, str] = {
    "jsonl": "application/x-ndjson",
    "csv": "text/csv",
    "parquet": "application/vnd.apache.parquet",
}
_FRAME_MAX = 2**62
_MEDIA_S_MAX = 10**9

Run = Annotated[int | None, Query(ge=1, le=2**31 - 1, description="Without it: the latest.")]
Frame = Annotated[int | None, Query(ge=0, le=_FRAME_MAX)]
Seconds = Annotated[float | None, Query(ge=0, le=_MEDIA_S_MAX, description="Media time.")]
From = Annotated[
    Moment | None,
    Query(alias="from", description="Captured then or later; rows of unknown time are left out."),
]
To = Annotated[Moment | None, Query(description="Captured before; likewise.")]
Limit = Annotated[int, Query(ge=1, le=PAGE_MAX)]


class PredictionPage(BaseModel):
    """A page of prediction rows; the next one comes `after` the frame `next_after`."""

    scenario_id: str
    status: str
    run: Annotated[int | None, Field(description="Null where it was never started.")]
    predictions: Annotated[
        list[dict[str, Any]], Field(description="In frame order; see the page on predictions.")
    ]
    next_after: Annotated[int | None, Field(description="Null where there is nothing more yet.")]


_FILES: dict[str, Any] = {
    media_type: {"schema": {"type": "string", "format": "binary"}}
    for media_type in _MEDIA_TYPES.values()
}


def prediction_routes(parts: Parts) -> APIRouter:
    """Give the routes of predictions."""
    routes = APIRouter(tags=["predictions"])

    @routes.get(
        "/prediction/{scenario_id}/",
        response_model=PredictionPage,
        responses={**problems.declared(404), 200: {"content": _FILES}},
        operation_id="showPredictions",
    )
    @routes.get(
        "/api/v1/scenarios/{scenario_id}/predictions",
        response_model=PredictionPage,
        responses={**problems.declared(404), 200: {"content": _FILES}},
        operation_id="listPredictions",
    )
    async def predictions(
        *,
        scenario_id: str,
        run: Run = None,
        after: Annotated[Frame, Query(description="Frames behind this one.")] = None,
        from_frame: Frame = None,
        to_frame: Frame = None,
        from_s: Seconds = None,
        to_s: Seconds = None,
        from_: From = None,
        to: To = None,
        limit: Limit = PAGE_DEFAULT,
        download: FileFormat | None = None,
    ) -> Response:
        """Give prediction rows as a page of JSON, or all of them as a file."""
        if download is not None:
            if after is not None:
                raise BadInput("a download has no pages; choose with from_frame and to_frame")
            return await _file(
                parts, scenario_id, run, download,
                wall=WallTime(from_, to), from_frame=from_frame, to_frame=to_frame,
                from_s=from_s, to_s=to_s,
            )  # fmt: skip
        status, chosen = await parts.store.aread(lambda t: _chosen(t, scenario_id, run))
        rows = await asyncio.to_thread(
            lambda: list(
                islice(
                    captured_rows(
                        parts, scenario_id, chosen, WallTime(from_, to), after_frame=after,
                        from_frame=from_frame, to_frame=to_frame, from_s=from_s, to_s=to_s,
                    ),
                    limit,
                )
            )
        )  # fmt: skip
        page = {
            "scenario_id": scenario_id,
            "status": status,
            "run": chosen or None,
            "predictions": rows,
            "next_after": rows[-1]["frame"] if len(rows) == limit else None,
        }
        # Made by us a moment ago: checking each row again would cost more than reading it.
        return JSONResponse(page)

    @routes.get(
        "/api/v1/scenarios/{scenario_id}/export",
        response_class=StreamingResponse,
        responses={**problems.declared(404), 200: {"content": _FILES}},
        operation_id="exportPredictions",
    )
    async def export(
        *,
        scenario_id: str,
        format: FileFormat = "jsonl",  # noqa: A002  (the caller's word)
        run: Run = None,
        from_frame: Frame = None,
        to_frame: Frame = None,
        from_s: Seconds = None,
        to_s: Seconds = None,
        from_: From = None,
        to: To = None,
    ) -> Response:
        """Give prediction rows as a file, in the very form of `vedette run`."""
        return await _file(
            parts, scenario_id, run, format,
            wall=WallTime(from_, to), from_frame=from_frame, to_frame=to_frame,
            from_s=from_s, to_s=to_s,
        )  # fmt: skip

    return routes


async def _file(
    parts: Parts,
    scenario_id: str,
    run: int | None,
    file_format: FileFormat,
    *,
    wall: WallTime,
    **span: Any,
) -> StreamingResponse:
    _, chosen = await parts.store.aread(lambda t: _chosen(t, scenario_id, run))

    def make() -> Iterator[bytes]:
        if wall.is_all:
            store, blobs = parts.store, parts.blobs
            return reading.export(
                store, blobs, scenario_id, chosen, file_format=file_format, **span
            )
        return encoded(captured_rows(parts, scenario_id, chosen, wall, **span), file_format)

    pieces = await asyncio.to_thread(make)
    name = f"{scenario_id}-{chosen}.{file_format}"
    return StreamingResponse(
        pieces,
        media_type=_MEDIA_TYPES[file_format],
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def _chosen(transaction: Transaction, scenario_id: str, run: int | None) -> tuple[str, int]:
    """Give a scenario's status, and the run whose rows are asked for; 0 where it has none.

    Raises:
        NotFound: there is no such scenario, or no such run of it.
    """
    row = get_scenario(transaction, scenario_id)
    shown = foreseen(row.scenario, command_waits(transaction, row.scenario.id))
    if run is not None and run_row(transaction, row.scenario.id, run) is None:
        raise NotFound(f"scenario '{scenario_id}' has no run {run}")
    return str(shown.state), row.scenario.run if run is None else run
