"""Processes apart: a source that killed its holders runs in one of its own, and can harm nobody."""

from __future__ import annotations

import logging
import subprocess
import time
from collections.abc import Callable
from functools import partial

from vedette.domain.ids import RunnerId, SourceId
from vedette.store.base import Store
from vedette.store.statements import quarantine

log = logging.getLogger(__name__)

Spawn = Callable[[SourceId], "subprocess.Popen[bytes]"]


class Apart:
    """Starts a process for every source put apart that waits for one; for one thread."""

    def __init__(self, runner_id: RunnerId, store: Store, spawn: Spawn) -> None:
        self._runner_id = runner_id
        self._store = store
        self._spawn = spawn
        self._children: dict[SourceId, subprocess.Popen[bytes]] = {}

    def look(self) -> None:
        """Start what is missing; collect what has ended.

        Raises:
            StoreUnavailable: waiting may help.
        """
        for source_id, child in list(self._children.items()):
            if child.poll() is not None:
                del self._children[source_id]
        question = partial(quarantine.waiting_apart, runner_id=self._runner_id)
        for source_id in self._store.read(question):
            if source_id in self._children or len(self._children) >= quarantine.APART_MAX:
                continue
            try:
                self._children[source_id] = self._spawn(source_id)
            except OSError as error:  # No memory or processes left; the next look tries again.
                log.error("no process for a source apart source=%s: %s", source_id, error.strerror)  # noqa: TRY400
                continue
            log.warning("source runs apart source=%s pid=%d", source_id,
                        self._children[source_id].pid)  # fmt: skip

    def begin_end(self) -> None:
        """Ask all children to end in order; returns at once."""
        for child in self._children.values():
            child.terminate()

    def end(self, patience_s: float) -> None:
        """Wait until all children have ended, so long in all, and kill those that have not."""
        end_mono_s = time.monotonic() + patience_s
        for child in self._children.values():
            try:
                child.wait(max(0.0, end_mono_s - time.monotonic()))
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        self._children.clear()
