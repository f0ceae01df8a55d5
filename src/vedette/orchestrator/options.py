"""Limits of an orchestrator."""

from __future__ import annotations

from dataclasses import dataclass

from vedette.store.statements.quarantine import QuarantineRule


@dataclass(frozen=True, slots=True, kw_only=True)
class OrchestratorOptions:
    """Periods, patience and batches.

    Attributes:
        lease_s: How long a runner's leases hold without renewal; the runners' own figure.
        margin_s: A lease that ran out is taken away so much later: a renewal may stand behind a
            database that stalls.
        look_s: It looks for work at least so often, whatever it hears.
        watch_s: It looks for dead and silent holders so often.
        batch_max: Scenarios, commands or messages in one transaction.
        deaths_max: A source is put apart when so many of its holders died ...
        deaths_window_s: ... within so many seconds.
        pauses_s: Before the first, second, ... try of a source that was put apart.
        backoff_s: First pause where the store does not answer; it doubles, with jitter.
        backoff_max_s: The longest such pause; `stop` may have to wait for it.
    """

    lease_s: float = 3.0
    margin_s: float = 0.5
    look_s: float = 1.0
    watch_s: float = 0.1
    batch_max: int = 256
    deaths_max: int = 3
    deaths_window_s: float = 600.0
    pauses_s: tuple[float, ...] = (10.0, 30.0, 120.0, 600.0)
    backoff_s: float = 0.05
    backoff_max_s: float = 1.0

    @property
    def quarantine(self) -> QuarantineRule:
        """When a source is put apart."""
        return QuarantineRule(self.deaths_max, self.deaths_window_s, self.pauses_s)
