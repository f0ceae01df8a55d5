"""The door of the store: what is remembered, changed by whole transactions alone.

A transaction is a plain function that the store runs: it reads and writes through the `Transaction`
it is given, does no other I/O, waits for nothing, and may be run again from its start where the
engine had to give up a first try. So no transaction is ever held open by somebody who thinks, and
an engine may commit many callers' transactions as one.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from sqlalchemy import Connection

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Transaction:
    """What a transaction works with.

    Attributes:
        connection: For statements of SQLAlchemy Core.
        now_ms: The store's clock, for leases and waits: it only grows, and jumps of the wall clock
            do not move it. The same for all statements of the transaction.
        wall_ms: Milliseconds since 1970, for people; may jump.
    """

    connection: Connection
    now_ms: int
    wall_ms: int


Work = Callable[[Transaction], T]


class Store(ABC):
    """One database. Its methods may be called from any thread."""

    @abstractmethod
    def submit(self, work: Work[T], *, durable: bool = False, patience_s: float = 0.0) -> Future[T]:
        """Have a transaction carried out; the future is done once it is committed.

        What `work` raises undoes that transaction alone and is raised by the future.

        Args:
            work: The transaction.
            durable: Also survives a power cut, not just the death of every process.
            patience_s: It may wait so long for others to share a commit with.

        Raises:
            StoreUnavailable: (by the future) the database cannot be written now; nothing happened.
            StaleToken, UsageError: (by the future) as `work` says.
            Conflict: (by the future) a row is there already, or another one needs it.
        """

    @abstractmethod
    def ask(self, question: Work[T]) -> Future[T]:
        """Have a reading transaction carried out; it sees one moment and changes nothing."""

    def write(self, work: Work[T], *, durable: bool = False) -> T:
        """Carry out a transaction and wait; not for the event loop's thread."""
        return self.submit(work, durable=durable).result()

    def read(self, question: Work[T]) -> T:
        """Read and wait; not for the event loop's thread."""
        return self.ask(question).result()

    async def awrite(self, work: Work[T], *, durable: bool = False) -> T:
        """Carry out a transaction without blocking the event loop."""
        return await asyncio.wrap_future(self.submit(work, durable=durable))

    async def aread(self, question: Work[T]) -> T:
        """Read without blocking the event loop."""
        return await asyncio.wrap_future(self.ask(question))

    @abstractmethod
    def migrate(self) -> tuple[str | None, str]:
        """Bring the schema to this program's version; give the version before and after.

        Done by one process at a time; those who come later find it done.

        Raises:
            SchemaMismatch: the database is foreign, newer than this program, or damaged.
        """

    @abstractmethod
    def check(self) -> None:
        """See that the schema is this program's.

        Raises:
            SchemaMismatch: it is not; says what to do.
        """

    @abstractmethod
    def announce(self, runner_id: str, incarnation: str) -> None:
        """Show that this process lives as that runner, as long as it lives and no longer.

        Comes before the runner is registered: a registered one that never announced itself may be
        taken for dead. Again for a new incarnation.

        Raises:
            Conflict: another process lives as that runner.
            StoreUnavailable: it cannot be shown.
        """

    @abstractmethod
    def withdraw(self, runner_id: str) -> None:
        """Take `announce` back."""

    @abstractmethod
    def dead(self, runners: Collection[tuple[str, str]]) -> set[str]:
        """Give those of the runners (id, incarnation) that are proven dead; silent ones are not.

        Quick enough to be asked ten times a second.
        """

    @abstractmethod
    def close(self) -> None:
        """Finish what was submitted and let go; may be called twice."""
