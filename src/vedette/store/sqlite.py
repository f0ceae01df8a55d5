"""The embedded engine: one SQLite file in the data directory, for all processes of one machine.

SQLite has one writer at a time. Each process has one thread that writes: it carries out all
transactions that wait as one, each behind a savepoint, so that a commit's price is shared. Nothing
but statements happens between BEGIN and COMMIT.
"""

from __future__ import annotations

import fcntl
import logging
import os
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Collection
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DatabaseError, OperationalError
from sqlalchemy.pool import NullPool

from vedette.domain.errors import SchemaMismatch, StoreUnavailable
from vedette.store import migrating
from vedette.store.base import Store, Transaction, Work
from vedette.store.freeze import WriterMark

log = logging.getLogger(__name__)

T = TypeVar("T")

FILE_NAME = "vedette.db"
# "VDTT": tells our files from other programs' (PRAGMA application_id).
APPLICATION_ID = 0x56445454
# Transactions in one commit: some milliseconds of statements, so that nobody waits long for it.
BATCH_MAX = 256
# How long one try for the write lock lasts before we look at who has it.
LOCK_TRY_S = 0.25
READERS = 4


@dataclass(slots=True)
class _Job:
    work: Work[Any]
    durable: bool
    future: Future[Any]


class SqliteStore(Store):
    """One SQLite file in WAL mode; see the door."""

    def __init__(
        self,
        folder: Path,
        *,
        lock_patience_s: float = 30.0,
        frozen: Callable[[int], None] | None = None,
    ) -> None:
        """Open the database in `folder`, or make an empty one.

        Args:
            folder: The data directory; exists.
            lock_patience_s: How long to wait for another process's transaction.
            frozen: Told the pid of a stopped process that holds the write lock, again and again
                until it lets go; None writes it to the log.

        Raises:
            SchemaMismatch: the file is no database of Vedette.
            StoreUnavailable: it cannot be opened.
        """
        self.path = folder / FILE_NAME
        self._folder = folder
        self._lock_patience_s = lock_patience_s
        self._frozen = frozen or _name_frozen
        self._mark = WriterMark(folder / "writer")
        self._engine = _engine(self.path)
        self._jobs: deque[_Job] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._held: dict[str, int] = {}
        self._thread_local = threading.local()
        self._reading: list[Connection] = []
        _check_file(self.path)
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="store-read")
        self._writer = threading.Thread(target=self._write_on, name="store-write", daemon=True)
        self._writer.start()

    def submit(self, work: Work[T], *, durable: bool = False) -> Future[T]:
        job = _Job(work, durable, Future())
        with self._changed:
            if self._closed:
                job.future.set_exception(StoreUnavailable(f"{self.path}: the store is closed"))
                return job.future
            self._jobs.append(job)
            self._changed.notify()
        return job.future

    def ask(self, question: Work[T]) -> Future[T]:
        return self._readers.submit(self._read, question)

    def migrate(self) -> tuple[str | None, str]:
        with _MigrationLock(self._folder):
            with self._engine.connect() as connection, _Translated(self.path):
                before, after = migrating.migrate(connection, origin=str(self.path))
            self.submit(_begin_clock, durable=True).result()
        return before, after

    def check(self) -> None:
        with self._engine.connect() as connection, _Translated(self.path):
            migrating.check(connection, origin=str(self.path))
        self.submit(_begin_clock, durable=True).result()

    def announce(self, runner_id: str, incarnation: str) -> None:
        path = self._lock_path(runner_id)
        path.parent.mkdir(exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, incarnation.encode(), 0)
        self._held[runner_id] = descriptor

    def withdraw(self, runner_id: str) -> None:
        descriptor = self._held.pop(runner_id, None)
        if descriptor is not None:
            os.close(descriptor)

    def dead(self, runners: Collection[tuple[str, str]]) -> set[str]:
        return {runner for runner, incarnation in runners if self._is_dead(runner, incarnation)}

    def _is_dead(self, runner_id: str, incarnation: str) -> bool:
        try:
            descriptor = os.open(self._lock_path(runner_id), os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return False  # Not one of this folder's: only its silence can tell.
        try:
            # The kernel lets go of the lock when, and only when, its process is gone.
            with suppress(BlockingIOError):
                fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
                return True
            return os.pread(descriptor, 64, 0).decode() not in {incarnation, ""}
        finally:
            os.close(descriptor)

    def _lock_path(self, runner_id: str) -> Path:
        return self._folder / "holders" / f"{runner_id}.lock"

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._writer is not threading.current_thread():
            self._writer.join()
        self._readers.shutdown()
        for connection in self._reading:
            connection.close()
        self._reading.clear()
        for runner_id in list(self._held):
            self.withdraw(runner_id)
        self._mark.close()
        self._engine.dispose()

    def _read(self, question: Work[T]) -> T:
        connection: Connection | None = getattr(self._thread_local, "connection", None)
        if connection is None:
            connection = self._thread_local.connection = self._engine.connect()
            self._reading.append(connection)
        with _Translated(self.path):
            connection.exec_driver_sql("BEGIN")
            try:
                return question(_transaction(connection))
            finally:
                connection.rollback()

    def _write_on(self) -> None:
        connection = self._engine.connect()
        durable = True  # As `_engine` sets it up.
        try:
            while jobs := self._next_jobs():
                if jobs[0].durable is not durable:
                    durable = jobs[0].durable
                    level = "FULL" if durable else "NORMAL"
                    connection.exec_driver_sql(f"PRAGMA synchronous={level}")
                    connection.rollback()
                self._carry_out(connection, jobs)
        finally:
            connection.close()

    def _next_jobs(self) -> list[_Job]:
        with self._changed:
            while not self._jobs:
                if self._closed:
                    return []
                self._changed.wait()
            jobs = [self._jobs.popleft()]
            while self._jobs and len(jobs) < BATCH_MAX and self._jobs[0].durable is jobs[0].durable:
                jobs.append(self._jobs.popleft())
            return jobs

    def _carry_out(self, connection: Connection, jobs: list[_Job]) -> None:
        """Commit all jobs at once; one that raises is undone alone."""
        jobs = [job for job in jobs if job.future.set_running_or_notify_cancel()]
        answers: list[tuple[Any, BaseException | None]] = []
        try:
            with _Translated(self.path):
                self._begin(connection)
                try:
                    transaction = _transaction(connection)
                    answers = [_attempt(transaction, job.work) for job in jobs]
                    connection.exec_driver_sql("COMMIT")
                finally:
                    self._mark.clear()
                    connection.rollback()  # Where COMMIT was not reached.
        except BaseException as error:  # noqa: BLE001  (whoever asked is told)
            answers = [(None, error)] * len(jobs)
        for job, (answer, refused) in zip(jobs, answers, strict=True):
            if refused is None:
                job.future.set_result(answer)
            else:
                job.future.set_exception(refused)

    def _begin(self, connection: Connection) -> None:
        started_s = time.monotonic()
        while True:
            try:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            except OperationalError as error:
                if not _is_busy(error) or time.monotonic() - started_s > self._lock_patience_s:
                    raise
                connection.rollback()
                pid = self._mark.frozen_pid()
                if pid is not None:
                    self._frozen(pid)
            else:
                self._mark.set()
                return


def _attempt(transaction: Transaction, work: Work[T]) -> tuple[T | None, BaseException | None]:
    run = transaction.connection.exec_driver_sql
    run("SAVEPOINT one")
    try:
        answer = work(transaction)
    except OperationalError:
        raise  # The disk, not this transaction: nothing of the commit can stand.
    except BaseException as error:  # noqa: BLE001  (undone alone; whoever asked is told)
        run("ROLLBACK TO one")
        run("RELEASE one")
        return None, error
    run("RELEASE one")
    return answer, None


def boot_ms() -> int:
    """Give milliseconds since this machine's boot, its sleep included."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000


def boot_id() -> str:
    """Give the name of this boot."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def _transaction(connection: Connection) -> Transaction:
    return Transaction(connection, now_ms=boot_ms(), wall_ms=time.time_ns() // 1_000_000)


def _begin_clock(transaction: Transaction) -> None:
    """Void all that was measured by the clock of another boot."""
    migrating.begin_clock(transaction, boot_id())


def _engine(path: Path) -> Engine:
    engine = create_engine(
        f"sqlite:///{path}",
        poolclass=NullPool,
        connect_args={"timeout": LOCK_TRY_S, "check_same_thread": False},
    )

    @event.listens_for(engine, "connect")
    def set_up(connection: sqlite3.Connection, _: object) -> None:
        connection.isolation_level = None  # We say BEGIN ourselves.
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")
        connection.execute("PRAGMA cache_size=-16000")  # 16 MB.

    return engine


def _check_file(path: Path) -> None:
    """Refuse a file that is no database, or another program's, before anything touches it."""
    if not path.exists() or not path.stat().st_size:
        return
    with path.open("rb") as file:
        head = file.read(72)
    if not head.startswith(b"SQLite format 3\0"):
        raise SchemaMismatch(f"{path}: this is no database; move it away, or name another folder")
    application = int.from_bytes(head[68:72], "big")
    if application not in {0, APPLICATION_ID}:
        raise SchemaMismatch(
            f"{path}: this database belongs to another program; name another folder"
        )


class _Translated:
    """Turns the driver's errors into ours."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if not isinstance(error, DatabaseError):
            return
        said = str(error.orig)
        if "malformed" in said or "not a database" in said:
            raise SchemaMismatch(
                f"{self._path}: the database is damaged ({said}); restore a copy, or move it away "
                "to begin anew"
            ) from error
        if isinstance(error, OperationalError):
            raise StoreUnavailable(f"{self._path}: {said}") from error


class _MigrationLock:
    """One process at a time brings the schema up to date."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "migrate.lock"
        self._descriptor = -1

    def __enter__(self) -> None:
        self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)


def _is_busy(error: OperationalError) -> bool:
    return "locked" in str(error.orig) or "busy" in str(error.orig)


def _name_frozen(pid: int) -> None:
    log.error("a stopped process holds the write lock pid=%d; continue or kill it", pid)
