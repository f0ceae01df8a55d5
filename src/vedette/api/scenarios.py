"""Scenarios: made, started, stopped, shown; on the earlier platform's paths and on ours."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse
from pydantic import ValidationError

from vedette.api import problems
from vedette.api.accepting import (
    NewSource,
    accept,
    command,
    new_scenario,
    one_source,
    source_of_address,
    source_of_upload,
)
from vedette.api.asking import (
    FORM,
    JSON,
    MULTIPART,
    CommandAsked,
    CommandKind,
    ScenarioAsked,
    form_fields,
    media_type,
    scenario_asked_in_form,
    scenario_asked_in_json,
)
from vedette.api.choosing import KEY_HEADER
from vedette.api.parts import PAGE_DEFAULT, PAGE_MAX, Parts
from vedette.api.uploads import Upload, discard, receive
from vedette.api.views import (
    Accepted,
    ScenarioLine,
    ScenarioPage,
    ScenarioView,
    brief_of,
    scenario_view,
)
from vedette.domain.errors import BadInput, UsageError
from vedette.domain.ids import ScenarioId, SourceId
from vedette.domain.scenario import ScenarioState
from vedette.store.base import Transaction
from vedette.store.statements.overview import commands_of, frames_of
from vedette.store.statements.scenarios import list_scenarios

_SCENARIO_BODY: dict[str, Any] = {
    "parameters": [KEY_HEADER],
    "requestBody": {
        "required": True,
        "content": {
            JSON: {"schema": {"$ref": "#/components/schemas/ScenarioAsked"}},
            FORM: {"schema": {"$ref": "#/components/schemas/ScenarioForm"}},
            MULTIPART: {"schema": {"$ref": "#/components/schemas/ScenarioUpload"}},
        },
    },
}
_COMMAND_BODY: dict[str, Any] = {
    "parameters": [KEY_HEADER],
    "requestBody": {
        "required": False,
        "content": {JSON: {"schema": {"$ref": "#/components/schemas/CommandAsked"}}},
    },
}
# Longer than a name server takes that answers at all.
_NAME_PATIENCE_S = 10.0
# Milliseconds of making and id of the last one seen.
CURSOR_PATTERN = "^[0-9]{1,15}_[0-9a-f-]{1,40}$"


def scenario_routes(parts: Parts) -> APIRouter:
    """Give the routes of scenarios."""
    routes = APIRouter(tags=["scenarios"])

    @routes.post(
        "/scenario/",
        status_code=202,
        response_model=Accepted,
        responses=problems.declared(404, 409, 415),
        openapi_extra=_SCENARIO_BODY,
        operation_id="startScenarioFromSource",
    )
    @routes.post(
        "/api/v1/scenarios",
        status_code=202,
        response_model=Accepted,
        responses=problems.declared(404, 409, 415),
        openapi_extra=_SCENARIO_BODY,
        operation_id="createScenario",
    )
    async def create(request: Request) -> JSONResponse:
        """Make a scenario of an uploaded video, an address or a registered source, and start it."""
        return await _create(request, parts)

    @routes.post(
        "/scenario/{scenario_id}/",
        status_code=202,
        response_model=Accepted,
        responses=problems.declared(404, 409, 415),
        openapi_extra=_COMMAND_BODY,
        operation_id="changeScenario",
    )
    async def change(
        request: Request, scenario_id: str, command: CommandKind | None = None
    ) -> JSONResponse:
        """Start or stop a scenario; the command stands in the query or in the body."""
        return await _command(request, parts, scenario_id, await _kind(request, command))

    @routes.post(
        "/api/v1/scenarios/{scenario_id}/start",
        status_code=202,
        response_model=Accepted,
        responses=problems.declared(404, 409),
        openapi_extra={"parameters": [KEY_HEADER]},
        operation_id="startScenario",
    )
    async def start(request: Request, scenario_id: str) -> JSONResponse:
        """Start a scenario that rests, or have it started again once it does."""
        return await _command(request, parts, scenario_id, CommandKind.START)

    @routes.post(
        "/api/v1/scenarios/{scenario_id}/stop",
        status_code=202,
        response_model=Accepted,
        responses=problems.declared(404, 409),
        openapi_extra={"parameters": [KEY_HEADER]},
        operation_id="stopScenario",
    )
    async def stop(request: Request, scenario_id: str) -> JSONResponse:
        """Stop a scenario, in whatever state it is."""
        return await _command(request, parts, scenario_id, CommandKind.STOP)

    @routes.get(
        "/scenario/{scenario_id}/",
        responses=problems.declared(404),
        operation_id="showScenarioState",
    )
    @routes.get(
        "/api/v1/scenarios/{scenario_id}",
        responses=problems.declared(404),
        operation_id="showScenario",
    )
    async def show(scenario_id: str) -> ScenarioView:
        """Tell a scenario's state, parameters, source, runs, health and history."""
        return await parts.store.aread(lambda t: scenario_view(t, scenario_id, parts.seal))

    @routes.get("/api/v1/scenarios", responses=problems.declared(), operation_id="listScenarios")
    async def list_all(
        *,
        state: ScenarioState | None = None,
        cursor: Annotated[str | None, Query(pattern=CURSOR_PATTERN)] = None,
        limit: Annotated[int, Query(ge=1, le=PAGE_MAX)] = PAGE_DEFAULT,
    ) -> ScenarioPage:
        """List scenarios in the order of their making."""
        return await parts.store.aread(lambda t: _page(t, state, cursor, limit))

    return routes


