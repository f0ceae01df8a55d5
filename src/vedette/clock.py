"""Time as an argument: wall time, monotonic time and sleep come from here."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from datetime import UTC, datetime, timedelta


class Clock(ABC):
    """What time it is, twice: for people (wall) and for waiting (monotonic)."""

    @abstractmethod
    def now(self) -> datetime:
        """Give wall time, aware, UTC."""

    @abstractmethod
    def monotonic_s(self) -> float:
        """Give seconds that only grow."""

    @abstractmethod
    def sleep(self, seconds: float) -> None:
        """Wait."""


class SystemClock(Clock):
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic_s(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


class ManualClock(Clock):
    """A clock that moves only when told; for tests and simulation."""

    def __init__(self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self._start = start
        self._elapsed_s = 0.0

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._elapsed_s)

    def monotonic_s(self) -> float:
        return self._elapsed_s

    def sleep(self, seconds: float) -> None:
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        """Let `seconds` pass."""
        assert seconds >= 0
        self._elapsed_s += seconds
