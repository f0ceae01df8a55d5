"""FFmpeg's errors told in our words: who must act, whether waiting helps, and no password."""

from __future__ import annotations

from av import error as av_error
from av.error import FFmpegError

from vedette.domain.errors import (
    BadInput,
    SourceBrokeOff,
    SourceEnded,
    SourceRefused,
    SourceUnreachable,
    StreamCause,
    VedetteError,
)
from vedette.sources.address import redact, without_credentials

# FFmpeg gives up a little before or after the time it was told.
_TIMEOUT_SHARE = 0.9


def bare(error: FFmpegError) -> FFmpegError:
    """Give the error without credentials: FFmpeg quotes the whole address in it."""
    filename = without_credentials(str(error.filename)) if error.filename else None
    return type(error)(error.errno or 0, redact(str(error.strerror)), filename)


def open_failure(
    name: str, error: FFmpegError, *, waited_s: float, timeout_s: float, tls: bool
) -> VedetteError:
    """Tell why a network stream could not be opened, after waiting `waited_s`."""
    why = redact(str(error.strerror))
    timed_out = isinstance(error, av_error.ExitError | av_error.TimeoutError)
    failure: VedetteError
    if isinstance(error, av_error.HTTPUnauthorizedError | av_error.HTTPForbiddenError):
        what = "wrong or missing user name or password"
        failure = SourceRefused(f"{name}: {what}", cause=StreamCause.AUTH_FAILED)
    elif isinstance(error, av_error.HTTPNotFoundError):
        what = "there is nothing under this path (404)"
        failure = SourceRefused(f"{name}: {what}", cause=StreamCause.NOT_FOUND)
    elif isinstance(error, av_error.HTTPError):
        failure = SourceRefused(f"{name}: {why}", cause=StreamCause.CONNECTION_FAILED)
    elif timed_out or waited_s >= timeout_s * _TIMEOUT_SHARE:
        what = f"no answer in {waited_s:.1f} s"
        failure = SourceUnreachable(f"{name}: {what}", cause=StreamCause.TIMEOUT)
    elif isinstance(error, av_error.ConnectionRefusedError):
        what = "connection refused; nothing listens there"
        failure = SourceUnreachable(f"{name}: {what}", cause=StreamCause.CONNECTION_FAILED)
    elif isinstance(error, av_error.ProtocolNotFoundError | av_error.DemuxerNotFoundError):
        failure = BadInput(f"{name}: {why}; Vedette does not read this kind of stream")
    elif isinstance(error, av_error.InvalidDataError):
        what = "it answered with something that is no video"
        failure = SourceRefused(f"{name}: {what}", cause=StreamCause.CONNECTION_FAILED)
    else:
        # FFmpeg says no more than "input/output error" of a name that is unknown.
        what = f"no {'TLS ' if tls else ''}connection ({why}); check host and port"
        cause = StreamCause.TLS_FAILED if tls else StreamCause.CONNECTION_FAILED
        failure = SourceUnreachable(f"{name}: {what}", cause=cause)
    return failure


def read_failure(
    name: str, error: FFmpegError, *, live: bool, remote: bool, end_s: float
) -> VedetteError:
    """Tell why an open stream gave no more; a `remote` one comes over a network."""
    if isinstance(error, av_error.ExitError | av_error.TimeoutError):
        return SourceUnreachable(
            f"{name}: the stream fell silent; no picture within the read timeout",
            cause=StreamCause.STALLED,
        )
    why = redact(str(error.strerror))
    if not live:
        return cut_off(name, f"reading failed ({why})", remote=remote, end_s=end_s)
    return SourceEnded(f"{name}: the stream broke off ({why})", cause=StreamCause.SOURCE_ENDED)


def cut_off(name: str, what: str, *, remote: bool, end_s: float) -> SourceEnded:
    """Tell that a file is shorter than it says, and how to analyse the part that is there."""
    readable_s = int(end_s * 10) / 10  # Down, so that the advice stays within what is there.
    advice = f"--limit {readable_s:g}s analyses the part that is there"
    kind = SourceBrokeOff if remote else SourceEnded
    return kind(
        f"{name}: {what}; it ends at {end_s:.2f} s; {advice if readable_s else 'nothing is there'}",
        cause=StreamCause.SOURCE_ENDED,
    )
