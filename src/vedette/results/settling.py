"""Settles fresh parts: many commits' rows become one Parquet blob, and one row of the manifest.

A run's fresh parts are settled when the oldest is a minute old, so at most 60 times an hour;
besides when they are big, and once when the run has ended. Bytes are put before the manifest names
them, under a key announced before: whoever is killed at whatever moment loses nothing and doubles
nothing, and any number of settlers may work at once.
"""

from __future__ import annotations

import contextlib
import json
import logging
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from sqlalchemy import Row

from vedette.blobs.base import Blobs
from vedette.domain.errors import Conflict, SchemaMismatch
from vedette.results import settled, sweeping
from vedette.results.forms import as_parquet
from vedette.results.fresh import unpack
from vedette.store.base import Store
from vedette.store.statements import parts

log = logging.getLogger(__name__)

# Parts in one settled part; a minute of commits every 0.1 s.
PARTS_MAX = 1000
# Parts whose bytes are read in one transaction.
READ_PARTS = 16
# Runs looked for at once.
RUNS_MAX = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class SettlingOptions:
    """When fresh parts are settled.

    Attributes:
        age_s: The oldest is this old: 60 s make at most 60 puts per camera-hour.
        few: Fewer parts than these, as a camera gives on which next to nothing happens, ...
        few_ages: ... are settled at so many times `age_s`, or when the run ends: a blob for each
            would cost more than what is in it.
        size_bytes: They are this big; also the most that becomes one blob, but for its last part.
        orphan_age_s: Bytes that nobody knows are left alone for so long.
    """

    age_s: float = 60.0
    few: int = 16
    few_ages: float = 60.0
    size_bytes: int = 8_000_000
    orphan_age_s: float = 3600.0


class Settler:
    """Settles what is due whenever `run_once` is called; one thread at a time."""

    def __init__(
        self,
        store: Store,
        blobs: Blobs,
        *,
        options: SettlingOptions | None = None,
        nonce: Callable[[], str] | None = None,
    ) -> None:
        """Plan settling.

        Args:
            store: Where the manifest is.
            blobs: Where settled parts go.
            options: When.
            nonce: Gives what sets one put's key apart from all others'; random if None.
        """
        self._store = store
        self._blobs = blobs
        self._options = options or SettlingOptions()
        self._nonce = nonce or partial(secrets.token_hex, 4)
        self._unreadable: set[tuple[str, int]] = set()

    def run_once(self) -> int:
        """Settle the runs that are due and delete garbage; give how many blobs were put.

        Raises:
            StoreUnavailable, BlobsUnavailable: waiting may help; what was done stands.
        """
        options = self._options
        due = self._store.read(
            partial(
                parts.due_runs,
                age_ms=round(options.age_s * 1000),
                size_bytes=options.size_bytes,
                few=options.few,
                few_age_ms=round(options.few_ages * options.age_s * 1000),
                limit=RUNS_MAX,
            )
        )
        puts = 0
        for scenario_id, run in due:
            if (scenario_id, run) in self._unreadable:
                continue
            try:
                puts += self._settle_run(scenario_id, run)
            except SchemaMismatch as error:
                # Its parts stay as they are; the other runs must not wait for that.
                self._unreadable.add((scenario_id, run))
                log.error("run cannot be settled scenario=%s run=%d: %s", scenario_id, run, error)  # noqa: TRY400
        sweeping.sweep(self._store, self._blobs)
        return puts

    def collect_orphans(self) -> int:
        """Delete bytes that nobody knows; give how many. Lists all settled parts: once an hour.

        Raises:
            StoreUnavailable, BlobsUnavailable: waiting may help.
        """
        age_s = self._options.orphan_age_s
        return sweeping.collect_orphans(self._store, self._blobs, age_s=age_s)

    def _settle_run(self, scenario_id: str, run: int) -> int:
        """Settle all fresh parts that the run has now; give how many blobs were put."""
        seen = self._store.read(
            lambda transaction: parts.fresh_parts(transaction, scenario_id, run, PARTS_MAX)
        )
        puts = 0
        for batch in _by_size(seen, self._options.size_bytes):
            # Somebody else settled or deleted some: what is left is due at the next turn.
            with contextlib.suppress(Conflict):
                self._settle(batch)
                puts += 1
        return puts

    def _settle(self, batch: list[Row[Any]]) -> None:
        first, last = batch[0], batch[-1]
        key = settled.blob_key(first.scenario_id, first.run, first.first, last.last, self._nonce())
        self._store.write(partial(parts.announce, key=key))
        try:
            rows = _Rows(self._store, batch)
            size_bytes = self._blobs.put(
                key,
                as_parquet(
                    rows,
                    group_rows_max=settled.GROUP_ROWS_MAX,
                    facts={"vedette.parts": json.dumps(_owners(batch))},
                ),
            )
            part = _settled_part(batch, rows, key, size_bytes)
            replaced = [row.id for row in batch]
            self._store.write(partial(parts.settle, part=part, replaced=replaced))
        except (Conflict, SchemaMismatch):
            self._store.write(partial(parts.throw_away, keys=[key]), durable=True)
            raise


@dataclass(slots=True)
class _Rows:
    """The rows of fresh parts, read a few parts at a time; remembers their times."""

    store: Store
    batch: list[Row[Any]]
    pts_s_min: float = field(default=float("inf"), init=False)
    pts_s_max: float = field(default=float("-inf"), init=False)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for at in range(0, len(self.batch), READ_PARTS):
            ids = [row.id for row in self.batch[at : at + READ_PARTS]]
            content = self.store.read(partial(parts.fresh_bytes, ids=ids))
            for part_id in ids:
                if part_id not in content:
                    raise Conflict(f"part {part_id} was settled or deleted by somebody else")
                for row in unpack(content[part_id]):
                    self.pts_s_min = min(self.pts_s_min, row["pts_s"])
                    self.pts_s_max = max(self.pts_s_max, row["pts_s"])
                    yield row


def _by_size(rows: list[Row[Any]], size_bytes: int) -> Iterator[list[Row[Any]]]:
    batch: list[Row[Any]] = []
    held_bytes = 0
    for row in rows:
        batch.append(row)
        held_bytes += row.size_bytes
        if held_bytes >= size_bytes:
            yield batch
            batch, held_bytes = [], 0
    if batch:
        yield batch


def _settled_part(
    batch: list[Row[Any]], rows: _Rows, key: str, size_bytes: int
) -> parts.SettledPart:
    first, last = batch[0], batch[-1]
    return parts.SettledPart(
        scenario_id=first.scenario_id,
        run=first.run,
        first=first.first,
        last=last.last,
        first_frame=first.first_frame,
        last_frame=last.last_frame,
        first_pts_s=rows.pts_s_min,
        last_pts_s=rows.pts_s_max,
        first_captured_at_ms=first.first_captured_at_ms,
        last_captured_at_ms=last.last_captured_at_ms,
        rows=sum(row.rows for row in batch),
        size_bytes=size_bytes,
        blob_key=key,
        token=last.token,
        holder=last.holder,
        at_ms=last.at_ms,
    )


def _owners(batch: list[Row[Any]]) -> list[dict[str, Any]]:
    """Give which parts were committed by whom, with which token; neighbours of one owner joined."""
    owners: list[dict[str, Any]] = []
    for row in batch:
        if owners and (owners[-1]["token"], owners[-1]["holder"]) == (row.token, row.holder):
            owners[-1]["last"] = row.last
        else:
            owners.append(
                {"first": row.first, "last": row.last, "token": row.token, "holder": row.holder}
            )
    return owners
