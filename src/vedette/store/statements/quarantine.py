"""Quarantine: a source whose holders die again and again is run apart, after growing pauses."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import and_, exists, func, select, update

from vedette.domain.ids import RunnerId, SourceId
from vedette.domain.scenario import ScenarioState
from vedette.store.base import Transaction
from vedette.store.schema import runners, scenarios, sources
from vedette.store.statements.leases import Held, add_death, deaths_since, set_quarantine

# So many sources can run apart at once. More than this that crash decoders at once are no bad
# cameras but a bad installation.
APART_MAX = 8


@dataclass(frozen=True, slots=True)
class QuarantineRule:
    """When a source is put apart.

    Attributes:
        deaths_max: So many holders died with it, ...
        window_s: ... within so many seconds of wall time.
        pauses_s: Before the first, second, ... next try; the last one stands for all after it. Who
            is suspected and not known waits for nothing the first time.
    """

    deaths_max: int = 3
    window_s: float = 600.0
    pauses_s: tuple[float, ...] = (10.0, 30.0, 120.0, 600.0)


def note_death(
    transaction: Transaction,
    held: Held,
    *,
    evidence: str,
    rule: QuarantineRule,
    is_culprit: bool = False,
) -> str:
    """Note that a holder died with a source, and put the source apart if that was one too many.

    Where nobody knows of what a holder died (somebody's kill -9, or the machine out of memory), all
    its sources are suspected, and most of them wrongly. No more of them are put apart than can run
    apart, for the others would see nothing meanwhile; while these are, their holders' deaths are
    not those of the others, so the others have their turn when these are back.

    Args:
        transaction: Where.
        held: The lease that was lost.
        evidence: What is known, for people.
        rule: When it is one too many.
        is_culprit: The holder is known to have died of this source: the first time is enough.

    Returns:
        What that means, for people; empty where nothing follows from it.
    """
    add_death(transaction, held, evidence=evidence)
    since_ms = transaction.wall_ms - round(rule.window_s * 1000)
    deaths = deaths_since(transaction, held.source_id, since_ms)
    if deaths < rule.deaths_max and not is_culprit:
        return ""
    before = transaction.connection.execute(
        select(sources.c.quarantine).where(sources.c.id == held.source_id)
    ).scalar_one()
    is_suspect = not before and not is_culprit
    if is_suspect and _count_apart(transaction) >= APART_MAX:
        return f"{deaths} of its holders died within {rule.window_s:g} s, as those of others did"
    times = before + 1
    pause_s = 0.0 if is_suspect else rule.pauses_s[min(times, len(rule.pauses_s)) - 1]
    set_quarantine(transaction, held.source_id, times=times, wait_ms=round(pause_s * 1000))
    return (
        f"{deaths} of its holders died within {rule.window_s:g} s: "
        f"it is run apart from now on"
        + (f", not before {pause_s:g} s have passed" if pause_s else "")
    )


def _count_apart(transaction: Transaction) -> int:
    count = select(func.count()).select_from(sources).where(sources.c.quarantine > 0)
    return int(transaction.connection.execute(count).scalar_one())


def put_apart(transaction: Transaction) -> set[SourceId]:
    """Give the sources that are run in a process of their own."""
    rows = transaction.connection.execute(select(sources.c.id).where(sources.c.quarantine > 0))
    return {SourceId(row.id) for row in rows}


def waiting_apart(transaction: Transaction, runner_id: RunnerId) -> list[SourceId]:
    """Give the sources put apart for which this runner should start a process now.

    That is asked of one runner at a time: the first live one that takes any source.
    """
    live = and_(runners.c.until_ms > transaction.now_ms, runners.c.only.is_(None))
    first = transaction.connection.execute(
        select(runners.c.id).where(live).order_by(runners.c.id).limit(1)
    ).scalar()
    if first != runner_id:
        return []
    starting = exists(
        select(scenarios.c.id).where(
            scenarios.c.source_id == sources.c.id,
            scenarios.c.state == ScenarioState.INIT_STARTUP,
        )
    )
    served = exists(
        select(runners.c.id).where(
            runners.c.only == sources.c.id, runners.c.until_ms > transaction.now_ms
        )
    )
    rows = transaction.connection.execute(
        select(sources.c.id)
        .where(
            sources.c.quarantine > 0,
            sources.c.holder.is_(None),
            sources.c.wait_until_ms <= transaction.now_ms,
            starting,
            ~served,
        )
        .order_by(sources.c.id)
    )
    return [SourceId(row.id) for row in rows]


def is_wanted(transaction: Transaction, source_id: SourceId) -> bool:
    """Tell whether any scenario of a source is not at rest."""
    found = transaction.connection.execute(
        select(scenarios.c.id)
        .where(scenarios.c.source_id == source_id, scenarios.c.state != ScenarioState.INACTIVE)
        .limit(1)
    ).scalar()
    return found is not None


def readmit(transaction: Transaction, source_id: SourceId) -> None:
    """Let a source run among the others again: it ran long enough, or to its end, by itself."""
    transaction.connection.execute(
        update(sources).where(sources.c.id == source_id).values(quarantine=0, wait_until_ms=0)
    )
