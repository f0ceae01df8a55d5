"""Events that were committed are told over the bus, each once written with its commit."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from kept_rows import KeptRun, open_blobs, row
from orchestrator.world import World
from vedette.api.events import event_json
from vedette.bus import topics
from vedette.bus.base import Message
from vedette.domain.errors import Conflict, StaleToken
from vedette.domain.event import Event, EventType
from vedette.domain.ids import Token
from vedette.store.statements import counting

T = 1_767_225_600_123
ENTERED = Event(0, EventType.ZONE_ENTERED, 4, 0.5, 7, "car, rød", "yard", None, None)
CROSSED = Event(1, EventType.LINE_CROSSED, 5, 0.625, 7, "person", "gate", "in", None)
ENDED = Event(2, EventType.TRACK_ENDED, 5, 0.625, 8, "person", None, None, 2.5)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    world = World(tmp_path, monkeypatch)
    yield world
    world.close()


@pytest.fixture
def run(world: World, tmp_path: Path) -> KeptRun:
    return KeptRun(world.store, open_blobs(tmp_path))


def told(world: World) -> list[Message]:
    world.orchestrator.run_once()
    return [one for one in world.bus.said if one.topic == topics.EVENTS]


def test_committed_events_are_told_in_order_as_the_api_shows_them(
    world: World, run: KeptRun
) -> None:
    run.commit([row(0)], events=[(ENTERED, T), (CROSSED, None)])
    run.commit([row(1)], events=[(ENDED, T + 877)])
    listing = partial(counting.event_rows, scenario_id=run.scenario_id, limit=9)
    shown = [event_json(one) for one in world.store.read(listing)]

    heard = told(world)

    assert [one.key for one in heard] == [run.scenario_id] * 3
    assert [json.loads(one.payload) for one in heard] == shown
    assert [one["time"] for one in shown] == [
        "2026-01-01T00:00:00.123000Z", None, "2026-01-01T00:00:01Z",
    ]  # fmt: skip


def test_events_are_told_once(world: World, run: KeptRun) -> None:
    run.commit([row(0)], events=[(ENTERED, T)])

    assert (len(told(world)), len(told(world))) == (1, 1)


def test_a_commit_without_events_tells_none(world: World, run: KeptRun) -> None:
    run.commit([row(0)])

    assert told(world) == []


def test_a_stale_commit_tells_of_no_event(world: World, run: KeptRun) -> None:
    run.token = Token(run.token - 1)

    with pytest.raises(StaleToken):
        run.commit([row(0)], events=[(ENTERED, T)])

    assert told(world) == []


def test_a_commit_that_is_undone_as_it_follows_none_tells_of_no_event(
    world: World, run: KeptRun
) -> None:
    run.commit([row(0)], events=[(ENTERED, T)])
    run.parts += 1

    with pytest.raises(Conflict):
        run.commit([row(2)], events=[(CROSSED, T)])

    assert len(told(world)) == 1
