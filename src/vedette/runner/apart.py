"""Processes apart: a source that killed its holders runs in one of its own, and can harm nobody."""

from __future__ import annotations

import logging
import subprocess
from collections.abc import Callable
from functools import partial

from vedette.domain.ids import RunnerId, SourceId
from vedette.store.base import Store
from vedette.store.statements import quarantine

log = logging.getLogger(__name__)

Spawn = Callable[[SourceId], "subprocess.Popen[bytes]"]

# More sources than this that crash decoders at once are no bad cameras but a bad installation.
CHILDREN_MAX = 8
# How long an ordered end of all children may take; then they are killed.
END_S = 4.0


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
            if source_id in self._children or len(self._children) >= CHILDREN_MAX:
                continue
            try:
                self._children[source_id] = self._spawn(source_id)
            except OSError as error:  # No memory or processes left; the next look tries again.
                log.error("no process for a source apart source=%s: %s", source_id, error.strerror)  # noqa: TRY400
                continue
            log.warning("source runs apart source=%s pid=%d", source_id,
                        self._children[source_id].pid)  # fmt: skip

    def end(self) -> None:
        """End all children in order, or kill them."""
        for child in self._children.values():
            child.terminate()
        for child in self._children.values():
            try:
                child.wait(END_S)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        self._children.clear()
