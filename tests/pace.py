"""How much time this machine has for us: what a promise of seconds means on one that is busy.

A promise such as "stops within ten seconds" is for a machine with a core to spare. On one that
others keep busy it is tested all the same, against as much more time as the machine takes for all.
"""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import Self

# So much work is done again and again, with pauses: a tenth of a core.
WORK_S, PAUSE_S = 0.02, 0.18
# Whoever waits for others, who wait for others, is late more than once.
TIMES = 3.0


class Pace:
    """Times a block, and how long the machine takes meanwhile for work of known length."""

    def __init__(self) -> None:
        self._over = threading.Event()
        self._worker = threading.Thread(target=self._work, name="pace", daemon=True)
        self._worked_s, self._took_s = 0.0, 0.0
        self._began_s, self._ended_s = 0.0, 0.0

    def __enter__(self) -> Self:
        self._began_s = time.monotonic()
        self._worker.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended_s = time.monotonic()
        self._over.set()
        self._worker.join()

    @property
    def seconds(self) -> float:
        """How long the block took, or has taken so far."""
        return (self._ended_s or time.monotonic()) - self._began_s

    def kept(self, limit_s: float) -> bool:
        """Tell whether the block took no longer than a machine with a core to spare may take."""
        return self.seconds <= self.allowed(limit_s)

    def allowed(self, limit_s: float) -> float:
        """Give what `limit_s` seconds come to here and now."""
        slowness = max(1.0, self._took_s / self._worked_s) if self._worked_s else 1.0
        return limit_s * (1 + TIMES * (slowness - 1))

    def __repr__(self) -> str:
        """Tell both, for an assertion that fails."""
        return f"<{self.seconds:.2f} s; a second is {self.allowed(1.0):.2f} s here>"

    def _work(self) -> None:
        while True:
            began_s, cpu_began_s = time.monotonic(), time.thread_time()
            while time.thread_time() - cpu_began_s < WORK_S:
                pass
            self._took_s += time.monotonic() - began_s
            self._worked_s += time.thread_time() - cpu_began_s
            late_s = time.monotonic()
            if self._over.wait(PAUSE_S):
                return
            self._took_s += max(0.0, time.monotonic() - late_s - PAUSE_S)
