"""Logging set-up, and one line a second for what repeats."""

from __future__ import annotations

import logging
import sys
import threading

from vedette.clock import Clock, SystemClock

# Video code without this floods its logs: a broken camera gives an error per picture.
REPEAT_PERIOD_S = 1.0


def set_up_logging(level: str = "warning") -> None:
    """Send log lines to standard error, level first."""
    logging.basicConfig(
        stream=sys.stderr,
        level=level.upper(),
        format="%(levelname)s %(name)s: %(message)s",
        force=True,
    )


class Repeats:
    """Counts what repeats and tells it at most once a second: `37 decode errors, last was: …`.

    May be used from many threads.
    """

    def __init__(self, logger: logging.Logger, what: str, *, clock: Clock | None = None) -> None:
        self._logger = logger
        self._what = what
        self._clock = clock or SystemClock()
        self._lock = threading.Lock()
        self._count = 0
        self._told_mono_s: float | None = None

    def add(self, last: str) -> None:
        """Count one, and tell if a second has passed since the last telling."""
        with self._lock:
            self._count += 1
            now_s = self._clock.monotonic_s()
            if self._told_mono_s is not None and now_s - self._told_mono_s < REPEAT_PERIOD_S:
                return
            count, self._count, self._told_mono_s = self._count, 0, now_s
        self._logger.warning("%d %s, last was: %s", count, self._what, last)
