"""What every subject of the API works with."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime

from vedette.api.options import ApiOptions
from vedette.blobs.base import Blobs
from vedette.bus.base import Bus, Message, wake
from vedette.bus.topics import COMMANDS
from vedette.clock import Clock
from vedette.domain.ids import uuid7
from vedette.sealing import Seal
from vedette.store.base import Store

PAGE_MAX = 1000
PAGE_DEFAULT = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The engines behind their doors, and what is shared by all requests.

    Attributes:
        store: What is remembered.
        bus: Wakes the orchestrator.
        blobs: Where uploads go, and settled predictions come from.
        seal: For addresses with passwords.
        clock: For the ids of what is made.
        options: See there.
        threads: For uploads, which block for as long as they last.
        name_threads: For asking names, which block for as long as their servers like.
        randomness: Gives that many random bytes, for ids.
    """

    store: Store
    bus: Bus
    blobs: Blobs
    seal: Seal
    clock: Clock
    options: ApiOptions
    threads: ThreadPoolExecutor
    name_threads: ThreadPoolExecutor
    randomness: Callable[[int], bytes] = field(default=os.urandom)

    def new_id(self) -> str:
        """Give a UUIDv7."""
        wall_ms = round(self.clock.now().timestamp() * 1000)
        return uuid7(wall_ms, self.randomness(10))

    def wake_orchestrator(self, scenario_id: str) -> None:
        """Say that a command was accepted; if nobody hears, it is found by looking."""
        wake(self.bus, Message(COMMANDS, scenario_id))


def moment(at_ms: int) -> datetime:
    """Give wall time as the outside reads it."""
    return datetime.fromtimestamp(at_ms / 1000, UTC)


def moment_or_none(at_ms: int | None) -> datetime | None:
    """Likewise, where it may be unknown."""
    return None if at_ms is None else moment(at_ms)
