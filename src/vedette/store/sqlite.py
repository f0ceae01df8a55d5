"""The embedded engine: one SQLite file in the data directory, for all processes of one machine.

SQLite has one writer at a time. Each process has one thread that writes: it carries out all
transactions that wait as one, each behind a savepoint, so that a commit's price is shared. Nothing
but statements happens between BEGIN and COMMIT. A process that dies inside a transaction has done
nothing; one that is stopped inside it is named (`frozen`), as all others wait for it.
"""

from __future__ import annotations

import logging
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

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from vedette.domain.errors import StoreUnavailable
from vedette.store import migrating, sqlite_file
from vedette.store.base import Store, Transaction, Work
from vedette.store.freeze import WriterMark
from vedette.store.holders import Holders
from vedette.store.sqlite_file import (
    APPLICATION_ID,
    FILE_NAME,
    check_file,
    for_reading,
    is_busy,
    make_engine,
    sorted_out,
    spoils,
)

log = logging.getLogger(__name__)

T = TypeVar("T")

# Transactions in one commit: some milliseconds of statements, so that nobody waits long for it.
BATCH_MAX = 256
# A store that is closing waits no longer than this for other processes, so that a program can end.
CLOSING_PATIENCE_S = 2.0
READERS = 4
LOG_LOOK_S = 5.0


