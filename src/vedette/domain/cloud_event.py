"""An event as CloudEvents 1.0 writes it: what goes over the bus, and what the API answers."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TypedDict

from vedette.domain.event import Event
from vedette.domain.ids import ScenarioId, Token, event_id


class EventData(TypedDict):
    """What happened."""

    frame: int | None
    pts_s: float | None
    track_id: int | None
    label: str | None
    place: str | None
    direction: str | None
    dwell_s: float | None
    cause: str | None
    detail: str | None


class CloudEvent(TypedDict):
    """An event with what tells where it is from; a repeated one has the same `id`."""

    specversion: str
    id: str
    source: str
    type: str
    time: str | None
    subject: str
    datacontenttype: str
    scenarioid: str
    run: int
    sequence: int
    token: int
    data: EventData


def cloud_event(
    event: Event, scenario_id: ScenarioId, run: int, *, token: Token, captured_at_ms: int | None
) -> CloudEvent:
    """Give an event as a JSON object.

    Args:
        event: What happened.
        scenario_id: Whose it is.
        run: Which start of it.
        token: Of whoever found it.
        captured_at_ms: Wall time of its frame, or of its being found out where it has none; None
            where unknown.
    """
    return {
        "specversion": "1.0",
        "id": event_id(scenario_id, run, event.sequence),
        "source": f"/api/v1/scenarios/{scenario_id}",
        "type": str(event.type),
        "time": None if captured_at_ms is None else _written(captured_at_ms),
        "subject": _subject(event),
        "datacontenttype": "application/json",
        "scenarioid": scenario_id,
        "run": run,
        "sequence": event.sequence,
        "token": token,
        "data": {
            "frame": event.frame,
            "pts_s": event.pts_s,
            "track_id": event.track_id,
            "label": event.label,
            "place": event.place,
            "direction": event.direction,
            "dwell_s": event.dwell_s,
            "cause": event.cause,
            "detail": event.detail,
        },
    }


def _subject(event: Event) -> str:
    if event.track_id is None:
        return "camera"
    return event.place or f"track/{event.track_id}"


def _written(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat().replace("+00:00", "Z")
