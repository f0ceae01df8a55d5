"""What callers may ask for: the bodies of requests, checked."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import parse_qsl

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from starlette.requests import Request

from vedette.analytics.scene_file import parse_scene
from vedette.api.problems import KindUnknown, Unreadable
from vedette.detectors.choice import MOTION
from vedette.domain.errors import BadInput, Forbidden
from vedette.domain.parameters import Parameters
from vedette.domain.tiles import TILES_PATTERN, no_tiles_for, parse_tiles
from vedette.domain.zone import ScenePlan
from vedette.sources.policy import ADDRESS_CHARACTERS_MAX, file_path

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"

_DETECTOR_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_FPS_MAX = 1000
_KEY = re.compile("[!-~]{1,255}")

_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)")
# Beyond these, adding the length of a recording may leave what a date can be.
_YEARS = (1970, 9000)


def _written_out(value: object) -> object:
    if not isinstance(value, str) or not _MOMENT.fullmatch(value):
        raise ValueError("write a time as RFC 3339 does, such as 2026-03-01T12:00:00Z")
    return value


def _thinkable(at: datetime) -> datetime:
    if not _YEARS[0] <= at.year <= _YEARS[1]:
        raise ValueError(f"the year is between {_YEARS[0]} and {_YEARS[1]}")
    return at


Moment = Annotated[
    datetime,
    Field(strict=False),  # Bodies are read strictly, where no text is a time.
    BeforeValidator(_written_out),
    AfterValidator(_thinkable),
]
"""Wall time with its zone, and in no other form than RFC 3339's."""

Label = Annotated[str, Field(min_length=1, max_length=100)]


class CommandKind(StrEnum):
    """What a scenario may be told."""

    START = "start"
    STOP = "stop"


class CommandAsked(BaseModel):
    """A command, as a body."""

    model_config = ConfigDict(extra="forbid")

    command: CommandKind


class ScenarioAsked(BaseModel):
    """A new scenario: one of `url` and `source_id` (or an uploaded video), and how to look."""

    model_config = ConfigDict(extra="forbid")

    url: Annotated[
        str | None,
        Field(
            max_length=ADDRESS_CHARACTERS_MAX,
            description="Address of a stream or video (rtsp, rtsps, http, https, udp, synthetic), "
            "or the path of a file below a folder that the operator opened.",
        ),
    ] = None
    source_id: Annotated[
        str | None, Field(max_length=100, description="A source that is registered already.")
    ] = None
    detector: Annotated[
        str,
        Field(
            min_length=1,
            max_length=ADDRESS_CHARACTERS_MAX,
            description="`auto`, `motion`, or the name of an installed model.",
        ),
    ] = "auto"
    classes: Annotated[
        list[Label] | None,
        Field(min_length=1, max_length=100, description="Labels to keep; null keeps all."),
    ] = None
    confidence: Annotated[
        float | None, Field(gt=0, le=1, description="From which a detection counts.")
    ] = None
    fps: Annotated[
        float | None,
        Field(ge=0.001, le=_FPS_MAX, description="Looks per second; null looks at all."),
    ] = None
    tiles: Annotated[
        str | None,
        Field(
            pattern=TILES_PATTERN,
            description="Columns x rows, such as `2x2`: each picture is looked at in so many "
            "overlapping tiles as well (at most 16), for small objects; a look more per tile.",
        ),
    ] = None
    scene: Annotated[
        str | None,
        Field(description="Zones and lines: the text of a scene file, in YAML or JSON."),
    ] = None
    recorded_at: Annotated[
        Moment | None, Field(description="When a recording began; rows bear times from it.")
    ] = None

    def parameters(self, folders: Sequence[Path]) -> Parameters:
        """Give them as the domain has them.

        Raises:
            BadInput: the scene is wrong, or tiles are too many or not for this detector.
            Forbidden: the detector is a file that callers may not name.
        """
        tiles = None if self.tiles is None else parse_tiles(self.tiles)
        if tiles is not None and self.detector == MOTION:
            raise no_tiles_for(MOTION, tiles)
        return Parameters(
            detector=_detector(self.detector, folders),
            classes=None if self.classes is None else tuple(self.classes),
            confidence=self.confidence,
            fps=self.fps,
            tiles=tiles,
            plan=ScenePlan() if self.scene is None else parse_scene(self.scene, "scene"),
            recorded_at=self.recorded_at,
        )


class _WrittenStrictly(ScenarioAsked):
    """JSON has numbers and lists of its own, so none is read out of a text."""

    model_config = ConfigDict(strict=True)


def scenario_asked_in_json(body: bytes) -> ScenarioAsked:
    """Read a JSON body.

    Raises:
        pydantic.ValidationError: it is no JSON, or a field is unknown or wrong.
    """
    return _WrittenStrictly.model_validate_json(body)


def scenario_asked_in_form(fields: Mapping[str, str]) -> ScenarioAsked:
    """Read what a form holds: texts alone, `classes` parted by commas.

    Raises:
        pydantic.ValidationError: a field is unknown or wrong.
    """
    given: dict[str, Any] = dict(fields)
    if "classes" in given:
        given["classes"] = [one.strip() for one in given["classes"].split(",")]
    return ScenarioAsked.model_validate(given)


async def form_fields(request: Request) -> dict[str, str]:
    """Read a body of `key=value&…`.

    Raises:
        Unreadable: it is none.
        BadInput: a key stands there twice.
    """
    try:
        text = (await request.body()).decode()
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=100)
    except ValueError as error:
        raise Unreadable("the body is no form that can be read") from error
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise BadInput("a field stands in the form twice; give it once")
    return fields


def media_type(request: Request, known: Collection[str]) -> str:
    """Give the body's media type.

    Raises:
        KindUnknown: none of those known.
    """
    named = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if named not in known:
        raise KindUnknown(f"the body is '{named[:100]}'; send {' or '.join(known)}")
    return named


def idempotency_key(request: Request) -> str | None:
    """Give the caller's idempotency key, if it sent one.

    Raises:
        BadInput: it is too long, or not printable ASCII.
    """
    key = request.headers.get("idempotency-key")
    if key is not None and not _KEY.fullmatch(key):
        raise BadInput("an Idempotency-Key is 1 to 255 letters, digits and signs of ASCII")
    return key


def _detector(name: str, folders: Sequence[Path]) -> str:
    if _DETECTOR_NAME.fullmatch(name) and Path(name).suffix != ".onnx":
        return name
    if not name.isprintable() or not Path(name).is_absolute():
        raise Forbidden(f"detector '{name[:100]}': name 'auto', 'motion' or an installed model")
    return str(file_path(name, folders))
