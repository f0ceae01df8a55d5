"""The watchdog: finds holders that died or fell silent, and takes their sources and tasks away.

Taking away is always safe, for old tokens are refused; doing so without need costs a failover. So
a process that is proven dead loses its sources at once, and silence counts only while the store
itself, and our own looking at it, was well for one lease length: a runner cannot renew at a store
that is away, nor while the whole machine sleeps.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from concurrent.futures import Future, wait
from functools import partial

from vedette.orchestrator.options import OrchestratorOptions
from vedette.orchestrator.steps import lose_holder
from vedette.store.base import Store, Transaction
from vedette.store.last_words import Evidence, LastWords
from vedette.store.statements import leases, tasks, watching
from vedette.store.statements.quarantine import note_death
from vedette.store.statements.scenarios import scenarios_on
from vedette.store.statements.watching import Life, LossCause, Lost

log = logging.getLogger(__name__)

_SENTENCES = {
    LossCause.DIED: "runner '{}' died",
    LossCause.REPLACED: "runner '{}' was started anew",
    LossCause.SILENT: "runner '{}' fell silent",
    LossCause.VOID: "the leases of runner '{}' are void: it retired, or its machine was restarted",
}


# Of a lease's length. A renewal so late is overdue, as runners renew three times a lease; ...
OVERDUE_SHARE = 0.45
# ... and a write of ours that waits so long then says that the renewal may be waiting as well.
SLOW_SHARE = 0.1
# Tasks are held for long; to see one overdue a second later is soon enough.
TASKS_LOOK_MS = 1000


def _written_at(transaction: Transaction) -> int:
    return transaction.now_ms


class Watchdog:
    """Looks for lost holders; for one thread. All times are the store's."""

    def __init__(
        self, store: Store, options: OrchestratorOptions, last_words: LastWords | None = None
    ) -> None:
        self._store = store
        self._options = options
        self._last_words = last_words
        # What the lives that are over said as they ended; read before the transaction.
        self._evidence: dict[Life, Evidence | None] = {}
        # A gap in our own looking, or a write that waits so long, is no time of being well.
        self._gap_ms = round(options.lease_s * 1000 / 2)
        self._looked_ms: int | None = None
        self._well_since_ms: int | None = None
        self._is_overdue = False
        # A write of our own on its way, and when it was asked for.
        self._trial: Future[int] | None = None
        self._trial_ms = 0
        self._tasks_due_ms = 0  # Tasks are not looked at before.

    def look(self) -> int:
        """Take away what was lost; give how many sources.

        Raises:
            StoreUnavailable: the store does not answer; call `distrust`.
        """
        total = self._look_at_sources()
        self._look_at_tasks()
        return total

    def dead(self, lives: Collection[Life]) -> set[Life]:
        """Give the lives that are proven over."""
        ids = self._store.dead(lives)
        return {life for life in lives if life[0] in ids}

    def distrust(self) -> None:
        """Take note that the store did not answer."""
        self._looked_ms = None

    def _look_at_sources(self) -> int:
        now_ms, lives, is_lost = self._store.read(self._watch)
        self._try_writing(now_ms)
        dead = self.dead(lives)
        if dead or is_lost:
            self._read_last_words()
        if dead:
            self._store.write(partial(watching.bury, dead=dead))
        elif not is_lost:
            return 0
        total = 0
        while True:
            taken = self._store.write(partial(self._take_away, dead=dead, asked_ms=now_ms))
            for one in taken:
                log.warning("source taken away %s", one)
            total += len(taken)
            if len(taken) < self._options.batch_max:
                return total

    def _look_at_tasks(self) -> None:
        """Give back the tasks of silent workers, who could renew no better than runners can."""
        now_ms = self._looked_ms
        before_ms = None if now_ms is None else self._silent_before_ms(now_ms)
        if now_ms is None or before_ms is None or now_ms < self._tasks_due_ms:
            return
        if not self._store.read(partial(tasks.has_overdue, before_ms=before_ms)):
            self._tasks_due_ms = now_ms + TASKS_LOOK_MS
            return
        batch_max = self._options.batch_max
        give_back = partial(tasks.give_back_overdue, before_ms=before_ms, limit=batch_max)
        given_back = 0
        while True:
            done = self._store.write(give_back)
            given_back += done
            if done < batch_max:
                break
        log.warning("tasks taken from workers that fell silent tasks=%d", given_back)
        self._tasks_due_ms = now_ms + TASKS_LOOK_MS

    def _read_last_words(self) -> None:
        if self._last_words is None:
            return
        holders = self._store.read(watching.holders)
        self._evidence = {life: self._last_words.of(*life) for life in holders}

    def _watch(self, transaction: Transaction) -> tuple[int, list[Life], bool]:
        """Give the store's time, whom to ask for, and whether a lease is lost in any case."""
        now_ms, lives = watching.watched(transaction)
        self._see(now_ms)
        left_ms = round(self._options.lease_s * 1000 * (1 - OVERDUE_SHARE))
        self._is_overdue = watching.is_overdue(transaction, before_ms=now_ms + left_ms)
        return now_ms, lives, bool(self._find(transaction, dead=(), limit=1))

    def _try_writing(self, now_ms: int) -> None:
        """While a renewal is overdue, keep a write of our own on its way and see how long it waits.

        Reads go through while another process sits on the write lock, and a renewal cannot: without
        this, a store that stalls again and again looks well, and its healthy runners silent.
        """
        if self._trial is None:
            if not self._is_overdue:
                return
            self._trial = self._store.submit(_written_at)
            self._trial_ms = now_ms
        slow_s = self._options.lease_s * SLOW_SHARE
        wait([self._trial], timeout=slow_s)
        if not self._trial.done():
            self._well_since_ms = now_ms
            return
        trial, self._trial = self._trial, None
        if trial.result() - self._trial_ms > slow_s * 1000:
            self._well_since_ms = max(now_ms, trial.result())

    def _see(self, now_ms: int) -> None:
        """Keep account of how long the store has been well."""
        if self._looked_ms is None or now_ms - self._looked_ms > self._gap_ms:
            self._well_since_ms = now_ms
        self._looked_ms = now_ms

    def _find(self, transaction: Transaction, dead: Collection[Life], limit: int) -> list[Lost]:
        return watching.lost(
            transaction,
            dead=dead,
            silent_before_ms=self._silent_before_ms(transaction.now_ms),
            limit=limit,
        )

    def _silent_before_ms(self, now_ms: int) -> int | None:
        well_since_ms = self._well_since_ms
        if well_since_ms is None or now_ms - well_since_ms < self._options.lease_s * 1000:
            return None
        return now_ms - round(self._options.margin_s * 1000)

    def _take_away(
        self, transaction: Transaction, dead: Collection[Life], asked_ms: int
    ) -> list[str]:
        if transaction.now_ms - asked_ms > self._gap_ms:
            # Our own write had to wait, so the renewals had to as well.
            self._well_since_ms = transaction.now_ms
        lost = self._find(transaction, dead, self._options.batch_max)
        return [self._take_one(transaction, one) for one in lost]

    def _take_one(self, transaction: Transaction, lost: Lost) -> str:
        """Fence the old holder off first; then its scenarios may go on elsewhere."""
        held = lost.held
        leases.take_away(transaction, held.source_id, held.token)
        detail = _SENTENCES[lost.cause].format(held.runner_id)
        evidence = self._evidence.get((held.runner_id, held.incarnation))
        if evidence is not None:
            detail = f"runner '{held.runner_id}' crashed: {evidence.what}"
        culprit = None if evidence is None else evidence.source_id
        # Who is known to have had nothing to do with it is not suspected.
        if lost.cause is not LossCause.VOID and culprit in {None, held.source_id}:
            follows = note_death(
                transaction,
                held,
                evidence=detail,
                rule=self._options.quarantine,
                is_culprit=culprit is not None,
            )
            detail = f"{detail}; {follows}" if follows else detail
        for scenario in scenarios_on(transaction, held.source_id):
            lose_holder(transaction, scenario, detail=detail)
        return f"source={held.source_id} token={held.token}: {detail}"