@dataclass(slots=True)
class _Job:
    work: Work[Any]
    durable: bool
    due_s: float  # It waits for others up to then, by the monotonic clock.
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
                until it lets go; None writes it to the log. Called in the thread that writes.

        Raises:
            SchemaMismatch: the file is no database of Vedette.
            StoreUnavailable: it cannot be opened.
        """
        self.path = folder / FILE_NAME
        self._lock_patience_s = lock_patience_s
        self._frozen = frozen or _name_frozen
        try:
            check_file(self.path)
            self._mark = WriterMark(folder / "writer")
        except OSError as error:
            raise StoreUnavailable(f"{folder}: {error.strerror or error}") from error
        except sqlite3.Error as error:
            raise sorted_out(error, self.path) or error from error
        self._holders = Holders(folder / "holders")
        self._engine = make_engine(self.path)
        self._jobs: deque[_Job] = deque()
        self._changed = threading.Condition()
        self._closed, self._closed_s = False, 0.0
        # One transaction at a time in this process, so that the mark tells of one.
        self._turn = threading.Lock()
        self._writing: Connection | None = None
        self._level = ""
        self._looked_at_log_s = 0.0
        self._own = threading.local()
        self._reading: set[Connection] = set()
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="store-read")
        self._writer = threading.Thread(target=self._write_on, name="store-write", daemon=True)
        self._writer.start()

    def submit(self, work: Work[T], *, durable: bool = False, patience_s: float = 0.0) -> Future[T]:
        job = _Job(work, durable, time.monotonic() + patience_s, Future())
        with self._changed:
            if self._closed:
                job.future.set_exception(self._closed_error())
                return job.future
            self._jobs.append(job)
            self._changed.notify()
        return job.future

    def write(self, work: Work[T], *, durable: bool = False) -> T:
        # In a transaction, or in what follows one.
        assert threading.current_thread() is not self._writer, "a writer would wait for itself"
        return super().write(work, durable=durable)

    def ask(self, question: Work[T]) -> Future[T]:
        try:
            return self._readers.submit(self._read, question)
        except RuntimeError:
            refused: Future[T] = Future()
            refused.set_exception(self._closed_error())
            return refused

    def migrate(self) -> tuple[str | None, str]:
        before = self.read(lambda it: migrating.version(it.connection))
        if before == migrating.HEAD:
            self.check()
            return before, before
        try:
            before, after = self._migrate()
        except DBAPIError as error:
            raise self._translated(error) from error
        self._begin_clock()
        return before, after

    def check(self) -> None:
        self.read(lambda it: migrating.check(it.connection, origin=str(self.path)))
        self._begin_clock()

    def announce(self, runner_id: str, incarnation: str) -> None:
        self._holders.announce(runner_id, incarnation)

    def withdraw(self, runner_id: str) -> None:
        self._holders.withdraw(runner_id)

    def dead(self, runners: Collection[tuple[str, str]]) -> set[str]:
        is_dead = self._holders.is_dead
        return {runner for runner, incarnation in runners if is_dead(runner, incarnation)}

    def frozen_writer(self) -> int | None:
        """Give the pid of a stopped process that holds the write lock; None where none does."""
        return self._mark.frozen_pid()

    def close(self) -> None:
        assert threading.current_thread() is not self._writer, "a transaction closes no store"
        with self._changed:
            if not self._closed:
                self._closed, self._closed_s = True, time.monotonic()
            self._changed.notify()
        self._writer.join()
        self._readers.shutdown()
        for connection in list(self._reading):
            self._drop(connection)
        self._holders.withdraw_all()
        self._mark.close()
        self._engine.dispose()

    # What the writing thread does.

    def _write_on(self) -> None:
        while jobs := self._next_jobs():
            asked = [job for job in jobs if job.future.set_running_or_notify_cancel()]
            answers: list[tuple[Any, BaseException | None]]
            try:
                answers = self._commit(asked)
            except BaseException as error:  # noqa: BLE001  (whoever asked is told; we go on)
                answers = [(None, self._translated(error))] * len(asked)
            for job, (answer, refused) in zip(asked, answers, strict=True):
                _settle(job.future, answer, refused)
            self._cut_log()
        self._drop(self._writing)

    def _next_jobs(self) -> list[_Job]:
        with self._changed:
            while not self._closed and (wait_s := self._wait_s()) > 0:
                self._changed.wait(wait_s)
            return [self._jobs.popleft() for _ in range(min(len(self._jobs), BATCH_MAX))]

    def _wait_s(self) -> float:
        """Tell how long the most impatient job still waits for others."""
        due_s = min((job.due_s for job in self._jobs), default=float("inf"))
        return min(due_s - time.monotonic(), threading.TIMEOUT_MAX)

    def _commit(self, jobs: list[_Job]) -> list[tuple[Any, BaseException | None]]:
        """Commit all jobs at once, durably if one wants it; one that raises is undone alone."""
        if not jobs:
            return []
        with self._turn:
            try:
                connection = self._writing = self._writing or self._connect()
                self._set_level(
                    connection, "FULL" if any(job.durable for job in jobs) else "NORMAL"
                )
                self._begin(connection)
                try:
                    transaction = _transaction(connection)
                    answers = [self._attempt(transaction, job.work) for job in jobs]
                    connection.exec_driver_sql("COMMIT")
                finally:
                    self._mark.clear()
                    connection.rollback()  # Where COMMIT was not reached.
            except BaseException:
                # Nothing is known of its state any more.
                self._drop(self._writing)
                self._writing = None
                self._level = ""
                raise
        return answers

    def _attempt(
        self, transaction: Transaction, work: Work[T]
    ) -> tuple[T | None, BaseException | None]:
        run = transaction.connection.exec_driver_sql
        run("SAVEPOINT one")
        try:
            answer = work(transaction)
        except BaseException as error:
            if spoils(error):
                raise  # The disk, not this transaction: nothing of the commit can stand.
            run("ROLLBACK TO one")
            run("RELEASE one")
            return None, self._translated(error)
        run("RELEASE one")
        return answer, None

    def _set_level(self, connection: Connection, level: str) -> None:
        """Choose whether a commit waits for the disk; only outside a transaction."""
        if self._level != level:
            connection.exec_driver_sql(f"PRAGMA synchronous={level}")
            connection.rollback()
            self._level = level

    def _begin(self, connection: Connection) -> None:
        """Take the write lock, for which another process may have to end its transaction."""
        started_s = time.monotonic()
        while True:
            try:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            except DBAPIError as error:
                connection.rollback()
                if not is_busy(error) or not self._may_wait(started_s):
                    raise
                pid = self._mark.frozen_pid()
                if pid is not None:
                    self._frozen(pid)
            else:
                self._mark.set()
                return

    def _cut_log(self) -> None:
        """Empty a log of changes that readers did not let SQLite begin anew by itself.

        After all have their answers: whatever comes of it, their transactions are committed.
        """
        now_s = time.monotonic()
        if self._writing is None or now_s - self._looked_at_log_s < LOG_LOOK_S:
            return
        self._looked_at_log_s = now_s
        with suppress(OSError, DBAPIError):
            if Path(f"{self.path}-wal").stat().st_size > sqlite_file.LOG_BYTES_MAX:
                self._writing.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
                self._writing.rollback()

    def _migrate(self) -> tuple[str | None, str]:
        """Change the schema in one transaction; its write lock makes others wait, then see it."""
        connection = self._connect()
        try:
            # Changing a table copies and drops it, which must not delete what refers to it.
            connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
            connection.rollback()
            with self._turn:
                self._begin(connection)
                try:
                    answer = migrating.migrate(connection, origin=str(self.path))
                    connection.exec_driver_sql(f"PRAGMA application_id={APPLICATION_ID}")
                    assert connection.exec_driver_sql("PRAGMA foreign_key_check").first() is None
                    connection.exec_driver_sql("COMMIT")
                finally:
                    self._mark.clear()
                    connection.rollback()
        finally:
            connection.close()
        return answer

    def _begin_clock(self) -> None:
        """Void all that was measured by the clock of another boot."""
        boot = boot_id()
        if not self.read(lambda it: migrating.knows_clock(it, boot)):
            self.write(lambda it: migrating.begin_clock(it, boot), durable=True)

    # What the reading threads do.

    def _read(self, question: Work[T]) -> T:
        started_s = time.monotonic()
        while True:
            try:
                return self._look(question)
            except DBAPIError as error:
                self._drop(getattr(self._own, "connection", None))
                self._own.connection = None
                # Another process may be mending the log after a death, or making the file.
                if not is_busy(error) or not self._may_wait(started_s):
                    raise self._translated(error) from error

    def _look(self, question: Work[T]) -> T:
        connection: Connection | None = getattr(self._own, "connection", None)
        if connection is None:
            connection = self._connect()
            for_reading(connection)
            self._own.connection = connection
            self._reading.add(connection)
        try:
            connection.exec_driver_sql("BEGIN")
            return question(_transaction(connection))
        finally:
            connection.rollback()

    # What both need.

    def _connect(self) -> Connection:
        started_s = time.monotonic()
        while True:
            try:
                return self._engine.connect()
            except DBAPIError as error:
                if not is_busy(error) or not self._may_wait(started_s):
                    raise

    def _drop(self, connection: Connection | None) -> None:
        if connection is None:
            return
        self._reading.discard(connection)
        with suppress(DBAPIError, sqlite3.Error):
            connection.close()

    def _may_wait(self, started_s: float) -> bool:
        now_s = time.monotonic()
        if self._closed and now_s - self._closed_s > CLOSING_PATIENCE_S:
            return False
        return now_s - started_s < self._lock_patience_s

    def _translated(self, error: BaseException) -> BaseException:
        """Give the driver's error as ours; others as they are."""
        if not isinstance(error, DBAPIError):
            return error
        ours = sorted_out(error.orig, self.path)
        if ours is None:
            return error  # A statement that cannot be right: the programmer's.
        ours.__cause__ = error
        return ours

    def _closed_error(self) -> StoreUnavailable:
        return StoreUnavailable(f"{self.path}: the store is closed")


def boot_ms() -> int:
    """Give milliseconds since this machine's boot, its sleep included."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000


def boot_id() -> str:
    """Give the name of this boot."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def _transaction(connection: Connection) -> Transaction:
    return Transaction(connection, now_ms=boot_ms(), wall_ms=time.time_ns() // 1_000_000)


def _settle(future: Future[Any], answer: object, refused: BaseException | None) -> None:
    try:
        if refused is None:
            future.set_result(answer)
        else:
            future.set_exception(refused)
    except BaseException:  # (what others do when a future is done must not end this thread)
        log.exception("what was to follow a transaction failed")


def _name_frozen(pid: int) -> None:
    log.error("a stopped process holds the write lock pid=%d; continue or kill it", pid)
