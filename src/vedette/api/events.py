"""Events as the outside reads them: CloudEvents 1.0, page by page."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from vedette.api import problems
from vedette.api.asking import Moment
from vedette.api.choosing import CURSOR_PATTERN, cursor_of, key_of, scenario_ids
from vedette.api.parts import PAGE_DEFAULT, PAGE_MAX, Parts
from vedette.domain.cloud_event import CloudEvent, cloud_event
from vedette.domain.event import EventType
from vedette.store.base import Transaction
from vedette.store.statements.counting import EventKey, StoredEvent, event_rows

_NAME = Query(min_length=1, max_length=200)


class EventBody(BaseModel):
    """What happened; what happened to the camera has no frame and no track."""

    frame: int | None
    pts_s: float | None
    track_id: int | None
    label: str | None
    place: str | None
    direction: str | None
    dwell_s: float | None
    cause: str | None
    detail: str | None


class EventView(BaseModel):
    """A CloudEvent."""

    specversion: str
    id: str
    source: str
    type: str
    time: datetime | None
    subject: str
    datacontenttype: str
    scenario_id: Annotated[str, Field(alias="scenarioid")]
    run: int
    sequence: int
    token: int
    data: EventBody


class EventPage(BaseModel):
    """A page of events; `next_cursor` is null at its end."""

    events: list[EventView]
    next_cursor: str | None


def event_routes(parts: Parts) -> APIRouter:
    """Give the routes of events."""
    routes = APIRouter(tags=["events"])

    @routes.get("/api/v1/events", responses=problems.declared(404), operation_id="listEvents")
    async def list_events(
        *,
        scenario: Annotated[str | None, _NAME] = None,
        camera: Annotated[str | None, _NAME] = None,
        run: Annotated[int | None, Query(ge=1, le=2**31 - 1)] = None,
        type: EventType | None = None,  # noqa: A002  (CloudEvents' word)
        label: Annotated[str | None, _NAME] = None,
        place: Annotated[str | None, Query(min_length=1, max_length=200)] = None,
        from_: Annotated[Moment | None, Query(alias="from")] = None,
        to: Moment | None = None,
        cursor: Annotated[str | None, Query(pattern=CURSOR_PATTERN)] = None,
        limit: Annotated[int, Query(ge=1, le=PAGE_MAX)] = PAGE_DEFAULT,
    ) -> EventPage:
        """List events by scenario, run and number; `from` and `to` are wall time."""
        after = None if cursor is None else EventKey(*key_of(cursor, (str, int, int)))

        def work(transaction: Transaction) -> list[StoredEvent]:
            found: list[StoredEvent] = []
            for one in scenario_ids(transaction, scenario, camera):
                if after is not None and one is not None and one < after.scenario_id:
                    continue
                found += event_rows(
                    transaction,
                    scenario_id=one,
                    run=run,
                    type=type,
                    label=label,
                    place=place,
                    from_ms=milliseconds(from_),
                    to_ms=milliseconds(to),
                    limit=limit - len(found),
                    after=after,
                )
                if len(found) >= limit:
                    break
            return found

        found = await parts.store.aread(work)
        last = found[-1] if len(found) == limit else None
        return EventPage(
            events=[event_view(one) for one in found],
            next_cursor=None if last is None else cursor_of(last.key),
        )

    return routes


def event_view(stored: StoredEvent) -> EventView:
    """Give an event as the page has it."""
    return EventView.model_validate(event_json(stored))


def event_json(stored: StoredEvent) -> CloudEvent:
    """Give an event as CloudEvents writes it."""
    return cloud_event(
        stored.event,
        stored.scenario_id,
        stored.run,
        token=stored.token,
        captured_at_ms=stored.captured_at_ms,
    )


def milliseconds(at: datetime | None) -> int | None:
    """Give wall time as the store has it."""
    return None if at is None else round(at.timestamp() * 1000)
