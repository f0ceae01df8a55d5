"""Wall time by which things are judged old: it follows no jump forwards."""

from __future__ import annotations

from vedette.store.base import Transaction


class SteadyWall:
    """Wall time for one thread; a clock that is set ahead would make young things look old."""

    def __init__(self) -> None:
        self._lead_ms: int | None = None

    def now_ms(self, transaction: Transaction) -> int:
        """Give milliseconds since 1970, by the least that the wall clock was ever ahead."""
        lead_ms = transaction.wall_ms - transaction.now_ms
        if self._lead_ms is None or lead_ms < self._lead_ms:
            self._lead_ms = lead_ms
        return transaction.now_ms + self._lead_ms
