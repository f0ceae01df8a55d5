"""Threads that may not be had: a machine has a limit of them, and so has a container."""

from __future__ import annotations

import threading

from vedette.domain.errors import NoRoom


def begin(thread: threading.Thread) -> None:
    """Start a thread.

    Raises:
        NoRoom: the machine gives no more threads; whoever asks again later may get one.
    """
    try:
        thread.start()
    except RuntimeError as error:
        # Python says both by this; a thread that was started before is the programmer's mistake.
        if thread.ident is not None:
            raise
        raise NoRoom(
            "the machine gives no more threads; raise its limit (ulimit -u, or pids of the "
            "container), or run fewer sources on it"
        ) from error
