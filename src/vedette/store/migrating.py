"""The schema's versions: which one a database has, and how it gets the newest."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import inspect, select, update
from sqlalchemy.dialects.sqlite import insert

from vedette.domain.errors import SchemaMismatch
from vedette.store import schema
from vedette.store.base import Transaction

if TYPE_CHECKING:
    from sqlalchemy import Connection

# The newest of migrations/versions (names that sort); a test sees to that. Written here because
# importing Alembic takes longer than starting.
HEAD = "0002"
MIGRATIONS = Path(__file__).parent / "migrations"
VERSION_TABLE = "alembic_version"
BOOT = "boot_id"


def version(connection: Connection) -> str | None:
    """Give the schema's version; None where there is no schema yet."""
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    row = connection.exec_driver_sql(f"SELECT version_num FROM {VERSION_TABLE}").first()  # noqa: S608
    return None if row is None else str(row[0])


def check(connection: Connection, *, origin: str) -> None:
    """See that the schema is the newest.

    Raises:
        SchemaMismatch: it is not; says what to do.
    """
    found = version(connection)
    if found == HEAD:
        return
    if found is None:
        raise SchemaMismatch(f"{origin}: there is no schema yet; run `vedette migrate`")
    if found > HEAD:
        raise _newer(origin, found)
    raise SchemaMismatch(
        f"{origin}: its schema {found} is older than this program's {HEAD}; run `vedette migrate`"
    )


def migrate(connection: Connection, *, origin: str) -> tuple[str | None, str]:
    """Bring the schema to the newest version in the connection's open transaction.

    Gives the version before and after; the caller commits.

    Raises:
        SchemaMismatch: the database is foreign, or newer than this program.
    """
    before = version(connection)
    if before == HEAD:
        return before, HEAD
    if before is not None and before > HEAD:
        raise _newer(origin, before)
    if before is None and inspect(connection).get_table_names():
        raise SchemaMismatch(
            f"{origin}: this database has tables that are not Vedette's; name another folder"
        )
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, HEAD)
    return before, HEAD


def begin_clock(transaction: Transaction, boot: str) -> None:
    """Void all that was measured by the clock of another boot."""
    if knows_clock(transaction, boot):
        return
    run = transaction.connection.execute
    run(insert(schema.meta).values(key=BOOT, value=boot).on_conflict_do_update(
        index_elements=["key"], set_={"value": boot}))  # fmt: skip
    run(update(schema.runners).values(until_ms=0))
    run(update(schema.sources).values(wait_until_ms=0))
    run(update(schema.tasks).values(until_ms=0))


def knows_clock(transaction: Transaction, boot: str) -> bool:
    """Tell whether the times written down are by the clock of this boot."""
    known = transaction.connection.execute(
        select(schema.meta.c.value).where(schema.meta.c.key == BOOT)
    ).scalar()
    return bool(known == boot)


def _newer(origin: str, found: str) -> SchemaMismatch:
    return SchemaMismatch(
        f"{origin}: its schema {found} is newer than this program's {HEAD}; use the newer program"
    )
