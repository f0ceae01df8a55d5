"""Every error Vedette raises on purpose.

VedetteError
├── UsageError            the caller can mend it
│   ├── NotFound          nothing has that name
│   ├── Conflict          it is there already, or in use
│   └── BadInput          what was given cannot be used
├── ConfigError           the operator can mend it: a setting, a folder, a missing part
├── SourceError           the camera's (or file's) side; carries a `StreamCause`
│   ├── SourceUnreachable waiting may help
│   ├── SourceRefused     it answered, and said no
│   ├── SourceEnded       a live stream stopped, or a file is shorter than it says
│   └── DecodeFailed      its bytes are no pictures
├── DetectorError         the model's side
│   ├── DetectorBusy      its queue is full; skip this frame
│   ├── DetectorUnavailable no answer in time
│   └── ModelUnreadable   the model file cannot be used
├── Stopped               somebody stopped it before it began
└── SinkError             where results go
    ├── SinkUnavailable   waiting may help
    └── SinkRefused       a place cannot be written
        └── SinkClosed    its reader has gone (`| head`): stop, nothing is wrong

The class says who must act; `retry` says whether waiting is worth it. Exit codes stand in
`cli/exits.py` alone. A message says what happened, to what, and what to do; never a password.
"""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar


class StreamCause(StrEnum):
    """Why a stream gives no pictures; the words the outside sees."""

    AUTH_FAILED = "AUTH_FAILED"
    NOT_FOUND = "NOT_FOUND"
    TIMEOUT = "TIMEOUT"
    CONNECTION_FAILED = "CONNECTION_FAILED"
    TLS_FAILED = "TLS_FAILED"
    CODEC_UNSUPPORTED = "CODEC_UNSUPPORTED"
    STALLED = "STALLED"
    FROZEN = "FROZEN"
    DECODE_FAILED = "DECODE_FAILED"
    FORMAT_CHANGED = "FORMAT_CHANGED"
    SESSION_LIMIT = "SESSION_LIMIT"
    PTS_JUMP = "PTS_JUMP"
    LOW_FPS = "LOW_FPS"
    SOURCE_ENDED = "SOURCE_ENDED"


class VedetteError(Exception):
    """Something Vedette foresaw went wrong."""

    retry: ClassVar[bool] = False


class UsageError(VedetteError):
    """The caller can mend it."""


class NotFound(UsageError):
    """Nothing has that name."""


class Conflict(UsageError):
    """It is there already, or in use."""


class BadInput(UsageError):
    """What was given cannot be used."""


class ConfigError(VedetteError):
    """The operator can mend it: a setting, a folder, a missing part."""


class SourceError(VedetteError):
    """The camera's (or file's) side."""

    def __init__(self, message: str, *, cause: StreamCause) -> None:
        super().__init__(message)
        self.cause = cause


class SourceUnreachable(SourceError):
    """No connection; waiting may help."""

    retry = True


class SourceRefused(SourceError):
    """It answered, and said no."""


class SourceEnded(SourceError):
    """A live stream stopped, or a file is shorter than it says."""

    retry = True


class DecodeFailed(SourceError):
    """Its bytes are no pictures."""

    retry = True


class DetectorError(VedetteError):
    """The model's side."""


class DetectorBusy(DetectorError):
    """Its queue is full; skip this frame."""

    retry = True


class DetectorUnavailable(DetectorError):
    """No answer in time."""

    retry = True


class ModelUnreadable(DetectorError):
    """The model file cannot be used."""


class Stopped(VedetteError):
    """Somebody stopped it before it began."""


class SinkError(VedetteError):
    """Where results go."""


class SinkUnavailable(SinkError):
    """Waiting may help."""

    retry = True


class SinkRefused(SinkError):
    """A place cannot be written."""


class SinkClosed(SinkRefused):
    """Its reader has gone (`| head`): stop, nothing is wrong."""
