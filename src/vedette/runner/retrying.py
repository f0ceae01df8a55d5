"""When to try again: the ladder of pauses for a source that gives no pictures."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from vedette.domain.errors import (
    NoRoom,
    SourceBrokeOff,
    SourceError,
    SourceUnreachable,
    StreamCause,
    VedetteError,
)

# Pauses (s) and how often each; the last one for ever.
LADDER_S = (*[1.0] * 5, *[5.0] * 5, *[10.0] * 10, 60.0)
# A file that breaks off on its way so often may be no longer than that.
BREAKS_MAX = 20
# Makers lock accounts after some wrong passwords.
AUTH_LADDER_S = (60.0, 900.0)
# So long in good health, and the next trouble begins at the foot of the ladder.
HEALTHY_S = 60.0
JITTER = 0.2

# What waiting cannot mend, even for a camera.
_HOPELESS = frozenset({StreamCause.CODEC_UNSUPPORTED})


@dataclass(slots=True)
class Ladder:
    """Counts a source's failed tries and says how long to wait before the next.

    One for all scenarios on a source: what they hear of one connection is one failure, and they try
    again together.

    Attributes:
        random: Gives numbers in [0, 1); spreads many cameras' tries.
        attempts: Failed tries since it last was well.
    """

    random: Callable[[], float]
    attempts: int = 0
    _next_try_mono_s: float = float("-inf")
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def failed(self, cause: StreamCause | None, *, healthy_s: float, now_mono_s: float) -> None:
        """Count a failure, but once, and put off the next try.

        Args:
            cause: Why.
            healthy_s: Seconds of pictures before it.
            now_mono_s: The monotonic clock's time.
        """
        with self._lock:
            # Nobody tries before the next try is due: this is the same failure, heard by another.
            if now_mono_s >= self._next_try_mono_s:
                self._next_try_mono_s = now_mono_s + self._pause_after(cause, healthy_s)

    def left_s(self, now_mono_s: float) -> float:
        """Give the seconds until the next try; 0 where it is due."""
        return max(0.0, self._next_try_mono_s - now_mono_s)

    def _pause_after(self, cause: StreamCause | None, healthy_s: float) -> float:
        if healthy_s >= HEALTHY_S:
            self.attempts = 0
        steps = AUTH_LADDER_S if cause is StreamCause.AUTH_FAILED else LADDER_S
        pause_s = steps[min(self.attempts, len(steps) - 1)]
        self.attempts += 1
        return pause_s * (1 + JITTER * (2 * self.random() - 1))


def worth_waiting(error: VedetteError, *, live: bool, attempts: int) -> bool:
    """Tell whether the same source may give pictures later, after so many failed tries."""
    if isinstance(error, NoRoom):
        return True
    if not isinstance(error, SourceError) or error.cause in _HOPELESS:
        return False
    if isinstance(error, SourceBrokeOff) and attempts < BREAKS_MAX:
        return True
    # What a file holds does not change by waiting; whether its host answers may.
    return live or isinstance(error, SourceUnreachable)
