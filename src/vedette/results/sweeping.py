"""Deletes bytes that nothing refers to, and never any that something refers to or is about to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import groupby, islice

from vedette.blobs.base import Blob, Blobs
from vedette.results.settled import PREFIX, parse_key
from vedette.store.base import Store, Transaction
from vedette.store.statements import parts

# Keys in one transaction, and in one request to the blobs.
BATCH_KEYS = 500


def sweep(store: Store, blobs: Blobs) -> int:
    """Delete the bytes of all garbage that is due; give how many keys.

    Killed at any moment, it goes on where it was when it is called again.

    Raises:
        StoreUnavailable, BlobsUnavailable: waiting may help.
    """
    swept = 0
    while store.read(parts.has_garbage):
        # Durable: bytes must not be gone while a power cut brings back the row that names them.
        keys = store.write(partial(parts.condemn, limit=BATCH_KEYS), durable=True)
        blobs.delete(keys)
        store.write(partial(parts.drop_garbage, keys=keys))
        swept += len(keys)
    return swept


def collect_orphans(store: Store, blobs: Blobs, *, age_s: float) -> int:
    """Delete settled parts' bytes that no manifest names and nobody announced; give how many.

    Such are left by whoever was frozen in the middle of a put until his key was swept. Not those
    younger than `age_s`, out of caution alone: a key is announced before its bytes are put, so what
    is listed first and neither announced nor named afterwards will never be.
    """
    orphans = 0
    for (scenario_id, run), group in groupby(_settled(blobs), key=lambda one: one.of):
        for batch in _batches(group):
            keys = _unknown(store, batch, scenario_id, run, age_s)
            if keys:
                throw = partial(parts.throw_away, keys=keys)
                store.write(throw, durable=True)
            orphans += len(keys)
    sweep(store, blobs)
    return orphans


@dataclass(frozen=True, slots=True)
class _Settled:
    blob: Blob
    of: tuple[str, int]
    first: int


def _settled(blobs: Blobs) -> Iterator[_Settled]:
    for blob in blobs.list(PREFIX):
        parsed = parse_key(blob.key)
        if parsed is not None:  # Else not of our making.
            scenario_id, run, first = parsed
            yield _Settled(blob, (scenario_id, run), first)


def _unknown(
    store: Store, batch: list[_Settled], scenario_id: str, run: int, age_s: float
) -> list[str]:
    def question(transaction: Transaction) -> list[str]:
        before = datetime.fromtimestamp(transaction.wall_ms / 1000 - age_s, UTC)
        keys = [one.blob.key for one in batch if one.blob.put_at < before]
        first, last = min(one.first for one in batch), max(one.first for one in batch)
        known = parts.settled_keys(transaction, scenario_id, run, first=first, last=last)
        known |= parts.garbage_keys(transaction, keys)
        return [key for key in keys if key not in known]

    return store.read(question)


def _batches(blobs: Iterable[_Settled]) -> Iterator[list[_Settled]]:
    waiting = iter(blobs)
    while batch := list(islice(waiting, BATCH_KEYS)):
        yield batch
