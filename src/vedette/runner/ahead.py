"""Running ahead: an iterator in a thread of its own, a bounded way before its reader.

Decoding and inference release the interpreter's lock, so threads of one process use all cores.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

T = TypeVar("T")

# How long a wait may last before the stop flag is looked at again.
STOP_LOOK_S = 0.1

# How long closing waits for a thread that reads: longer than a packet takes, shorter than a person
# waits. A thread stuck in a silent socket ends by its own read timeout and holds nothing else up.
JOIN_S = 1.0


class Stop:
    """A flag that many threads look at; once set it stays set.

    One made `within` another is set with it, not the other way round.
    """

    def __init__(self, within: Stop | None = None) -> None:
        self._event = threading.Event()
        self._within = within

    def set(self) -> None:
        """Ask all who look at it to come to an end."""
        self._event.set()

    @property
    def is_set(self) -> bool:
        """True once somebody asked."""
        return self._event.is_set() or (self._within is not None and self._within.is_set)


def close(items: Iterator[object]) -> None:
    """Close a generator now, in this thread, so that its own `finally` runs here."""
    if isinstance(items, Generator):
        items.close()


@contextmanager
def closing_early(items: Iterator[T]) -> Iterator[Iterator[T]]:
    """Close a generator in the thread that runs it."""
    try:
        yield items
    finally:
        close(items)


class Ahead(Generic[T]):
    """Runs an iterator in a thread of its own, at most `limit` items ahead of its reader.

    Iterating gives the items and raises what the iterator raised; `close` ends the thread, and so
    does `stop` where one is given: the items then end early.
    """

    def __init__(
        self,
        items: Iterator[T],
        *,
        limit: int,
        name: str,
        stop: Stop | None = None,
        begins: Callable[[], None] = lambda: None,
    ) -> None:
        """Plan to run ahead.

        Args:
            items: Iterated, and closed, in the thread.
            limit: Items at most that wait for the reader.
            name: The thread's.
            stop: Ends it too.
            begins: Called first of all in the thread.
        """
        self._items = items
        self._begins = begins
        self._queue: queue.Queue[tuple[str, T | BaseException | None]] = queue.Queue(limit)
        self._stop = Stop(stop)
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def __iter__(self) -> Iterator[T]:
        self._thread.start()
        while not self._stop.is_set:
            try:
                kind, value = self._queue.get(timeout=STOP_LOOK_S)
            except queue.Empty:
                continue
            if kind == "item":
                yield value  # type: ignore[misc]
            elif kind == "error":
                assert isinstance(value, BaseException)
                raise value
            else:
                return

    def close(self) -> None:
        """Ask the thread to end and wait a moment for it."""
        self._stop.set()
        self.join(JOIN_S)

    def join(self, timeout_s: float) -> bool:
        """Wait for the thread's end; False where it is still there."""
        if self._thread.is_alive():
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            self._begins()
            with closing_early(self._items) as items:
                for item in items:
                    if not self._put("item", item):
                        return
            self._put("end", None)
        except BaseException as error:  # noqa: BLE001  (handed to the reader, who raises it)
            self._put("error", error)

    def _put(self, kind: str, value: T | BaseException | None) -> bool:
        while not self._stop.is_set:
            try:
                self._queue.put((kind, value), timeout=STOP_LOOK_S)
            except queue.Full:
                continue
            return True
        return False
