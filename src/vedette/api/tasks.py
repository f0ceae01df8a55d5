"""Short tasks, for whoever does them: a runner, or a program in any language.

A worker takes tasks and gets a token with each; with it, it says what came of them. Who is overdue
loses a task to another, and is told so.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from vedette.api import problems
from vedette.api.accepting import Answered, accept
from vedette.api.choosing import KEY_HEADER
from vedette.api.parts import PAGE_DEFAULT, PAGE_MAX, Parts, moment, moment_or_none
from vedette.domain.errors import BadInput
from vedette.domain.ids import TaskId, Token
from vedette.domain.task import TaskState
from vedette.store.base import Transaction
from vedette.store.statements import tasks

_ATTEMPTS_MAX = 100
_TAKEN_MAX = 100
_LEASE_S_MAX = 86_400
_WAIT_S_MAX = 7 * 86_400

Kind = Annotated[str, Field(pattern="^[a-z][a-z0-9_.-]{0,99}$")]
Worker = Annotated[str, Field(pattern="^[!-~]{1,100}$")]
Lease = Annotated[float | None, Field(ge=0.1, le=_LEASE_S_MAX, description="Seconds.")]
TaskToken = Annotated[int, Field(ge=0, le=2**62)]


class _Asked(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class TaskAsked(_Asked):
    """A new task."""

    kind: Kind
    payload: dict[str, Any] = {}
    attempts_max: Annotated[int, Field(ge=1, le=_ATTEMPTS_MAX)] = 3


class TakeAsked(_Asked):
    """A worker asks for tasks."""

    worker: Worker
    kinds: Annotated[list[Kind], Field(min_length=1, max_length=100)]
    limit: Annotated[int, Field(ge=1, le=_TAKEN_MAX)] = 1
    lease_s: Lease = None


class RenewAsked(_Asked):
    """A worker needs longer."""

    token: TaskToken
    lease_s: Lease = None


class CompleteAsked(_Asked):
    """A worker has a result."""

    token: TaskToken
    result: dict[str, Any]


class FailAsked(_Asked):
    """A worker gives a task back undone."""

    token: TaskToken
    error: Annotated[str, Field(min_length=1, max_length=2000)]
    retry: bool = True
    wait_s: Annotated[float, Field(ge=0, le=_WAIT_S_MAX)] = 0


class TakenView(BaseModel):
    """A task as whoever does it sees it."""

    task_id: str
    kind: str
    payload: dict[str, Any]
    token: int
    attempt: int


class TakenTasks(BaseModel):
    """What a worker got; none where nothing waits."""

    tasks: list[TakenView]


class TaskView(BaseModel):
    """A task as whoever waits for it sees it."""

    task_id: str
    kind: str
    state: TaskState
    payload: dict[str, Any]
    worker: str | None
    attempts: int
    attempts_max: int
    result: dict[str, Any] | None
    error: str | None
    created_at: datetime
    ended_at: datetime | None


class TaskPage(BaseModel):
    """A page of tasks; `next_cursor` is null at its end."""

    tasks: list[TaskView]
    next_cursor: str | None


def task_routes(parts: Parts) -> APIRouter:
    """Give the routes of tasks."""
    routes = APIRouter(prefix="/api/v1/tasks", tags=["tasks"])
    store = parts.store

    def lease_ms(lease_s: float | None) -> int:
        return round(1000 * (parts.options.task_lease_s if lease_s is None else lease_s))

    @routes.post(
        "",
        status_code=201,
        response_model=TaskView,
        responses=problems.declared(409),
        openapi_extra={"parameters": [KEY_HEADER]},
        operation_id="addTask",
    )
    async def add(request: Request, asked: TaskAsked) -> JSONResponse:
        """Add a task; the oldest of a kind is taken first."""
        task_id = TaskId(parts.new_id())
        payload = _text(asked.payload)

        def work(transaction: Transaction) -> Answered:
            tasks.add(transaction, task_id, asked.kind, payload, attempts_max=asked.attempts_max)
            return 201, _view(tasks.get(transaction, task_id)).model_dump(mode="json")

        said = asked.model_dump(mode="json")
        (status, answer), _ = await accept(request, parts, work, asked=said)
        return JSONResponse(answer, status, {"Location": f"/api/v1/tasks/{answer['task_id']}"})

    @routes.post("/take", responses=problems.declared(), operation_id="takeTasks")
    async def take(asked: TakeAsked) -> TakenTasks:
        """Take tasks for a while: those that wait, and those whose worker is overdue."""
        taken = await store.awrite(
            lambda t: tasks.take(
                t, asked.worker, asked.kinds, limit=asked.limit, lease_ms=lease_ms(asked.lease_s)
            )
        )
        return TakenTasks(
            tasks=[
                TakenView(
                    task_id=one.id,
                    kind=one.kind,
                    payload=json.loads(one.payload),
                    token=one.token,
                    attempt=one.attempt,
                )
                for one in taken
            ]
        )

    @routes.post(
        "/{task_id}/renew", responses=problems.declared(404, 409), operation_id="renewTask"
    )
    async def renew(task_id: str, asked: RenewAsked) -> TaskView:
        """Hold a task for longer."""

        def work(transaction: Transaction) -> TaskView:
            held = (TaskId(task_id), Token(asked.token))
            tasks.renew(transaction, *held, lease_ms=lease_ms(asked.lease_s))
            return _view(tasks.get(transaction, task_id))

        return await store.awrite(work)

    @routes.post(
        "/{task_id}/complete", responses=problems.declared(404, 409), operation_id="completeTask"
    )
    async def complete(task_id: str, asked: CompleteAsked) -> TaskView:
        """Give a task's result; the first one stands."""
        result = _text(asked.result)

        def work(transaction: Transaction) -> TaskView:
            tasks.complete(transaction, TaskId(task_id), Token(asked.token), result)
            return _view(tasks.get(transaction, task_id))

        return await store.awrite(work, durable=True)

    @routes.post("/{task_id}/fail", responses=problems.declared(404, 409), operation_id="failTask")
    async def fail(task_id: str, asked: FailAsked) -> TaskView:
        """Give a task back undone; it is tried again where that may help and is allowed."""

        def work(transaction: Transaction) -> TaskView:
            tasks.fail(
                transaction,
                TaskId(task_id),
                Token(asked.token),
                asked.error.replace("\0", ""),
                retry=asked.retry,
                wait_ms=round(asked.wait_s * 1000),
            )
            return _view(tasks.get(transaction, task_id))

        return await store.awrite(work, durable=True)

    @routes.get("", responses=problems.declared(), operation_id="listTasks")
    async def list_all(
        *,
        kind: Annotated[str | None, Query(min_length=1, max_length=100)] = None,
        state: TaskState | None = None,
        cursor: Annotated[str | None, Query(pattern="^[0-9a-f-]{1,40}$")] = None,
        limit: Annotated[int, Query(ge=1, le=PAGE_MAX)] = PAGE_DEFAULT,
    ) -> TaskPage:
        """List tasks, the oldest first."""
        found = await store.aread(
            lambda t: tasks.list_tasks(t, kind=kind, state=state, after=cursor, limit=limit)
        )
        return TaskPage(
            tasks=[_view(one) for one in found],
            next_cursor=found[-1].id if len(found) == limit else None,
        )

    @routes.get("/{task_id}", responses=problems.declared(404), operation_id="showTask")
    async def show(task_id: str) -> TaskView:
        """Tell how far a task is."""
        return await store.aread(lambda t: _view(tasks.get(t, task_id)))

    return routes


def _text(value: dict[str, Any]) -> str:
    """Give JSON text of what every reader can read again."""
    try:
        json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
        return json.dumps(value)
    except (ValueError, RecursionError) as error:
        raise BadInput(
            "numbers have to be finite, and texts whole: no NaN, no halves of characters"
        ) from error


def _view(row: tasks.TaskRow) -> TaskView:
    return TaskView(
        task_id=row.id,
        kind=row.kind,
        state=row.state,
        payload=json.loads(row.payload),
        worker=row.worker,
        attempts=row.attempts,
        attempts_max=row.attempts_max,
        result=None if row.result is None else json.loads(row.result),
        error=row.error,
        created_at=moment(row.created_at_ms),
        ended_at=moment_or_none(row.ended_at_ms),
    )
