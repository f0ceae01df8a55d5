"""Every error Vedette raises on purpose.

VedetteError
├── UsageError            the caller can mend it
│   ├── NotFound          nothing has that name
│   ├── Conflict          it is there already, or in use
│   │   └── TransitionRefused   not in the state it is in
│   ├── BadInput          what was given cannot be used
│   │   └── TooLarge      more than the limit
│   └── Forbidden         the operator's policy does not allow it
├── ConfigError           the operator can mend it: a setting, a folder, a missing part
│   └── SchemaMismatch    the database is foreign, newer than this program, or damaged
├── SourceError           the camera's (or file's) side; carries a `StreamCause`
│   ├── SourceUnreachable waiting may help
│   ├── SourceRefused     it answered, and said no
│   ├── SourceEnded       a live stream stopped, or a file is shorter than it says
│   │   └── SourceBrokeOff   on its way over a network: it may come whole the next time
│   └── DecodeFailed      its bytes are no pictures
├── DetectorError         the model's side
│   ├── DetectorBusy      its queue is full; skip this frame
│   ├── DetectorUnavailable no answer in time
│   └── ModelUnreadable   the model file cannot be used
├── Stopped               somebody stopped it before it began
├── SinkError             where results go
│   ├── SinkUnavailable   waiting may help
│   └── SinkRefused       a place cannot be written
│       └── SinkClosed    its reader has gone (`| head`): stop, nothing is wrong
└── EngineError           store, bus or blobs
    ├── StoreUnavailable  waiting may help
    ├── StaleToken        the work was given to somebody else: stop at once
    ├── BusUnavailable    waiting may help
    ├── MessageUnreadable it is none of ours
    ├── NoRoom            the machine gives no more threads; waiting may help
    └── BlobsUnavailable  waiting may help

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


class TransitionRefused(Conflict):
    """It cannot be done in the state it is in."""


class BadInput(UsageError):
    """What was given cannot be used."""


class TooLarge(BadInput):
    """It is more than the limit."""


class Forbidden(UsageError):
    """The operator's policy does not allow it."""


class ConfigError(VedetteError):
    """The operator can mend it: a setting, a folder, a missing part."""


class SchemaMismatch(ConfigError):
    """The database is foreign, newer than this program, or damaged."""


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


class SourceBrokeOff(SourceEnded):
    """A file broke off on its way over a network; it may come whole the next time."""


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


class EngineError(VedetteError):
    """Store, bus or blobs."""


class StoreUnavailable(EngineError):
    """The database does not answer; waiting may help."""

    retry: ClassVar[bool] = True


class StaleToken(EngineError):
    """The work was given to somebody else: stop at once."""


class BusUnavailable(EngineError):
    """The broker does not answer; waiting may help."""

    retry: ClassVar[bool] = True


class NoRoom(EngineError):
    """The machine gives no more threads; waiting may help."""

    retry: ClassVar[bool] = True


class MessageUnreadable(EngineError):
    """A message is none of ours."""


class BlobsUnavailable(EngineError):
    """The object store does not answer; waiting may help."""

    retry: ClassVar[bool] = True
