"""The housekeeper: settles, trims and sweeps at its own pace, beside whatever role hosts it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from vedette.blobs.base import Blobs
from vedette.clock import Clock
from vedette.domain.errors import EngineError
from vedette.domain.ids import TaskId
from vedette.results.retention import Retention
from vedette.results.settling import Settler
from vedette.results.steady import SteadyWall
from vedette.store.base import Store, Transaction
from vedette.store.statements import idempotency, tasks, uploads
from vedette.telemetry import Repeats

log = logging.getLogger(__name__)

HOUR_S = 3600.0
# Uploaded bytes that no source names are left alone for so long: their POST may still be going on.
UPLOAD_AGE_S = 6 * HOUR_S
# An answer is remembered for so long under its idempotency key.
ANSWER_AGE_S = 24 * HOUR_S
# A task that has ended can be read for so long.
TASK_AGE_S = 7 * 24 * HOUR_S
# Tasks forgotten in one transaction: others wait for it some milliseconds.
TASKS_MAX = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class HousekeeperOptions:
    """How often it does what.

    Attributes:
        settle_s: Fresh rows are looked at.
        sweep_s: Bytes and rows that nobody needs are looked for; listing is the dearer part.
    """

    settle_s: float = 5.0
    sweep_s: float = HOUR_S


class Housekeeper:
    """One housekeeper; any number may run at once. `run` is the body of its thread."""

    def __init__(
        self,
        store: Store,
        blobs: Blobs,
        clock: Clock,
        *,
        settler: Settler,
        retention: Retention,
        options: HousekeeperOptions | None = None,
    ) -> None:
        self._store = store
        self._blobs = blobs
        self._clock = clock
        self._settler = settler
        self._retention = retention
        self._options = options or HousekeeperOptions()
        self._wall = SteadyWall()
        self._sweep_at_s = clock.monotonic_s()
        self._stopped = threading.Event()
        self._repeats = Repeats(log, "rounds that an engine did not answer", clock=clock)

    def run(self) -> None:
        """Keep house until `stop`."""
        while not self._stopped.wait(self._options.settle_s):
            self.run_once()

    def run_once(self) -> None:
        """Do one round; the dearer part of it where that is due. Failures are logged."""
        self._attempt(self._settler.run_once)
        self._attempt(self._retention.run_once)
        if self._clock.monotonic_s() < self._sweep_at_s:
            return
        self._sweep_at_s = self._clock.monotonic_s() + self._options.sweep_s
        self._attempt(self._settler.collect_orphans)
        self._attempt(self.collect_uploads)
        self._attempt(self.forget_answers)
        self._attempt(self.forget_tasks)

    def stop(self) -> None:
        """Ask `run` to end after the work in hand; returns at once."""
        self._stopped.set()

    def collect_uploads(self) -> int:
        """Delete uploaded bytes that no source names; give how many.

        Raises:
            StoreUnavailable, BlobsUnavailable: waiting may help.
        """
        before = self._clock.now() - timedelta(seconds=UPLOAD_AGE_S)
        old = [one.key for one in self._blobs.list(uploads.PREFIX) if one.put_at < before]
        lost = self._store.read(partial(uploads.unnamed, keys=old)) if old else []
        self._blobs.delete(lost)
        return len(lost)

    def forget_answers(self) -> int:
        """Forget what was answered long ago under idempotency keys; give how many.

        Raises:
            StoreUnavailable: waiting may help.
        """

        def work(transaction: Transaction) -> int:
            at_ms = transaction.wall_ms - round(ANSWER_AGE_S * 1000)
            return idempotency.forget_before(transaction, at_ms)

        return self._store.write(work)

    def forget_tasks(self) -> int:
        """Forget tasks that ended long ago; give how many.

        Raises:
            StoreUnavailable: waiting may help; what was done stands.
        """

        def old(transaction: Transaction) -> list[TaskId]:
            at_ms = self._wall.now_ms(transaction) - round(TASK_AGE_S * 1000)
            return tasks.ended_before(transaction, at_ms, limit=TASKS_MAX)

        forgotten = 0
        # They are looked for without the write lock: there may be very many that are not old.
        while found := self._store.read(old):
            forgotten += self._store.write(partial(tasks.forget, ids=found))
        return forgotten

    def _attempt(self, act: Callable[[], object]) -> None:
        if self._stopped.is_set():
            return
        try:
            act()
        except EngineError as error:
            self._repeats.add(str(error))
        except Exception:
            # A mistake of ours in one round must not end all later ones.
            log.exception("a round of housekeeping failed")
