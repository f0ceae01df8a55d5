"""Short tasks: pieces of work leased one by one, each with one result.

The same primitive as the lease of a source: whoever takes a task gets a token that grows with every
taking, and the store refuses all but the newest. A task has a time of its own, as its holder may be
anybody; whoever is overdue loses it, and one that was taken too often has failed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Row, case, delete, func, insert, null, select, update

from vedette.domain.errors import NotFound, StaleToken
from vedette.domain.ids import TaskId, Token
from vedette.domain.task import TaskState
from vedette.store.base import Transaction
from vedette.store.schema import tasks

_OPEN = (TaskState.PENDING, TaskState.IN_PROGRESS)
_ENDED = (TaskState.COMPLETED, TaskState.FAILED)
_NEVER_ANSWERED = "its last attempt never answered"


@dataclass(frozen=True, slots=True)
class TakenTask:
    """A task as whoever does it sees it.

    Attributes:
        id: Its name.
        kind: What is to be done.
        payload: JSON of what to do it with.
        token: Goes with everything said about it.
        attempt: How often it was taken, this time included.
    """

    id: TaskId
    kind: str
    payload: str
    token: Token
    attempt: int


@dataclass(frozen=True, slots=True)
class TaskRow:
    """A task as whoever waits for it sees it.

    Attributes:
        id: Its name.
        kind: What is to be done.
        state: How far it is.
        payload: JSON of what to do it with.
        worker: Who took it last.
        attempts: How often it was taken.
        attempts_max: How often it may be.
        result: JSON of what came out; None until it is completed.
        error: One sentence: why it failed, or why its last attempt did.
        created_at_ms: Wall time.
        ended_at_ms: Wall time of completing or failing.
    """

    id: TaskId
    kind: str
    state: TaskState
    payload: str
    worker: str | None
    attempts: int
    attempts_max: int
    result: str | None
    error: str | None
    created_at_ms: int
    ended_at_ms: int | None


def add(
    transaction: Transaction, task_id: TaskId, kind: str, payload: str, *, attempts_max: int
) -> None:
    """Write a new task down; older ids are taken first."""
    transaction.connection.execute(
        insert(tasks).values(
            id=task_id,
            kind=kind,
            state=TaskState.PENDING,
            payload=payload,
            attempts_max=attempts_max,
            created_at_ms=transaction.wall_ms,
        )
    )


def take(
    transaction: Transaction, worker: str, kinds: Sequence[str], *, limit: int, lease_ms: int
) -> list[TakenTask]:
    """Lease up to `limit` tasks of these kinds to a worker: those that wait, and overdue ones."""
    _give_up(transaction, kinds)
    oldest = (
        select(tasks.c.id)
        .where(*_free(transaction, kinds))
        .order_by(tasks.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True)  # SQLite has one writer and leaves this out.
    )
    rows = transaction.connection.execute(
        update(tasks)
        .where(tasks.c.id.in_(oldest))
        .values(
            state=TaskState.IN_PROGRESS,
            worker=worker,
            token=tasks.c.token + 1,
            attempts=tasks.c.attempts + 1,
            until_ms=transaction.now_ms + lease_ms,
        )
        .returning(tasks.c.id, tasks.c.kind, tasks.c.payload, tasks.c.token, tasks.c.attempts)
    )
    taken = [
        TakenTask(TaskId(row.id), row.kind, row.payload, Token(row.token), row.attempts)
        for row in rows
    ]
    return sorted(taken, key=lambda one: one.id)  # RETURNING keeps no order.


def renew(transaction: Transaction, task_id: TaskId, token: Token, *, lease_ms: int) -> None:
    """Hold a task for longer.

    Raises:
        NotFound: there is none of that id.
        StaleToken: it was given to somebody else, or has ended.
    """
    done = transaction.connection.execute(
        update(tasks).where(*_held(task_id, token)).values(until_ms=transaction.now_ms + lease_ms)
    )
    if not done.rowcount:
        raise _stale(get(transaction, task_id), token)


def complete(transaction: Transaction, task_id: TaskId, token: Token, result: str) -> None:
    """Give a task's result; saying it again changes nothing, the first one stands.

    Raises:
        NotFound: there is none of that id.
        StaleToken: it was given to somebody else, or has failed.
    """
    done = transaction.connection.execute(
        update(tasks)
        .where(*_held(task_id, token))
        .values(
            state=TaskState.COMPLETED, result=result, error=None, ended_at_ms=transaction.wall_ms
        )
    )
    if not done.rowcount:
        _require_said(transaction, task_id, token, TaskState.COMPLETED)


def fail(
    transaction: Transaction,
    task_id: TaskId,
    token: Token,
    error: str,
    *,
    retry: bool,
    wait_ms: int = 0,
) -> None:
    """Give a task back undone; saying it again changes nothing.

    Args:
        transaction: The transaction.
        task_id: Which.
        token: Of whoever took it.
        error: One sentence for people.
        retry: Another attempt may succeed; it is made if any is left.
        wait_ms: Not before that long.

    Raises:
        NotFound: there is none of that id.
        StaleToken: it was given to somebody else, or is completed.
    """
    run = transaction.connection.execute
    held = _held(task_id, token)
    if retry:
        again = run(
            update(tasks)
            .where(*held, tasks.c.attempts < tasks.c.attempts_max)
            .values(state=TaskState.PENDING, error=error, until_ms=transaction.now_ms + wait_ms)
        )
        if again.rowcount:
            return
    ended = run(
        update(tasks)
        .where(*held)
        .values(state=TaskState.FAILED, error=error, ended_at_ms=transaction.wall_ms)
    )
    if not ended.rowcount:
        _require_said(transaction, task_id, token, TaskState.PENDING, TaskState.FAILED)


def get(transaction: Transaction, task_id: str) -> TaskRow:
    """Give one task.

    Raises:
        NotFound: there is none of that id.
    """
    row = transaction.connection.execute(select(tasks).where(tasks.c.id == task_id)).first()
    if row is None:
        raise NotFound(f"task '{task_id}': there is none of that id")
    return _task(row)


def list_tasks(
    transaction: Transaction,
    *,
    kind: str | None = None,
    state: TaskState | None = None,
    after: str | None = None,
    limit: int,
) -> list[TaskRow]:
    """Give tasks by id, behind `after`."""
    query = select(tasks).order_by(tasks.c.id).limit(limit)
    if kind is not None:
        query = query.where(tasks.c.kind == kind)
    if state is not None:
        query = query.where(tasks.c.state == state)
    if after is not None:
        query = query.where(tasks.c.id > after)
    return [_task(row) for row in transaction.connection.execute(query)]


def has_overdue(transaction: Transaction, *, before_ms: int) -> bool:
    """Tell whether `give_back_overdue` would do anything; quick however many tasks there are."""
    query = select(tasks.c.id).where(*_overdue(before_ms)).limit(1)
    return transaction.connection.execute(query).first() is not None


def give_back_overdue(transaction: Transaction, *, before_ms: int, limit: int) -> int:
    """Take tasks from whoever held them until then (the store's clock) and is still silent.

    They wait for somebody else; those taken as often as they may be have failed. Gives how many.
    """
    run = transaction.connection.execute
    # Asked first: of an UPDATE with a recursive question in it SQLite tells no number of rows.
    found = run(select(tasks.c.id).where(*_overdue(before_ms)).limit(limit)).scalars().all()
    is_left = tasks.c.attempts < tasks.c.attempts_max
    done = run(
        update(tasks)
        .where(
            tasks.c.id.in_(found),
            tasks.c.state == TaskState.IN_PROGRESS,
            tasks.c.until_ms <= before_ms,
        )
        .values(
            state=case((is_left, TaskState.PENDING), else_=TaskState.FAILED),
            # Its holder is refused from now on, whatever he says.
            token=tasks.c.token + 1,
            error=_NEVER_ANSWERED,
            ended_at_ms=case((is_left, null()), else_=transaction.wall_ms),
        )
    )
    return int(done.rowcount)


def ended_before(transaction: Transaction, at_ms: int, *, limit: int) -> list[TaskId]:
    """Give up to `limit` tasks that ended before then (wall time), in no order."""
    rows = transaction.connection.execute(
        select(tasks.c.id)
        .where(tasks.c.kind.in_(_KINDS), tasks.c.state.in_(_ENDED), tasks.c.ended_at_ms < at_ms)
        .limit(limit)
    )
    return [TaskId(row.id) for row in rows]


def forget(transaction: Transaction, ids: Sequence[TaskId]) -> int:
    """Delete those of the tasks that have ended; give how many."""
    done = transaction.connection.execute(
        delete(tasks).where(tasks.c.id.in_(ids), tasks.c.state.in_(_ENDED))
    )
    return int(done.rowcount)


# Every kind there is, by jumps in the index of (kind, state, id): a kind has few tasks in progress
# and any number that have ended, which a look at the states alone would walk over.
_FIRST_KIND = select(func.min(tasks.c.kind).label("kind")).cte("kinds", recursive=True)
_EVERY_KIND = _FIRST_KIND.union_all(
    select(
        select(func.min(tasks.c.kind)).where(tasks.c.kind > _FIRST_KIND.c.kind).scalar_subquery()
    ).where(_FIRST_KIND.c.kind.is_not(None))
)
_KINDS = select(_EVERY_KIND.c.kind)


def _overdue(before_ms: int) -> tuple[ColumnElement[bool], ...]:
    return (
        tasks.c.kind.in_(_KINDS),
        tasks.c.state == TaskState.IN_PROGRESS,
        tasks.c.until_ms <= before_ms,
    )


def _give_up(transaction: Transaction, kinds: Sequence[str]) -> None:
    """Fail what is overdue and was taken as often as it may be; its last holder is too late."""
    transaction.connection.execute(
        update(tasks)
        .where(
            tasks.c.kind.in_(kinds),
            tasks.c.state == TaskState.IN_PROGRESS,
            tasks.c.until_ms <= transaction.now_ms,
            tasks.c.attempts >= tasks.c.attempts_max,
        )
        .values(
            state=TaskState.FAILED,
            token=tasks.c.token + 1,
            error=_NEVER_ANSWERED,
            ended_at_ms=transaction.wall_ms,
        )
    )


def _free(transaction: Transaction, kinds: Sequence[str]) -> tuple[ColumnElement[bool], ...]:
    return (
        tasks.c.kind.in_(kinds),
        tasks.c.state.in_(_OPEN),
        # Of one that waits: not before. Of one in progress: overdue.
        tasks.c.until_ms <= transaction.now_ms,
    )


def _held(task_id: TaskId, token: Token) -> tuple[ColumnElement[bool], ...]:
    return (
        tasks.c.id == task_id,
        tasks.c.token == token,
        tasks.c.state == TaskState.IN_PROGRESS,
    )


def _require_said(
    transaction: Transaction, task_id: TaskId, token: Token, *states: TaskState
) -> None:
    """See that the holder of this token has said the same before."""
    newest = transaction.connection.execute(
        select(tasks.c.token).where(tasks.c.id == task_id)
    ).scalar()
    row = get(transaction, task_id)
    if newest != token or row.state not in states:
        raise _stale(row, token)


def _stale(row: TaskRow, token: Token) -> StaleToken:
    return StaleToken(
        f"task '{row.id}': token {token} is old or its work is over; the task is {row.state}"
    )


def _task(row: Row[tuple[object, ...]]) -> TaskRow:
    return TaskRow(
        id=TaskId(row.id),
        kind=row.kind,
        state=TaskState(row.state),
        payload=row.payload,
        worker=row.worker,
        attempts=row.attempts,
        attempts_max=row.attempts_max,
        result=row.result,
        error=row.error,
        created_at_ms=row.created_at_ms,
        ended_at_ms=row.ended_at_ms,
    )
