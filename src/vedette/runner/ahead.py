"""Running ahead: an iterator in a thread of its own, a bounded way before its reader.

Decoding and inference release the interpreter's lock, so threads of one process use all cores.
"""

from __future__ import annotations

import threading
import weakref
from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

from vedette.threads import begin

T = TypeVar("T")

# How long a wait may last before the stop flag is looked at again.
STOP_LOOK_S = 0.1

# Whoever is told of a stop looks again after so long all the same.
WAIT_S = 10.0

# How long closing waits for a thread that reads: longer than a packet takes, shorter than a person
# waits. A thread stuck in a silent socket ends by its own read timeout and holds nothing else up.
JOIN_S = 1.0


class Stop:
    """A flag that many threads look at, and may be told of; once set it stays set.

    One made `within` another is set with it, not the other way round.
    """

    def __init__(self, within: Stop | None = None) -> None:
        self._event = threading.Event()
        # Whoever presses Ctrl-C sets it in the midst of whatever the main thread does.
        self._lock = threading.RLock()
        self._told: list[Callable[[], None]] = []
        self._inner: weakref.WeakSet[Stop] = weakref.WeakSet()
        self._within = within
        if within is not None:
            within.pass_on_to(self)

    def set(self) -> None:
        """Ask all who look at it to come to an end."""
        self._event.set()
        with self._lock:
            told, inner = list(self._told), list(self._inner)
        for tell in told:
            tell()
        for one in inner:
            one.set()

    @property
    def is_set(self) -> bool:
        """True once somebody asked."""
        return self._event.is_set() or (self._within is not None and self._within.is_set)

    def pass_on_to(self, inner: Stop) -> None:
        """Have another one set with it, for as long as that one is kept by somebody."""
        with self._lock:
            self._inner.add(inner)

    @contextmanager
    def telling(self, tell: Callable[[], None]) -> Iterator[None]:
        """Have `tell` called once it is set, in the thread that sets it; look at it yourself first.

        Thousands of threads that wait cost nothing so; looking ten times a second, they would take
        all of a core.
        """
        with self._lock:
            self._told.append(tell)
        try:
            yield
        finally:
            with self._lock:
                self._told.remove(tell)


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
        self._limit = limit
        self._changed = threading.Condition()
        self._ready: deque[tuple[str, T | BaseException | None]] = deque()
        self._stop = Stop(stop)
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def __iter__(self) -> Iterator[T]:
        begin(self._thread)
        with self._stop.telling(self._wake):
            while (taken := self._take()) is not None:
                kind, value = taken
                if kind == "item":
                    yield value  # type: ignore[misc]
                elif kind == "error":
                    assert isinstance(value, BaseException)
                    try:
                        raise value
                    finally:  # Its traceback and this frame would keep each other, and all we run.
                        del taken, value
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
        with self._stop.telling(self._wake):
            try:
                self._begins()
                with closing_early(self._items) as items:
                    for item in items:
                        if not self._put("item", item):
                            return
                self._put("end", None)
            except BaseException as error:  # noqa: BLE001  (handed to the reader, who raises it)
                self._put("error", error)

    def _take(self) -> tuple[str, T | BaseException | None] | None:
        with self._changed:
            while not self._stop.is_set:
                if self._ready:
                    self._changed.notify_all()
                    return self._ready.popleft()
                self._changed.wait(WAIT_S)
        return None

    def _put(self, kind: str, value: T | BaseException | None) -> bool:
        with self._changed:
            while not self._stop.is_set:
                if len(self._ready) < self._limit:
                    self._ready.append((kind, value))
                    self._changed.notify_all()
                    return True
                self._changed.wait(WAIT_S)
        return False

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()
