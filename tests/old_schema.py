"""Databases as earlier versions wrote them, and a schema that is newer than any, for tests."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

from vedette.store import migrating
from vedette.store.sqlite import FILE_NAME

DUMPS = Path(__file__).parent / "store" / "old"
# A step that changes a table in the dearest way there is: by a copy that takes its place. Others
# refer to this one, and must not go with it.
PROBE = "9999"
_PROBE_STEP = f"""
import sqlalchemy as sa
from alembic import op

revision = "{PROBE}"
down_revision = "{migrating.HEAD}"


def upgrade():
    with op.batch_alter_table("scenarios", recreate="always") as table:
        table.add_column(sa.Column("probe", sa.Text(), nullable=False, server_default="new"))
"""


def lay_out(version: str, folder: Path) -> Path:
    """Make the database of that schema's dump in a folder; give the file."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / FILE_NAME
    connection = sqlite3.connect(file)
    connection.executescript((DUMPS / f"{version}.sql").read_text(encoding="utf-8"))
    connection.close()
    return file


def make_probe(folder: Path) -> Path:
    """Copy the migrations and add `PROBE` as the newest; give their folder."""
    copied = folder / "migrations"
    shutil.copytree(migrating.MIGRATIONS, copied, ignore=shutil.ignore_patterns("__pycache__"))
    (copied / "versions" / f"{PROBE}_probe.py").write_text(_PROBE_STEP, encoding="utf-8")
    return copied


def all_rows(file: Path) -> dict[str, list[dict[str, object]]]:
    """Give every row of every table, but what migrating itself writes down."""
    connection = sqlite3.connect(file)
    connection.row_factory = sqlite3.Row
    names = [
        row["name"]
        for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        if row["name"] not in {migrating.VERSION_TABLE, "sqlite_sequence"}
    ]
    found = {name: [dict(row) for row in connection.execute(f"SELECT * FROM {name}")]
             for name in names}  # fmt: skip
    connection.close()
    return found
