"""A real server on loopback, over real engines in a folder of its own."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import httpx
import pytest
import uvicorn

from vedette.api.app import make_app
from vedette.api.options import ApiOptions
from vedette.blobs.files import FileBlobs
from vedette.bus.base import Message
from vedette.bus.local import LocalBus
from vedette.bus.topics import RESULTS
from vedette.clock import SystemClock
from vedette.domain.count import CountBucket, CountKind
from vedette.domain.errors import TransitionRefused
from vedette.domain.event import Event, EventType
from vedette.domain.ids import RunnerId, ScenarioId, SourceId, Token
from vedette.domain.scenario import (
    HolderFound,
    LetGo,
    PipelineUp,
    RunEnded,
    StartAsked,
    StatusReason,
    StopAsked,
    decide,
)
from vedette.results.fresh import pack
from vedette.sealing import load_seal
from vedette.store.base import Transaction
from vedette.store.sqlite import SqliteStore
from vedette.store.statements import leases, reports, results, scenarios

RUNNER = RunnerId("runner-1")
LIVE_FACTS = '{"live": true}'
FILE_FACTS = '{"live": false}'


@dataclass
class Running:
    """A server with what is behind it."""

    folder: Path
    options: ApiOptions = field(default_factory=ApiOptions)
    make_blobs: Callable[[Path], FileBlobs] = FileBlobs

    def __enter__(self) -> Self:
        self.store = SqliteStore(self.folder)
        self.store.migrate()
        self.bus = LocalBus(self.folder)
        self.blobs = self.make_blobs(self.folder / "blobs")
        self.seal = load_seal(self.folder)
        self.app = make_app(
            store=self.store,
            bus=self.bus,
            blobs=self.blobs,
            seal=self.seal,
            clock=SystemClock(),
            options=self.options,
        )
        config = uvicorn.Config(
            self.app, log_level="warning", lifespan="on", timeout_graceful_shutdown=2
        )
        self._server = uvicorn.Server(config)
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._server.serve([self._socket])), name="api"
        )
        self._thread.start()
        self.client = httpx.Client(base_url=self.url, timeout=240, trust_env=False)
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()
        self._server.should_exit = True
        self._thread.join(240)
        assert not self._thread.is_alive(), "the server did not end"
        self._socket.close()
        self.bus.close()
        self.blobs.close()
        self.store.close()

    # What callers do.

    def start(self, url: str = "synthetic://street?seconds=2", **more: Any) -> str:
        """Ask for a scenario; give its id."""
        answer = self.client.post("/scenario/", json={"url": url, **more})
        assert answer.status_code == 202, answer.text
        return str(answer.json()["scenario_id"])

    def show(self, scenario_id: str) -> dict[str, Any]:
        """Ask for all that is known of it."""
        answer = self.client.get(f"/scenario/{scenario_id}/")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    # What an orchestrator and a runner do, by the very statements.

    def decide_commands(self) -> None:
        """Decide all that waits."""

        def work(transaction: Transaction) -> None:
            for command in scenarios.waiting_commands(transaction, 1000):
                before = scenarios.get_scenario(transaction, command.scenario_id).scenario
                asked = StartAsked() if command.kind == scenarios.START else StopAsked()
                with contextlib.suppress(TransitionRefused):
                    scenarios.save_change(transaction, before, decide(before, asked))
                scenarios.drop_commands(transaction, [command.id])

        self.store.write(work)

    def run(self, scenario_id: str) -> Lease:
        """Decide the start, grant the source to a runner, and have its pipeline up."""
        self.decide_commands()

        def work(transaction: Transaction) -> tuple[SourceId, Token, int]:
            leases.register(
                transaction, RUNNER, "life-1", host="here", pid=1, version="1", capacity=9,
                lease_ms=60_000,
            )  # fmt: skip
            before = scenarios.get_scenario(transaction, scenario_id).scenario
            token = leases.grant(transaction, before.source_id, RUNNER, "life-1")
            found = decide(before, HolderFound())
            scenarios.save_change(transaction, before, found, token=token)
            scenarios.save_change(transaction, found, decide(found, PipelineUp()), token=token)
            return before.source_id, token, before.run

        return Lease(self, ScenarioId(scenario_id), *self.store.write(work))


@dataclass
class Lease:
    """A run in a runner's hands."""

    server: Running
    scenario_id: ScenarioId
    source_id: SourceId
    token: Token
    number: int
    parts: int = 0
    frame: int = 0
    sequence: int = 0

    def commit(
        self,
        frames: int = 3,
        *,
        events: int = 0,
        counts: tuple[CountBucket, ...] = (),
        covered: tuple[tuple[int, int], ...] = (),
        facts: str = FILE_FACTS,
        captured_ms: int | None = None,
    ) -> None:
        """Commit rows of so many frames, a second apart if captured, and say so on the bus."""
        rows = [prediction(self, self.frame + index) for index in range(frames)]
        last_ms = None if captured_ms is None else captured_ms + 1000 * (frames - 1)
        for index, row in enumerate(rows):
            if captured_ms is not None:
                at = datetime.fromtimestamp(captured_ms / 1000 + index, UTC)
                row["captured_at"] = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        part = results.FreshPart(
            rows[0]["frame"], rows[-1]["frame"], rows[0]["pts_s"], rows[-1]["pts_s"],
            captured_ms, last_ms, len(rows), pack(rows),
        )  # fmt: skip
        news = results.Commit(
            scenario_id=self.scenario_id,
            run=self.number,
            source_id=self.source_id,
            token=self.token,
            holder=RUNNER,
            part=part,
            part_number=self.parts,
            events=[
                (an_event(self.sequence + index), 1_800_000_000_000) for index in range(events)
            ],
            counts=counts,
            covered=covered,
            checkpoint=b"memory",
            totals=json.dumps(totals_of(self.frame + frames)),
            facts=facts,
        )
        self.server.store.write(lambda transaction: results.commit(transaction, news))
        self.parts += 1
        self.frame += frames
        self.sequence += events
        self.server.bus.publish([Message(RESULTS, self.scenario_id)])

    def end(self, reason: StatusReason = StatusReason.COMPLETED) -> None:
        """Come to the video's end, and let go."""

        def work(transaction: Transaction) -> None:
            for happening in (RunEnded(reason), LetGo()):
                reports.report(
                    transaction, self.scenario_id, self.number, happening,
                    source_id=self.source_id, token=self.token,
                )  # fmt: skip

        self.server.store.write(work)


