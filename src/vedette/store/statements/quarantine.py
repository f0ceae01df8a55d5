"""Quarantine: a source whose holders die again and again is run apart, after growing pauses."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select

from vedette.store.base import Transaction
from vedette.store.schema import sources
from vedette.store.statements.leases import Held, add_death, deaths_since, set_quarantine


@dataclass(frozen=True, slots=True)
class QuarantineRule:
    """When a source is put apart.

    Attributes:
        deaths_max: So many holders died with it, ...
        window_s: ... within so many seconds of wall time.
        pauses_s: Before the first, second, ... next try; the last one stands for all after it.
    """

    deaths_max: int = 3
    window_s: float = 600.0
    pauses_s: tuple[float, ...] = (10.0, 30.0, 120.0, 600.0)


def note_death(
    transaction: Transaction, held: Held, *, evidence: str, rule: QuarantineRule
) -> str:
    """Note that a holder died with a source, and put the source apart if that was one too many.

    Returns:
        What that means, for people; empty where nothing follows from it.
    """
    add_death(transaction, held, evidence=evidence)
    since_ms = transaction.wall_ms - round(rule.window_s * 1000)
    deaths = deaths_since(transaction, held.source_id, since_ms)
    if deaths < rule.deaths_max:
        return ""
    times = 1 + transaction.connection.execute(
        select(sources.c.quarantine).where(sources.c.id == held.source_id)
    ).scalar_one()
    pause_s = rule.pauses_s[min(times, len(rule.pauses_s)) - 1]
    set_quarantine(transaction, held.source_id, times=times, wait_ms=round(pause_s * 1000))
    return (
        f"{deaths} of its holders died within {rule.window_s:g} s: "
        f"it is run apart from now on, not before {pause_s:g} s have passed"
    )
