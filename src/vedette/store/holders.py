"""Who lives: locks that the kernel lets go of when, and only when, their process is gone."""

from __future__ import annotations

import fcntl
import os
import threading
import time
import weakref
from contextlib import suppress
from pathlib import Path

from vedette.domain.errors import Conflict, StoreUnavailable

# Whoever asks `is_dead` has the lock for some microseconds; longer means that somebody lives.
_TRY_S = 0.5
_PAUSE_S = 0.01


class Holders:
    """One file per runner, locked by the process that lives as it; its text is the incarnation."""

    def __init__(self, folder: Path) -> None:
        """Look in `folder`, made when the first runner is announced."""
        self._folder = folder
        self._own: dict[str, int] = {}
        self._changing = threading.Lock()
        _ALL.add(self)

    def announce(self, runner_id: str, incarnation: str) -> None:
        """Show that this process lives as that runner; again to begin a new incarnation.

        Raises:
            Conflict: another process lives as it.
            StoreUnavailable: the folder cannot be written.
        """
        with self._changing:
            try:
                if runner_id not in self._own:
                    self._own[runner_id] = self._lock(runner_id)
                descriptor = self._own[runner_id]
                os.pwrite(descriptor, incarnation.encode(), 0)
                os.ftruncate(descriptor, len(incarnation.encode()))
            except OSError as error:
                raise StoreUnavailable(
                    f"{self._path(runner_id)}: {error.strerror or error}"
                ) from error

    def withdraw(self, runner_id: str) -> None:
        """Take `announce` back."""
        with self._changing:
            descriptor = self._own.pop(runner_id, None)
            if descriptor is not None:
                os.close(descriptor)

    def withdraw_all(self) -> None:
        """Take every `announce` back."""
        for runner_id in list(self._own):
            self.withdraw(runner_id)

    def is_dead(self, runner_id: str, incarnation: str) -> bool:
        """Tell whether that incarnation is proven gone."""
        try:
            descriptor = os.open(self._path(runner_id), os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return False  # Not one of this folder's: only its silence can tell.
        try:
            with suppress(BlockingIOError):
                fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
                return True
            return os.pread(descriptor, 256, 0).decode() not in {incarnation, ""}
        finally:
            os.close(descriptor)

    def _lock(self, runner_id: str) -> int:
        path = self._path(runner_id)
        path.parent.mkdir(exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        until_s = time.monotonic() + _TRY_S
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                if time.monotonic() < until_s:
                    time.sleep(_PAUSE_S)
                    continue
                os.close(descriptor)
                raise Conflict(
                    f"runner '{runner_id}': another process runs under this name; stop it, or "
                    "choose another name"
                ) from error
            return descriptor

    def _path(self, runner_id: str) -> Path:
        return self._folder / f"{runner_id}.lock"

    def _let_go_in_child(self) -> None:
        for descriptor in self._own.values():
            with suppress(OSError):
                os.close(descriptor)
        self._own.clear()


def _after_fork() -> None:
    """Leave our locks to the parent: a child that kept them would hide its parent's death."""
    for holders in list(_ALL):
        holders._let_go_in_child()  # noqa: SLF001  (of this file)


_ALL: weakref.WeakSet[Holders] = weakref.WeakSet()
os.register_at_fork(after_in_child=_after_fork)
