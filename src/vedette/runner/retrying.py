"""When to try again: the ladder of pauses for a source that gives no pictures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from vedette.domain.errors import SourceError, SourceUnreachable, StreamCause, VedetteError

# Pauses (s) and how often each; the last one for ever.
LADDER_S = (*[1.0] * 5, *[5.0] * 5, *[10.0] * 10, 60.0)
# Makers lock accounts after some wrong passwords.
AUTH_LADDER_S = (60.0, 900.0)
# So long in good health, and the next trouble begins at the foot of the ladder.
HEALTHY_S = 60.0
JITTER = 0.2

# What waiting cannot mend, even for a camera.
_HOPELESS = frozenset({StreamCause.CODEC_UNSUPPORTED})


@dataclass(slots=True)
class Ladder:
    """Counts failed tries and says how long to wait before the next.

    Attributes:
        random: Gives numbers in [0, 1); spreads many cameras' tries.
        attempts: Failed tries since it last was well.
    """

    random: Callable[[], float]
    attempts: int = 0

    def failed(self, cause: StreamCause | None, *, healthy_s: float) -> float:
        """Count a failure after `healthy_s` of pictures; give the pause before the next try."""
        if healthy_s >= HEALTHY_S:
            self.attempts = 0
        steps = AUTH_LADDER_S if cause is StreamCause.AUTH_FAILED else LADDER_S
        pause_s = steps[min(self.attempts, len(steps) - 1)]
        self.attempts += 1
        return pause_s * (1 + JITTER * (2 * self.random() - 1))


def worth_waiting(error: VedetteError, *, live: bool) -> bool:
    """Tell whether the same source may give pictures later."""
    if not isinstance(error, SourceError) or error.cause in _HOPELESS:
        return False
    # What a file holds does not change by waiting; whether its host answers may.
    return live or isinstance(error, SourceUnreachable)