def prediction(lease: Lease, frame: int) -> dict[str, Any]:
    return {
        "scenario_id": lease.scenario_id, "camera_id": "street", "run": str(lease.number),
        "frame": frame, "pts_s": frame / 10, "captured_at": None, "width": 640, "height": 480,
        "objects": [{"label": "person", "confidence": 0.5, "x1": 1.0, "y1": 2.0, "x2": 3.0,
                     "y2": 4.0, "track_id": 1, "zones": ["door"]}],
    }  # fmt: skip


def totals_of(frames: int) -> dict[str, Any]:
    return {"frames": {"read": frames, "looked_at": frames, "skipped": {}}, "media_s": frames / 10}


def an_event(sequence: int) -> Event:
    return Event(sequence, EventType.ZONE_ENTERED, 7, 0.7, 1, "person", "door")


def a_bucket(start_ms: int, **more: Any) -> CountBucket:
    values: dict[str, Any] = {
        "start_ms": start_ms, "kind": CountKind.ZONE, "place": "door", "label": "person",
        "now_mean": 1.5, "now_min": 1, "now_max": 2, "entered": 3, "left": 1, "crossed_in": 0,
        "crossed_out": 0, "distinct": 0, "covered_s": 10.0,
    }  # fmt: skip
    return CountBucket(**{**values, **more})


def until(condition: Callable[[], bool], *, seconds: float = 10) -> None:
    """Wait for something that has to come."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.01)


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    """Give a starter of servers; those started end after the test."""
    started: list[Running] = []

    def start(*, make_blobs: Callable[[Path], FileBlobs] = FileBlobs, **options: Any) -> Running:
        folder = tmp_path / f"data-{len(started)}"
        folder.mkdir()
        started.append(Running(folder, ApiOptions(**options), make_blobs).__enter__())
        return started[-1]

    yield start
    for one in started:
        one.__exit__()


@pytest.fixture
def server(serve: Callable[..., Running]) -> Running:
    """Give a server with the default options."""
    return serve()
