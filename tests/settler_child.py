"""A process that settles and is killed at a chosen moment; for tests."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import Any

from vedette.blobs.files import FileBlobs
from vedette.results import settling
from vedette.results.settling import Settler
from vedette.store.base import Transaction, Work
from vedette.store.sqlite import SqliteStore
from vedette.store.statements import parts

MOMENTS = (
    "announced", "in put", "put", "in commit", "committed", "in condemning", "condemned", "deleted",
)  # fmt: skip


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class DyingBlobs(FileBlobs):
    """Blobs whose process dies in or after a put, or after a delete."""

    def __init__(self, folder: Path, moment: str) -> None:
        super().__init__(folder)
        self._moment = moment

    def put(self, key: str, content: bytes | Iterable[bytes]) -> int:
        pieces = [content] if isinstance(content, bytes) else content
        size_bytes = super().put(key, self._half(pieces))
        if self._moment == "put":
            die()
        return size_bytes

    def delete(self, keys: Iterable[str]) -> None:
        keys = list(keys)
        super().delete(keys)
        if keys and self._moment == "deleted":
            die()

    def _half(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            yield piece
            if self._moment == "in put":
                die()


class DyingStore(SqliteStore):
    """A store whose process dies inside a commit, or after it."""

    moment = ""

    def submit(self, work: Work[Any], *, durable: bool = False) -> Future[Any]:
        name = getattr(getattr(work, "func", None), "__name__", "")
        inside = {"settle": "in commit", "condemn": "in condemning"}.get(name)
        after = {"announce": "announced", "settle": "committed", "condemn": "condemned"}.get(name)
        if self.moment == inside:
            return super().submit(partial(_and_die, work), durable=durable)
        answer = super().submit(work, durable=durable)
        if self.moment == after:
            answer.result()
            die()
        return answer


def _and_die(work: Work[Any], transaction: Transaction) -> None:
    work(transaction)
    die()


def main(folder: Path, moment: str) -> None:
    assert moment in MOMENTS
    assert {"announce", "settle", "condemn"} <= set(vars(parts))
    settling.READ_PARTS = 2
    store = DyingStore(folder)
    store.moment = moment
    Settler(store, DyingBlobs(folder / "blobs", moment)).run_once()
    print("still alive")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