async def _create(request: Request, parts: Parts) -> JSONResponse:
    upload: Upload | None = None
    try:
        kind = media_type(request, (JSON, MULTIPART, FORM))
        if kind == MULTIPART:
            received = await receive(request, parts)
            upload = received.upload
            asked = scenario_asked_in_form(received.fields)
        elif kind == FORM:
            asked = scenario_asked_in_form(await form_fields(request))
        else:
            asked = scenario_asked_in_json(await request.body())
        one_source(asked, upload)
        source = await _source(asked, upload, parts)
        work = new_scenario(
            ScenarioId(parts.new_id()), source, asked.parameters(parts.options.folders)
        )
        content = None if upload is None else upload.sha256
        said = [asked.model_dump(mode="json"), content]
        (status, answer), before = await accept(request, parts, work, asked=said)
    except (UsageError, ValidationError):
        # Refused for certain. After anything else the store may have accepted all the same: then
        # the blob stays, and is collected where nothing refers to it.
        await discard(upload, parts)
        raise
    if before:
        await discard(upload, parts)
    return _answered(parts, status, answer)


async def _source(
    asked: ScenarioAsked, upload: Upload | None, parts: Parts
) -> NewSource | SourceId:
    if upload is not None:
        return source_of_upload(upload, parts)
    if asked.source_id is not None:
        return SourceId(asked.source_id)
    assert asked.url is not None
    look = partial(source_of_address, asked.url, parts)
    try:
        async with asyncio.timeout(_NAME_PATIENCE_S):
            return await asyncio.get_running_loop().run_in_executor(parts.name_threads, look)
    except TimeoutError:
        raise BadInput(
            f"the address's host was not found out in {_NAME_PATIENCE_S:g} s; try again, or give "
            "its number"
        ) from None


async def _kind(request: Request, named: CommandKind | None) -> CommandKind:
    body = await request.body()
    in_body: CommandKind | None = None
    if body and media_type(request, (JSON, FORM)) == JSON:
        in_body = CommandAsked.model_validate_json(body).command
    elif body:
        in_body = CommandAsked.model_validate(await form_fields(request)).command
    if named is not None and in_body is not None and named is not in_body:
        raise BadInput(f"the query says '{named}' and the body '{in_body}'; say one")
    if named is None and in_body is None:
        raise BadInput("name a command: ?command=start or ?command=stop")
    kind = named or in_body
    assert kind is not None
    return kind


async def _command(
    request: Request, parts: Parts, scenario_id: str, kind: CommandKind
) -> JSONResponse:
    (status, answer), _ = await accept(
        request, parts, command(scenario_id, kind), asked=[scenario_id, str(kind)]
    )
    return _answered(parts, status, answer)


def _answered(parts: Parts, status: int, answer: dict[str, Any]) -> JSONResponse:
    scenario_id = answer["scenario_id"]
    parts.wake_orchestrator(scenario_id)
    return JSONResponse(answer, status, {"Location": f"/api/v1/scenarios/{scenario_id}"})


def _page(
    transaction: Transaction, state: ScenarioState | None, cursor: str | None, limit: int
) -> ScenarioPage:
    after = None
    if cursor is not None:
        made_at_ms, _, last_id = cursor.partition("_")
        after = (int(made_at_ms), last_id)
    rows = list_scenarios(transaction, after=after, limit=limit, state=state)
    ids = [row.scenario.id for row in rows]
    waiting, frames = commands_of(transaction, ids), frames_of(transaction, ids)
    briefs = [
        ScenarioLine(
            **brief_of(row, waiting.get(row.scenario.id, [])).model_dump(),
            frames=frames.get(row.scenario.id, 0),
        )
        for row in rows
    ]
    last = rows[-1] if len(rows) == limit else None
    return ScenarioPage(
        # One whose waiting command takes it out of that state is in it no more.
        scenarios=[one for one in briefs if state is None or one.state == state],
        next_cursor=None if last is None else f"{last.created_at_ms}_{last.scenario.id}",
    )


def body_schemas() -> dict[str, Any]:
    """Give the schemas of the bodies that these routes read by themselves."""
    asked = ScenarioAsked.model_json_schema()
    form = {
        **asked,
        "title": "ScenarioForm",
        "properties": {key: _as_text(value) for key, value in asked["properties"].items()},
    }
    video = {"type": "string", "format": "binary", "description": "The video."}
    upload = {
        **form,
        "title": "ScenarioUpload",
        "properties": {"video": video, **form["properties"]},
    }
    return {
        "ScenarioAsked": asked,
        "ScenarioForm": form,
        "ScenarioUpload": upload,
        "CommandAsked": {
            "title": "CommandAsked",
            "type": "object",
            "required": ["command"],
            "additionalProperties": False,
            "properties": {
                "command": {"type": "string", "enum": [str(one) for one in CommandKind]}
            },
        },
    }


def _as_text(schema: dict[str, Any]) -> dict[str, Any]:
    """Give how a field looks in a form: null is leaving it out, and a list has commas."""
    chosen = next(
        (one for one in schema.get("anyOf", []) if one.get("type") != "null"), dict(schema)
    )
    if chosen.get("type") == "array":
        chosen = {"type": "string", "pattern": "^[^,]{1,100}(,[^,]{1,100}){0,99}$"}
    told = schema.get("description")
    return {**chosen, "description": told} if told else chosen
