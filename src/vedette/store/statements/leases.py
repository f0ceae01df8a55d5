"""Who may work on what: runners, the leases of sources, and the fencing token.

A lease has no time of its own: it holds while its runner's row does (incarnation, `until_ms`) and
its token is the newest. So renewing costs one write per runner. The token decides; the lease only
waits: taking a source away early is always safe, for old tokens are refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import exists, func, insert, select, update

from vedette.domain.errors import StaleToken
from vedette.domain.ids import RunnerId, SourceId, Token
from vedette.domain.parameters import Parameters
from vedette.domain.scenario import Scenario, ScenarioState
from vedette.store.base import Transaction
from vedette.store.schema import deaths, runners, scenarios, sources
from vedette.store.statements.json_text import parameters_from
from vedette.store.statements.scenarios import _scenario


@dataclass(frozen=True, slots=True)
class RunnerRow:
    """A registered runner.

    Attributes:
        id: Its name.
        incarnation: Tells one life of it from the next.
        capacity: Sources it takes at most.
        only: The one source it is there for; None: any that is not run apart.
        load: Sources it holds.
        until_ms: Its leases hold until then, by the store's clock.
        host: The machine it runs on.
        pid: Its process there.
    """

    id: RunnerId
    incarnation: str
    capacity: int
    only: SourceId | None
    load: int
    until_ms: int
    host: str
    pid: int


@dataclass(frozen=True, slots=True)
class Held:
    """A source with its holder."""

    source_id: SourceId
    token: Token
    runner_id: RunnerId
    incarnation: str


@dataclass(frozen=True, slots=True)
class Assignment:
    """A scenario that a runner holds the source of.

    Attributes:
        scenario: Its life.
        parameters: Of its present run.
        source_name: For people and rows.
        address: As written down; sealed where it holds a password.
        token: Goes with every write about this source.
        quarantine: How often the source was put there; 0 means it runs among the others.
    """

    scenario: Scenario
    parameters: Parameters
    source_name: str
    address: str
    token: Token
    quarantine: int


def register(
    transaction: Transaction,
    runner_id: RunnerId,
    incarnation: str,
    *,
    host: str,
    pid: int,
    version: str,
    capacity: int,
    only: SourceId | None = None,
    lease_ms: int,
) -> None:
    """Write a runner down; an earlier incarnation of it holds nothing from now on."""
    values = {
        "incarnation": incarnation,
        "host": host,
        "pid": pid,
        "version": version,
        "capacity": capacity,
        "only": only,
        "started_at_ms": transaction.wall_ms,
        "until_ms": transaction.now_ms + lease_ms,
    }
    run = transaction.connection.execute
    known = run(update(runners).where(runners.c.id == runner_id).values(**values))
    if not known.rowcount:
        run(insert(runners).values(id=runner_id, **values))


def renew(
    transaction: Transaction, runner_id: RunnerId, incarnation: str, *, lease_ms: int
) -> bool:
    """Hold all leases of a runner for longer; False where another incarnation took its place."""
    done = transaction.connection.execute(
        update(runners)
        .where(runners.c.id == runner_id, runners.c.incarnation == incarnation)
        .values(until_ms=transaction.now_ms + lease_ms)
    )
    return bool(done.rowcount)


def take_no_more(transaction: Transaction, runner_id: RunnerId, incarnation: str) -> None:
    """Have nothing more granted to a runner that is about to end; what it holds it keeps."""
    transaction.connection.execute(
        update(runners)
        .where(runners.c.id == runner_id, runners.c.incarnation == incarnation)
        .values(capacity=0)
    )


def retire(transaction: Transaction, runner_id: RunnerId, incarnation: str) -> None:
    """Take a runner that ends in order off the list of live ones."""
    transaction.connection.execute(
        update(runners)
        .where(runners.c.id == runner_id, runners.c.incarnation == incarnation)
        .values(until_ms=0)
    )


def live_runners(transaction: Transaction) -> list[RunnerRow]:
    """Give the runners whose leases hold now, by id."""
    return [row for row in all_runners(transaction) if row.until_ms > transaction.now_ms]


def all_runners(transaction: Transaction) -> list[RunnerRow]:
    """Give every runner that ever registered, by id."""
    load = (
        select(func.count())
        .select_from(sources)
        .where(sources.c.holder == runners.c.id, sources.c.incarnation == runners.c.incarnation)
        .scalar_subquery()
    )
    rows = transaction.connection.execute(
        select(runners, load.label("load")).order_by(runners.c.id)
    )
    return [
        RunnerRow(
            RunnerId(row.id), row.incarnation, row.capacity,
            None if row.only is None else SourceId(row.only),
            row.load, row.until_ms, row.host, row.pid,
        )
        for row in rows
    ]  # fmt: skip


def grant(
    transaction: Transaction, source_id: SourceId, runner_id: RunnerId, incarnation: str
) -> Token:
    """Lease a source to a runner; whoever had it before can write nothing more."""
    row = transaction.connection.execute(
        update(sources)
        .where(sources.c.id == source_id)
        .values(
            token=sources.c.token + 1,
            holder=runner_id,
            incarnation=incarnation,
            granted_at_ms=transaction.wall_ms,
        )
        .returning(sources.c.token)
    ).one()
    return Token(row.token)


def take_away(transaction: Transaction, source_id: SourceId, token: Token) -> bool:
    """End the lease of that token; False where it was not the newest any more."""
    done = transaction.connection.execute(
        update(sources)
        .where(sources.c.id == source_id, sources.c.token == token)
        .values(token=sources.c.token + 1, holder=None, incarnation=None)
    )
    return bool(done.rowcount)


def release_if_idle(transaction: Transaction, source_id: SourceId, token: Token) -> bool:
    """End the lease of that token if every scenario of the source is at rest; tell whether."""
    done = transaction.connection.execute(
        update(sources)
        .where(sources.c.id == source_id, sources.c.token == token, ~_HAS_WORK)
        .values(token=sources.c.token + 1, holder=None, incarnation=None)
    )
    return bool(done.rowcount)


def holder_of(transaction: Transaction, source_id: SourceId) -> Held | None:
    """Give who holds a source, dead or alive; None where nobody does."""
    row = transaction.connection.execute(select(sources).where(sources.c.id == source_id)).first()
    if row is None or row.holder is None:
        return None
    return _held(row)


def require_token(transaction: Transaction, source_id: SourceId, token: Token) -> None:
    """See that whoever writes still owns the source.

    Raises:
        StaleToken: the source was given to somebody else, or to nobody.
    """
    newest = transaction.connection.execute(
        select(sources.c.token).where(sources.c.id == source_id)
    ).scalar()
    if newest != token:
        raise StaleToken(
            f"source '{source_id}': token {token} is old, the newest is {newest}; "
            "its work was given to somebody else"
        )


def held_by(transaction: Transaction, runner_id: RunnerId) -> list[Held]:
    """Give the sources that a runner holds, of whatever incarnation."""
    rows = transaction.connection.execute(
        select(sources).where(sources.c.holder == runner_id).order_by(sources.c.id)
    )
    return [_held(row) for row in rows]


def assignments(
    transaction: Transaction, runner_id: RunnerId, incarnation: str
) -> list[Assignment]:
    """Give what a runner should run or let go: its sources' scenarios that are not at rest."""
    rows = transaction.connection.execute(
        select(
            scenarios,
            sources.c.name.label("source_name"),
            sources.c.address,
            sources.c.token,
            sources.c.quarantine,
        )
        .join(sources, sources.c.id == scenarios.c.source_id)
        .where(
            sources.c.holder == runner_id,
            sources.c.incarnation == incarnation,
            scenarios.c.state.not_in([ScenarioState.INACTIVE, ScenarioState.INIT_STARTUP]),
        )
        .order_by(scenarios.c.id)
    )
    return [
        Assignment(
            _scenario(row),
            parameters_from(row.parameters),
            row.source_name,
            row.address,
            Token(row.token),
            row.quarantine,
        )
        for row in rows
    ]


