"""The file of SQLite's store: how it is opened, whose it is, and what its errors mean."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from vedette.domain.errors import Conflict, SchemaMismatch, StoreUnavailable

FILE_NAME = "vedette.db"
# "VDTT": tells our files from other programs' (PRAGMA application_id).
APPLICATION_ID = 0x56445454
# How long one try for the write lock lasts before we look at who has it.
LOCK_TRY_S = 0.25
# The log of changes is normally some MB; where readers never pause, it is cut back at this size.
LOG_BYTES_MAX = 64 * 2**20

# What the disk, the machine or another process does to us; waiting may help.
_UNAVAILABLE = frozenset(
    {
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_INTERRUPT,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PROTOCOL,
    }
)
_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


def make_engine(path: Path) -> Engine:
    """Give what opens connections to the file, which it makes where there is none."""
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        poolclass=NullPool,
        connect_args={"timeout": LOCK_TRY_S, "check_same_thread": False},
    )

    @event.listens_for(engine, "connect")
    def set_up(connection: sqlite3.Connection, _: object) -> None:
        connection.isolation_level = None  # We say BEGIN ourselves.
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")
        # 1 MB: a checkpoint fits in it.
        connection.execute("PRAGMA cache_size=-1000")
        # Else every transaction that can be undone alone writes what it replaces to /var/tmp first.
        connection.execute("PRAGMA temp_store=MEMORY")
        connection.execute(f"PRAGMA journal_size_limit={LOG_BYTES_MAX}")

    return engine


def for_reading(connection: Connection) -> None:
    """Have a connection only read, and keep little: what is asked again and again fits in it."""
    connection.exec_driver_sql("PRAGMA query_only=ON")
    connection.exec_driver_sql("PRAGMA cache_size=-256")
    connection.rollback()


def check_file(path: Path) -> None:
    """Refuse a file that is no database, or another program's, before anything touches it.

    Raises:
        SchemaMismatch: it is; says what to do.
        OSError, sqlite3.Error: it cannot be read.
    """
    if not path.exists():
        return
    # By SQLite alone: whoever opens the file himself and closes it takes away the locks that this
    # process has on it, and another process may then take the log of changes for its own.
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
    try:
        application = connection.execute("PRAGMA application_id").fetchone()[0]
        tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    except sqlite3.DatabaseError as error:
        if _code(error) != sqlite3.SQLITE_NOTADB:
            raise
        raise SchemaMismatch(
            f"{path}: this is no database, or a damaged one; restore a copy, or move it away"
        ) from error
    finally:
        connection.close()
    # A file that was only just made has neither a name nor tables.
    if application not in {0, APPLICATION_ID} or (tables and not application):
        raise SchemaMismatch(
            f"{path}: this database belongs to another program; name another folder"
        )


def sorted_out(error: BaseException | None, path: Path) -> Exception | None:
    """Give the driver's error as ours; None where it is the programmer's."""
    code = _code(error)
    if code in _DAMAGED:
        return SchemaMismatch(
            f"{path}: the database is damaged ({error}); restore a copy, or move it away to begin "
            "anew"
        )
    if code in _UNAVAILABLE:
        return StoreUnavailable(f"{path}: {error}")
    if isinstance(error, sqlite3.IntegrityError):
        return Conflict(f"{path}: {error}")
    return None


def spoils(error: BaseException) -> bool:
    """Tell whether an error is the disk's or the file's, so that no transaction can stand."""
    return isinstance(error, DBAPIError) and _code(error.orig) in _UNAVAILABLE | _DAMAGED


def is_busy(error: DBAPIError) -> bool:
    """Tell whether another process is in the way."""
    return _code(error.orig) in {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_PROTOCOL,
    }


def _code(error: BaseException | None) -> int:
    # The low byte says what; the rest says more of it.
    return getattr(error, "sqlite_errorcode", 0) & 0xFF
