"""The schema's versions: they add up to the schema, and come with the package."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, inspect

from vedette.store import migrating, schema
from vedette.store.sqlite import APPLICATION_ID, FILE_NAME, SqliteStore

ROOT = Path(__file__).parents[2]


def _migrated(folder: Path) -> Connection:
    store = SqliteStore(folder)
    store.migrate()
    store.close()
    return create_engine(f"sqlite:///{folder / FILE_NAME}").connect()


def _shape(connection: Connection) -> dict[str, object]:
    look = inspect(connection)
    return {
        name: (
            sorted(
                (c["name"], str(c["type"]), c["nullable"], c["default"])
                for c in look.get_columns(name)
            ),
            sorted((k["name"] or "", tuple(k["constrained_columns"]), k["referred_table"],
                    str(k["options"])) for k in look.get_foreign_keys(name)),
            sorted((i["name"] or "", tuple(i["column_names"]), i["unique"])
                   for i in look.get_indexes(name)),
            sorted((u["name"] or "", tuple(u["column_names"]))
                   for u in look.get_unique_constraints(name)),
            look.get_pk_constraint(name)["constrained_columns"],
            "AUTOINCREMENT" in str(connection.exec_driver_sql(
                "SELECT sql FROM sqlite_master WHERE name = ?", (name,)).scalar_one()),
        )
        for name in look.get_table_names()
        if name != migrating.VERSION_TABLE
    }  # fmt: skip


def test_the_migrations_add_up_to_the_schema(tmp_path: Path) -> None:
    with _migrated(tmp_path) as migrated, create_engine("sqlite://").connect() as made:
        schema.metadata.create_all(made)

        context = MigrationContext.configure(migrated, opts={"compare_type": True})

        assert compare_metadata(context, schema.metadata) == []
        assert _shape(made) == _shape(migrated)


def test_the_newest_version_is_the_one_the_program_names() -> None:
    assert ScriptDirectory(str(migrating.MIGRATIONS)).get_current_head() == migrating.HEAD


def test_versions_sort_in_the_order_of_time() -> None:
    walk = ScriptDirectory(str(migrating.MIGRATIONS)).walk_revisions()
    newest_first = [step.revision for step in walk]

    assert newest_first == sorted(newest_first, reverse=True)


def test_a_migrated_file_bears_our_mark(tmp_path: Path) -> None:
    with _migrated(tmp_path) as connection:
        found = connection.exec_driver_sql("PRAGMA application_id").scalar()

    assert found == APPLICATION_ID


def test_a_folder_with_a_percent_sign_is_migrated(tmp_path: Path) -> None:
    folder = tmp_path / "100% ours"
    folder.mkdir()

    with _migrated(folder) as connection:
        assert inspect(connection).has_table("scenarios")


def test_the_built_package_brings_the_migrations(tmp_path: Path) -> None:
    pytest.importorskip("hatchling")

    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=ROOT, check=True, capture_output=True, timeout=240,
    )  # fmt: skip

    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    steps = {
        f"vedette/store/migrations/{path.relative_to(migrating.MIGRATIONS)}"
        for path in migrating.MIGRATIONS.rglob("*.py")
    }
    assert len(steps) >= 2
    assert steps <= names
