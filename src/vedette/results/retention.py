"""Deletes the oldest results: rows by age, and when all together are too big; the rest by age.

A run loses its beginning, never its middle. Up to where it lost its rows, `trimmed_to_frame` of the
run says: so a reader can tell what was deleted from what never was. Counts, events and coverage go
by whole hours and leave a gap.
"""

from __future__ import annotations

import logging
from functools import partial

from vedette.blobs.base import Blobs
from vedette.results import sweeping
from vedette.results.steady import SteadyWall
from vedette.store.base import Store, Transaction
from vedette.store.statements import history, parts
from vedette.store.statements.history import AgedRun
from vedette.store.statements.parts import Trimmed

log = logging.getLogger(__name__)

# Parts in one transaction: others wait for it some milliseconds.
PARTS_MAX = 200
# Counts, events or intervals in one transaction; of the counts at least an hour of a run.
HISTORY_ROWS_MAX = 1000
# Runs that one question looks through.
RUNS_MAX = 1000


class Retention:
    """Deletes what is too old or too much whenever `run_once` is called; one thread at a time."""

    def __init__(
        self, store: Store, blobs: Blobs, *, age_s_max: float | None, bytes_max: int | None
    ) -> None:
        """Plan retention.

        Args:
            store: Where the manifest is.
            blobs: Where settled parts are.
            age_s_max: Rows committed longer ago go, and counts, events and coverage of then; None
                keeps them however old.
            bytes_max: While all rows together take more, the oldest go; None keeps them.
        """
        self._store = store
        self._blobs = blobs
        self._age_s_max = age_s_max
        self._bytes_max = bytes_max
        self._wall = SteadyWall()
        # Up to when all history is forgotten already.
        self._forgotten_ms: int | None = None

    def run_once(self) -> list[Trimmed]:
        """Delete what is too old or too much; give which rows went, one entry per run.

        Raises:
            StoreUnavailable, BlobsUnavailable: waiting may help; what was done stands.
        """
        went: dict[tuple[str, int], Trimmed] = {}
        excess_bytes = 0
        if self._bytes_max is not None:
            excess_bytes = self._store.read(parts.total_bytes) - self._bytes_max
        while trimmed := self._trim(excess_bytes):
            for one in trimmed:
                before = went.get((one.scenario_id, one.run))
                went[one.scenario_id, one.run] = one if before is None else before + one
                excess_bytes -= one.size_bytes
        for one in went.values():
            log.info(
                "predictions deleted by retention scenario=%s run=%d to_frame=%d rows=%d bytes=%d",
                one.scenario_id, one.run, one.to_frame, one.rows, one.size_bytes,
            )  # fmt: skip
        sweeping.sweep(self._store, self._blobs)
        self._forget_history()
        return list(went.values())

    def _trim(self, excess_bytes: int) -> list[Trimmed]:
        # Mostly there is nothing to do; a read finds that out without waking the disk.
        before_ms = self._store.read(self._before_ms)
        oldest_ms = self._store.read(parts.oldest_ms)
        is_old = before_ms is not None and oldest_ms is not None and oldest_ms < before_ms
        if excess_bytes <= 0 and not is_old:
            return []
        trim = partial(parts.trim, before_ms=before_ms, excess_bytes=excess_bytes, limit=PARTS_MAX)
        # Durable: bytes must not be gone while a power cut brings back the row that names them.
        return self._store.write(trim, durable=True)

    def _before_ms(self, transaction: Transaction) -> int | None:
        if self._age_s_max is None:
            return None
        return self._wall.now_ms(transaction) - round(self._age_s_max * 1000)

    def _forget_history(self) -> None:
        """Delete counts, events and coverage that are too old, when another hour of them is."""
        before_ms = self._store.read(self._before_ms)
        if before_ms is None:
            return
        before_ms -= before_ms % history.CUT_MS
        if before_ms == self._forgotten_ms:
            return
        after: tuple[str, int] | None = ("", 0)
        while after is not None:
            look = partial(history.aged_runs, before_ms=before_ms, after=after, limit=RUNS_MAX)
            aged, after = self._store.read(look)
            for one in aged:
                self._forget_run(one)
        self._forgotten_ms = before_ms

    def _forget_run(self, aged: AgedRun) -> None:
        forget = partial(
            history.forget,
            scenario_id=aged.scenario_id,
            run=aged.run,
            before_ms=aged.before_ms,
            limit=HISTORY_ROWS_MAX,
        )
        went = 0
        while done := self._store.write(forget):
            went += done
        if went:
            log.info(
                "history deleted by retention scenario=%s run=%d rows=%d",
                aged.scenario_id, aged.run, went,
            )  # fmt: skip
