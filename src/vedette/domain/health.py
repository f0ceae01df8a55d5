"""How a source does: what a camera can recover from is health, never a scenario's state."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from vedette.domain.errors import StreamCause


@dataclass(frozen=True, slots=True)
class Health:
    """One look at a source's health.

    Attributes:
        connected: Its pictures come.
        cause: Why they do not; None where they do.
        message: One sentence for people; never holds a password.
        attempts: Tries to connect since it last was well.
        next_try_s: Seconds until the next try; None where none is planned.
    """

    connected: bool
    cause: StreamCause | None = None
    message: str = ""
    attempts: int = 0
    next_try_s: float | None = None

    def as_json(self, *, at_ms: int) -> dict[str, Any]:
        """Give it as the API shows it, with the wall time of the look."""
        return {
            "connected": self.connected,
            "cause": None if self.cause is None else str(self.cause),
            "message": self.message,
            "attempts": self.attempts,
            "next_try_s": self.next_try_s,
            "at_ms": at_ms,
        }