def add_death(transaction: Transaction, held: Held, *, evidence: str) -> None:
    """Note that the holder of a source died holding it."""
    transaction.connection.execute(
        insert(deaths).values(
            source_id=held.source_id,
            runner_id=held.runner_id,
            token=held.token,
            at_ms=transaction.wall_ms,
            evidence=evidence,
        )
    )


def deaths_since(transaction: Transaction, source_id: SourceId, at_ms: int) -> int:
    """Count holders that died with this source since then (wall time)."""
    return int(
        transaction.connection.execute(
            select(func.count()).where(deaths.c.source_id == source_id, deaths.c.at_ms >= at_ms)
        ).scalar_one()
    )


def set_quarantine(
    transaction: Transaction, source_id: SourceId, *, times: int, wait_ms: int
) -> None:
    """Put a source apart (`times` > 0), not granted again before `wait_ms` have passed."""
    transaction.connection.execute(
        update(sources)
        .where(sources.c.id == source_id)
        .values(quarantine=times, wait_until_ms=transaction.now_ms + wait_ms)
    )


def idle_sources(transaction: Transaction, limit: int = 256) -> list[Held]:
    """Give leased sources of which every scenario is at rest."""
    rows = transaction.connection.execute(
        select(sources).where(sources.c.holder.is_not(None), ~_HAS_WORK).limit(limit)
    )
    return [_held(row) for row in rows]


_HAS_WORK = exists().where(
    scenarios.c.source_id == sources.c.id, scenarios.c.state != ScenarioState.INACTIVE
)


def _held(row: Any) -> Held:
    return Held(SourceId(row.id), Token(row.token), RunnerId(row.holder), row.incarnation or "")
