"""Runs with prediction rows in a real store and real blobs, for tests of what is kept."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import select, update

from vedette.blobs.base import Blobs
from vedette.blobs.files import FileBlobs
from vedette.domain.ids import RunnerId, ScenarioId, SourceId, Token
from vedette.domain.parameters import Parameters
from vedette.domain.scenario import Scenario, ScenarioState, StatusReason, Wanted
from vedette.results.fresh import pack
from vedette.results.reading import rows
from vedette.store import schema
from vedette.store.base import Store, Transaction
from vedette.store.sqlite import SqliteStore
from vedette.store.statements import leases, results, scenarios

RUNNER = RunnerId("runner-1")
_numbers = itertools.count()


def row(frame: int, *, objects: int = 2, pts_s: float | None = None) -> dict[str, Any]:
    """Give a prediction row; every frame's is different."""
    return {
        "scenario_id": "s",
        "camera_id": "door",
        "run": "1",
        "frame": frame,
        "pts_s": frame / 8 if pts_s is None else pts_s,
        "captured_at": None if frame % 3 else f"2026-03-01T12:00:00.{frame % 1000:03d}Z",
        "width": 640,
        "height": 360,
        "objects": [
            {
                "label": "person" if number % 2 else "car, red",
                "confidence": 0.5 + number / 100,
                "x1": float(frame), "y1": 20.25, "x2": frame + 30.5, "y2": 90.75,
                "track_id": number if number % 3 else None,
                "zones": ["yard", "a;b"][: frame % 3],
            }
            for number in range(objects)
        ],
    }  # fmt: skip


def open_store(folder: Path) -> SqliteStore:
    """Open a store of the newest schema."""
    store = SqliteStore(folder)
    store.migrate()
    return store


@dataclass
class KeptRun:
    """One run of one scenario, held by a runner that commits rows."""

    store: Store
    blobs: Blobs
    number: int = 1
    scenario_id: ScenarioId = field(init=False)
    parts: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        name = f"scenario-{next(_numbers)}"
        self.scenario_id, self.source_id = ScenarioId(name), SourceId(f"of-{name}")
        self.store.write(self._begin)

    def commit(self, part: Sequence[dict[str, Any]], *, age_s: float = 0, **more: Any) -> None:
        """Commit rows as a runner does; they look `age_s` old. `more` stands in the commit too."""
        news = results.Commit(
            scenario_id=self.scenario_id,
            run=self.number,
            source_id=self.source_id,
            token=self.token,
            holder=RUNNER,
            part=results.FreshPart(
                first_frame=part[0]["frame"],
                last_frame=part[-1]["frame"],
                first_pts_s=part[0]["pts_s"],
                last_pts_s=part[-1]["pts_s"],
                first_captured_at_ms=None,
                last_captured_at_ms=None,
                rows=len(part),
                bytes=pack(part),
            ),
            part_number=self.parts,
            **{
                "events": (), "counts": (), "covered": (), "checkpoint": b"", "totals": "{}",
                "facts": "{}", **more,
            },
        )  # fmt: skip
        self.store.write(lambda transaction: results.commit(transaction, news))
        self.parts += 1
        if age_s:
            self.age(age_s, part=self.parts - 1)

    def commit_frames(self, count: int, *, each: int = 1, age_s: float = 0) -> list[dict[str, Any]]:
        """Commit frames 0, 1, 2, … in parts of `each` rows; give all rows."""
        made = [row(frame) for frame in range(count)]
        for at in range(0, count, each):
            self.commit(made[at : at + each], age_s=age_s)
        return made

    def age(self, age_s: float, *, part: int | None = None) -> None:
        """Make the run's parts, or one of them, so much older."""
        parts = schema.parts
        statement = update(parts).where(parts.c.scenario_id == self.scenario_id)
        if part is not None:
            statement = statement.where(parts.c.first == part)
        older = statement.values(at_ms=parts.c.at_ms - round(age_s * 1000))
        self.store.write(lambda transaction: transaction.connection.execute(older))

    def end(self) -> None:
        """End the run."""
        runs = schema.runs
        ended = update(runs).where(runs.c.scenario_id == self.scenario_id).values(ended_at_ms=1)
        self.store.write(lambda transaction: transaction.connection.execute(ended))

    def rows(self, **span: Any) -> list[dict[str, Any]]:
        """Read rows."""
        return list(rows(self.store, self.blobs, self.scenario_id, self.number, **span))

    def manifest(self) -> list[tuple[int, int, str | None]]:
        """Give first part, last part and blob key of what the manifest names, in order."""
        parts = schema.parts

        def question(transaction: Transaction) -> list[tuple[int, int, str | None]]:
            found = transaction.connection.execute(
                select(parts.c.first, parts.c.last, parts.c.blob_key)
                .where(parts.c.scenario_id == self.scenario_id)
                .order_by(parts.c.first)
            )
            return [(one.first, one.last, one.blob_key) for one in found]

        return self.store.read(question)

    def _begin(self, transaction: Transaction) -> None:
        leases.register(
            transaction, RUNNER, "life-1", host="here", pid=1, version="0", capacity=9,
            lease_ms=60_000,
        )  # fmt: skip
        scenarios.add_source(
            transaction, self.source_id, name="door", address=f"file:{self.source_id}"
        )
        self.token: Token = leases.grant(transaction, self.source_id, RUNNER, "life-1")
        before = Scenario(
            id=self.scenario_id, source_id=self.source_id, state=ScenarioState.INACTIVE,
            wanted=Wanted.ACTIVE, status_reason=StatusReason.NEW, detail="", start_again=False,
            run=0,
        )  # fmt: skip
        scenarios.add_scenario(transaction, before, Parameters())
        after = Scenario(
            id=self.scenario_id, source_id=self.source_id, state=ScenarioState.ACTIVE,
            wanted=Wanted.ACTIVE, status_reason=StatusReason.RUNNING, detail="", start_again=False,
            run=self.number,
        )  # fmt: skip
        scenarios.save_change(transaction, before, after)


def garbage(store: Store) -> dict[str, int]:
    """Give the keys of garbage and when each is due."""
    table = schema.garbage

    def question(transaction: Transaction) -> dict[str, int]:
        found = transaction.connection.execute(select(table))
        return {one.blob_key: one.due_ms for one in found}

    return store.read(question)


def let_announced_lapse(store: Store) -> None:
    """Let an hour pass for all that was announced."""
    table = schema.garbage
    passed = update(table).where(table.c.due_ms > 0).values(due_ms=1)
    store.write(lambda transaction: transaction.connection.execute(passed))


def blob_keys(blobs: Blobs) -> list[str]:
    """Give the keys of all blobs."""
    return [blob.key for blob in blobs.list("")]


def open_blobs(folder: Path) -> FileBlobs:
    """Open the blobs beside a store."""
    return FileBlobs(folder / "blobs")


def lines(made: Sequence[dict[str, Any]]) -> list[str]:
    """Give rows as text: equal only where every value is of the same kind too."""
    return [json.dumps(one) for one in made]
