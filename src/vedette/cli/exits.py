"""Errors → what a person reads and the exit code a program reads."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import typer

from vedette.domain.errors import ConfigError, SinkRefused, Stopped, UsageError, VedetteError

DONE = 0
CALLERS_MISTAKE = 2  # Also what the command line itself answers to an unknown option.
ENGINES_FAULT = 3  # The camera's, the model's or an engine's.
INTERRUPTED = 130  # 128 + SIGINT, as shells have it.

P = ParamSpec("P")
R = TypeVar("R")


def exit_code(error: VedetteError) -> int:
    """Give the exit code that says who must act."""
    if isinstance(error, Stopped):
        return INTERRUPTED
    # A place that refuses was named by the caller, and a full disk is the operator's to empty.
    mendable = isinstance(error, UsageError | ConfigError | SinkRefused)
    return CALLERS_MISTAKE if mendable else ENGINES_FAULT


def tells_errors(verb: Callable[P, R]) -> Callable[P, R]:
    """Make a verb end with one sentence and the right exit code instead of a traceback."""

    @functools.wraps(verb)
    def told(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return verb(*args, **kwargs)
        except VedetteError as error:
            print(f"vedette: {error}", file=sys.stderr)
            raise typer.Exit(exit_code(error)) from error
        except KeyboardInterrupt as error:
            print("vedette: interrupted", file=sys.stderr)
            raise typer.Exit(INTERRUPTED) from error
        except BrokenPipeError as error:
            # Whoever read our output has enough, like `head`. Standard output is gone: point it
            # elsewhere, or Python complains while it shuts down.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(DONE) from error

    return told
