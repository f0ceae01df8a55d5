"""Errors as the outside sees them: problem+json (RFC 9457) with a stable `code`.

The only file that knows which HTTP status an error has.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.routing import Match

from vedette.domain.errors import (
    BadInput,
    BlobsUnavailable,
    BusUnavailable,
    ConfigError,
    Conflict,
    DetectorBusy,
    DetectorError,
    DetectorUnavailable,
    EngineError,
    Forbidden,
    MessageUnreadable,
    ModelUnreadable,
    NotFound,
    SchemaMismatch,
    SinkError,
    SourceError,
    StaleToken,
    Stopped,
    StoreUnavailable,
    TooLarge,
    TransitionRefused,
    UsageError,
    VedetteError,
)
from vedette.sources.address import redact

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
# What waiting can mend is mended within a lease length, mostly within a second.
RETRY_AFTER_S = 1
_ERRORS_MAX = 20


class TokenRequired(UsageError):
    """The caller showed no token, or a wrong one."""


class CutOff(BadInput):
    """The caller did not send all it promised."""


class KindUnknown(BadInput):
    """The body is of a media type that is not read here."""


class Unreadable(BadInput):
    """The body is not what its media type says."""


class TooManyReaders(EngineError):
    """As many as may be are connected."""

    retry = True


_MEANINGS: Mapping[type[VedetteError], tuple[int, str]] = {
    VedetteError: (500, "INTERNAL"),
    UsageError: (400, "BAD_INPUT"),
    NotFound: (404, "NOT_FOUND"),
    Conflict: (409, "CONFLICT"),
    TransitionRefused: (409, "TRANSITION_REFUSED"),
    BadInput: (422, "BAD_INPUT"),
    TooLarge: (413, "TOO_LARGE"),
    CutOff: (400, "CUT_OFF"),
    KindUnknown: (415, "MEDIA_TYPE_UNKNOWN"),
    Unreadable: (400, "UNREADABLE"),
    Forbidden: (403, "FORBIDDEN"),
    TokenRequired: (401, "TOKEN_REQUIRED"),
    ConfigError: (500, "CONFIG"),
    SchemaMismatch: (503, "SCHEMA_MISMATCH"),
    SourceError: (502, "SOURCE"),
    DetectorError: (502, "DETECTOR"),
    DetectorBusy: (503, "DETECTOR_BUSY"),
    DetectorUnavailable: (503, "DETECTOR_UNAVAILABLE"),
    ModelUnreadable: (422, "MODEL_UNREADABLE"),
    Stopped: (409, "STOPPED"),
    SinkError: (500, "SINK"),
    EngineError: (500, "ENGINE"),
    StoreUnavailable: (503, "STORE_UNAVAILABLE"),
    StaleToken: (409, "STALE_TOKEN"),
    BusUnavailable: (503, "BUS_UNAVAILABLE"),
    MessageUnreadable: (500, "MESSAGE_UNREADABLE"),
    BlobsUnavailable: (503, "BLOBS_UNAVAILABLE"),
    TooManyReaders: (503, "TOO_MANY_READERS"),
}
# Answers that no error of ours stands behind.
_CODES = {400: "BAD_INPUT", 404: "NOT_FOUND", 405: "METHOD_NOT_ALLOWED", 413: "TOO_LARGE"}

SCHEMA: dict[str, Any] = {
    "title": "Problem",
    "description": "RFC 9457, with a code that stays the same from version to version.",
    "type": "object",
    "required": ["type", "title", "status", "detail", "code"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["where", "what"],
                "properties": {"where": {"type": "string"}, "what": {"type": "string"}},
            },
        },
    },
}


def problem_of(error: VedetteError) -> dict[str, Any]:
    """Give the problem of an error; never with a password."""
    status, code = meaning_of(error)
    detail = str(error) or (type(error).__doc__ or "")
    return problem(status, code, redact(detail))


def problem(
    status: int, code: str, detail: str, *, errors: Sequence[Mapping[str, str]] = ()
) -> dict[str, Any]:
    """Give a problem's JSON object."""
    said: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": _whole(detail),
        "code": code,
    }
    if errors:
        said["errors"] = [{key: _whole(value) for key, value in one.items()} for one in errors]
    return said


def _whole(text: str) -> str:
    """Give text that can be sent: JSON may hold halves of characters, UTF-8 may not."""
    return text.encode("utf-8", "replace").decode()


def meaning_of(error: VedetteError) -> tuple[int, str]:
    """Give status and code of an error: those of the nearest class that has one."""
    return next(_MEANINGS[kind] for kind in type(error).__mro__ if kind in _MEANINGS)


def answer(said: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> JSONResponse:
    """Give the response that bears a problem."""
    bears = dict(headers or {})
    if said["status"] == HTTPStatus.SERVICE_UNAVAILABLE:
        bears["Retry-After"] = str(RETRY_AFTER_S)
    if said["status"] == HTTPStatus.UNAUTHORIZED:
        bears["WWW-Authenticate"] = "Bearer"
    return JSONResponse(said, said["status"], bears, MEDIA_TYPE)


def declared(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Give what a route declares: these statuses, and those that any route may answer."""
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    everywhere = {400, 401, 403, 413, 422, 500, 503}
    return {
        status: {"description": HTTPStatus(status).phrase, "content": content}
        for status in sorted(everywhere | set(statuses))
    }


def set_up(app: FastAPI) -> None:
    """Have every error answered as a problem."""
    app.add_exception_handler(VedetteError, _foreseen)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(ValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _unforeseen)


async def _foreseen(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, VedetteError)
    said = problem_of(error)
    if said["status"] >= HTTPStatus.INTERNAL_SERVER_ERROR:
        log.warning("%s: %s", said["code"], said["detail"])
    return answer(said)


async def _invalid(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError | ValidationError)
    # Only where and what: the value itself may be an address with a password.
    wrong = [
        {"where": ".".join(str(step) for step in one["loc"])[:200], "what": str(one["msg"])[:500]}
        for one in error.errors()[:_ERRORS_MAX]
    ]
    if any(one["type"] == "json_invalid" for one in error.errors()):
        return answer(problem(400, "UNREADABLE", "the body is no JSON", errors=wrong))
    first = wrong[0] if wrong else {"where": "request", "what": "is wrong"}
    return answer(problem(422, "BAD_INPUT", f"{first['where']}: {first['what']}", errors=wrong))


async def _http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    headers = dict(error.headers or {})
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = ", ".join(_methods(request))
    code = _CODES.get(error.status_code, HTTPStatus(error.status_code).name)
    return answer(problem(error.status_code, code, str(error.detail)), headers)


def _methods(request: Request) -> list[str]:
    """Give what may be asked at a path: several routes may share it, and the first one answered."""
    allowed: set[str] = set()
    for route in request.app.router.routes:
        if route.matches(request.scope)[0] is not Match.NONE:
            allowed |= getattr(route, "methods", None) or set()
    return sorted(allowed)


async def _unforeseen(_: Request, __: Exception) -> JSONResponse:
    # The server logs the traceback; the caller learns nothing of it.
    return answer(problem(500, "INTERNAL", "something went wrong that was not foreseen"))
