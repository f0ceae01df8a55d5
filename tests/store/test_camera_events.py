"""That a camera went away, or came back, is an event of the run, once each time."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from kept_rows import KeptRun, open_blobs, open_store, row
from vedette.domain.errors import StaleToken, StreamCause
from vedette.domain.event import Event, EventType
from vedette.domain.health import Health
from vedette.domain.ids import Token
from vedette.store.statements import counting, history, outbox
from vedette.store.statements.reports import report_health
from vedette.store.statements.telling import EVENTS

WELL = Health(connected=True)
AWAY = Health(connected=False, cause=StreamCause.CONNECTION_FAILED, message="gate: no route")
STILL_AWAY = Health(connected=False, cause=StreamCause.STALLED, message="gate: silent")
CROSSED = Event(0, EventType.LINE_CROSSED, 4, 0.5, 7, "person", "gate", "in", None)
OFFLINE, ONLINE = EventType.CAMERA_OFFLINE, EventType.CAMERA_ONLINE


class Told:
    """A run whose holder tells how its source does."""

    def __init__(self, folder: Path) -> None:
        self.store = open_store(folder)
        self.run = KeptRun(self.store, open_blobs(folder))

    def tell(self, *seen: Health, live: bool = True, **other: Any) -> None:
        for health in seen:
            asked: dict[str, Any] = {
                "scenario_id": self.run.scenario_id, "run": self.run.number,
                "source_id": self.run.source_id, "token": self.run.token, **other,
            }  # fmt: skip
            self.store.write(partial(report_health, health=health, live=live, **asked))

    def events(self) -> list[Event]:
        listing = partial(counting.event_rows, scenario_id=self.run.scenario_id, limit=99)
        return [one.event for one in self.store.read(listing)]


@pytest.fixture
def told(tmp_path: Path):
    one = Told(tmp_path)
    yield one
    one.store.close()


def test_each_going_and_each_coming_back_is_one_event(told: Told) -> None:
    told.tell(WELL, WELL, AWAY, STILL_AWAY, WELL, WELL, STILL_AWAY)

    assert [(one.sequence, one.type, one.cause) for one in told.events()] == [
        (0, OFFLINE, "CONNECTION_FAILED"), (1, ONLINE, None), (2, OFFLINE, "STALLED"),
    ]  # fmt: skip
    first = told.events()[0]
    assert (first.frame, first.track_id, first.detail) == (None, None, "gate: no route")


def test_a_camera_that_never_came_is_told_of_too(told: Told) -> None:
    told.tell(AWAY, AWAY)

    assert [one.type for one in told.events()] == [OFFLINE]


def test_a_file_is_no_camera(told: Told) -> None:
    told.tell(WELL, AWAY, WELL, live=False)

    assert told.events() == []


def test_they_are_numbered_with_the_others_and_told_over_the_bus(told: Told) -> None:
    told.run.commit([row(0)], events=[(CROSSED, None)])
    told.tell(AWAY)
    told.run.commit([row(1)], events=[(CROSSED, None), (CROSSED, None)])
    told.tell(WELL)

    kinds = [EventType.LINE_CROSSED, OFFLINE, *[EventType.LINE_CROSSED] * 2, ONLINE]
    assert [(one.sequence, one.type) for one in told.events()] == list(enumerate(kinds))
    waiting = told.store.read(partial(outbox.waiting, limit=99))
    said = [json.loads(one.payload) for one in waiting if one.topic == EVENTS]
    assert [(one["sequence"], one["type"]) for one in said] == list(enumerate(kinds))
    assert len({one["id"] for one in said}) == 5
    assert (said[1]["subject"], said[1]["data"]["cause"]) == ("camera", "CONNECTION_FAILED")
    assert said[1]["time"] is not None


def test_numbers_are_not_used_again_once_old_events_are_gone(told: Told) -> None:
    told.tell(AWAY, WELL)
    of_run = {"scenario_id": told.run.scenario_id, "run": told.run.number}
    told.store.write(partial(history.forget, **of_run, before_ms=2**60, limit=99))
    told.tell(AWAY)

    assert [one.sequence for one in told.events()] == [2]


def test_who_lost_the_camera_tells_nothing(told: Told) -> None:
    told.tell(WELL)
    with pytest.raises(StaleToken):
        told.tell(AWAY, token=Token(told.run.token - 1))
    with pytest.raises(StaleToken):
        told.tell(AWAY, run=told.run.number + 1)

    assert told.events() == []
