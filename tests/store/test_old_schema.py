"""A database of an earlier version is brought to the newest schema with all that is in it."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from kept_rows import lines, open_blobs, row
from old_schema import PROBE, all_rows, lay_out, make_probe
from vedette.domain.count import Interval
from vedette.domain.ids import ScenarioId
from vedette.domain.scenario import ScenarioState
from vedette.domain.task import TaskState
from vedette.results.reading import rows
from vedette.store import migrating, schema
from vedette.store.sqlite import SqliteStore
from vedette.store.statements import counting, history, results, scenarios, tasks

SCENARIO = ScenarioId("scenario-0")
T = 1_767_225_600_000
# Measured by the clock of another boot, and voided when the store is opened under this one.
VOIDED = {("runners", "until_ms"), ("sources", "wait_until_ms"), ("tasks", "until_ms")}


def kept(
    before: dict[str, list[dict[str, object]]], after: dict[str, list[dict[str, object]]]
) -> dict[str, list[dict[str, object]]]:
    """Give what is there afterwards of the tables and columns that were there before."""
    return {
        name: [{key: value for key, value in one.items() if key in old[0]} for one in after[name]]
        for name, old in before.items()
    }


def unvoided(tables: dict[str, list[dict[str, object]]]) -> dict[str, list[dict[str, object]]]:
    return {
        name: [
            {key: value for key, value in one.items() if (name, key) not in VOIDED} for one in made
        ]
        for name, made in tables.items()
        if name != "meta"
    }


def test_the_dump_has_a_row_in_every_table_of_its_schema(tmp_path: Path) -> None:
    tables = all_rows(lay_out("0001", tmp_path))

    assert [name for name, made in tables.items() if not made] == []
    assert set(tables) <= set(schema.metadata.tables)


def test_a_database_of_the_first_schema_gets_the_newest_and_loses_nothing(tmp_path: Path) -> None:
    file = lay_out("0001", tmp_path)
    before = all_rows(file)

    store = SqliteStore(tmp_path)
    told = store.migrate()
    store.check()
    store.close()

    assert told == ("0001", migrating.HEAD)
    assert unvoided(kept(before, all_rows(file))) == unvoided(before)


def test_what_the_first_schema_held_is_read_as_it_was_written(tmp_path: Path) -> None:
    lay_out("0001", tmp_path)
    store = SqliteStore(tmp_path)
    store.migrate()
    ask = store.read
    of_run = {"scenario_id": SCENARIO, "run": 1}

    waiting = ask(lambda it: scenarios.get_scenario(it, "waiting"))
    buckets = ask(partial(counting.count_buckets, limit=9))
    found = ask(partial(counting.event_rows, limit=9))
    seen = ask(partial(counting.coverage_intervals, **of_run, from_ms=T, to_ms=T + 20_000))
    saved = ask(partial(results.load_checkpoint, **of_run))
    listed = ask(partial(tasks.list_tasks, limit=9))

    made = list(rows(store, open_blobs(tmp_path), SCENARIO, 1))
    assert lines(made) == lines([row(frame) for frame in range(4)])
    assert waiting.scenario.state is ScenarioState.INACTIVE
    assert (waiting.parameters.confidence, waiting.parameters.plan.lines[0].name) == (0.4, "gate")
    assert [(one.bucket.label, one.bucket.now_mean) for one in buckets] == [
        ("car, rød", None),
        ("person", 1.5),
    ]
    assert [(one.event.sequence, one.captured_at_ms) for one in found] == [
        (0, T), (1, None), (2, T + 1000), (3, None),
    ]  # fmt: skip
    assert seen == [
        Interval(T, T + 15_000, covered=True),
        Interval(T + 15_000, T + 20_000, covered=False),
    ]
    assert saved == results.Checkpoint(b"\x00memory\xff", parts=2, events=4)
    assert [(one.state, one.result) for one in listed] == [
        (TaskState.COMPLETED, '{"y": "å"}'),
        (TaskState.IN_PROGRESS, None),
    ]
    told = ask(partial(results.run_row, **of_run))
    assert told is not None and told.events == 4, "the next event goes on behind them"
    assert ask(partial(history.aged_runs, before_ms=2 * T, after=("", 0), limit=9))[0] != []
    store.close()


def test_a_table_that_a_migration_copies_keeps_all_that_refers_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = lay_out("0001", tmp_path)
    before = all_rows(file)
    monkeypatch.setattr(migrating, "MIGRATIONS", make_probe(tmp_path))
    monkeypatch.setattr(migrating, "HEAD", PROBE)

    store = SqliteStore(tmp_path)
    told = store.migrate()
    store.close()

    after = all_rows(file)
    assert told == ("0001", PROBE)
    assert [one["probe"] for one in after["scenarios"]] == ["new", "new"]
    assert unvoided(kept(before, after)) == unvoided(before)


def test_a_migration_that_fails_leaves_the_database_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = lay_out("0001", tmp_path)
    before = all_rows(file)
    steps = make_probe(tmp_path)
    step = steps / "versions" / f"{PROBE}_probe.py"
    step.write_text(step.read_text(encoding="utf-8") + "    raise KeyError\n", encoding="utf-8")
    monkeypatch.setattr(migrating, "MIGRATIONS", steps)
    monkeypatch.setattr(migrating, "HEAD", PROBE)

    store = SqliteStore(tmp_path)
    with pytest.raises(KeyError):
        store.migrate()
    store.close()

    assert all_rows(file) == before
