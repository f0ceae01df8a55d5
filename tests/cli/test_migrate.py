"""`vedette migrate` as a process: on a fresh folder, an older database, and what it refuses."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from old_schema import PROBE, all_rows, lay_out, make_probe
from shell import PATIENCE_S, Told, environment, vedette
from vedette.store import migrating


def migrate(folder: Path) -> Told:
    return vedette("migrate", "--data", folder, cache_dir=folder.parent / "cache")


def migrate_by_a_newer_program(folder: Path, steps: Path) -> Told:
    """Run `vedette migrate` of a program that has one step more than this one."""
    program = (
        "import pathlib, sys\n"
        "from vedette.store import migrating\n"
        f"migrating.MIGRATIONS = pathlib.Path({str(steps)!r})\n"
        f"migrating.HEAD = {PROBE!r}\n"
        "from vedette.cli.app import app\n"
        "app(sys.argv[1:], prog_name='vedette')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "migrate", "--data", folder],
        env=environment(folder.parent / "cache"),
        capture_output=True, text=True, timeout=PATIENCE_S, check=False,
    )  # fmt: skip
    return Told(done.returncode, done.stdout, done.stderr)


def test_a_fresh_folder_gets_the_newest_schema_and_a_second_time_changes_nothing(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "data"

    first, second = migrate(folder), migrate(folder)

    assert (first.code, first.out) == (0, f"schema none -> {migrating.HEAD}\n"), first.err
    assert (second.code, second.out) == (0, f"schema {migrating.HEAD}: nothing to do\n")


def test_a_database_of_the_first_schema_is_brought_up_to_date(tmp_path: Path) -> None:
    lay_out("0001", tmp_path / "data")

    told = migrate(tmp_path / "data")

    is_newest = migrating.HEAD == "0001"
    said = "schema 0001: nothing to do" if is_newest else f"schema 0001 -> {migrating.HEAD}"
    assert (told.code, told.out) == (0, f"{said}\n"), told.err


def test_a_newer_program_brings_a_database_up_to_date_and_an_older_one_then_refuses_it(
    tmp_path: Path,
) -> None:
    file = lay_out("0001", tmp_path / "data")
    events = all_rows(file)["events"]

    told = migrate_by_a_newer_program(tmp_path / "data", make_probe(tmp_path))
    older = migrate(tmp_path / "data")

    assert (told.code, told.out) == (0, f"schema 0001 -> {PROBE}\n"), told.err
    kept = [{key: one[key] for key in events[0]} for one in all_rows(file)["events"]]
    assert kept == events
    assert older.code == 2
    assert f"its schema {PROBE} is newer than this program's" in older.sentence()
