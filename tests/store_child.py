"""A process that uses a store: `store_child.py ENGINE PLACE VERB …`; answers on stdout.

Messages in the outbox stand for whatever is written; a transaction writes two that belong together.
"""

from __future__ import annotations

import os
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

from vedette.domain.errors import StoreUnavailable
from vedette.store.base import Store, Transaction
from vedette.store.sqlite import SqliteStore
from vedette.store.statements import outbox


def open_store(engine: str, place: str, frozen: Callable[[int], None] | None = None) -> Store:
    """Open a store of that engine; two of one place see the same."""
    assert engine == "sqlite"
    return SqliteStore(Path(place), frozen=frozen)


def add_pair(transaction: Transaction, writer: str, number: int) -> None:
    """Write two rows that are there both, or neither."""
    outbox.add(transaction, writer, str(number), "left")
    outbox.add(transaction, writer, str(number), "right")


def _write_pairs(store: Store, writer: str, count: int, *, durable: bool) -> None:
    """Write pairs one after the other; each number is told once its transaction is committed."""
    for number in range(count):
        store.write(lambda it, number=number: add_pair(it, writer, number), durable=durable)
        print(number, flush=True)


def _stop_inside(store: Store) -> None:
    """Write half a pair and wait inside the transaction, for ever."""

    def half(transaction: Transaction) -> None:
        outbox.add(transaction, "half", "0", "left")
        print("inside", flush=True)
        time.sleep(600)

    store.write(half)


def _fill(store: Store, place: str) -> None:
    """Write until no file may grow any more, then say what the store says and what it holds."""
    size = max(path.stat().st_size for path in Path(place).iterdir())
    limit = size + 400_000
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
    committed = 0
    try:
        while True:
            store.write(lambda it, number=committed: _add_big(it, number))
            committed += 1
    except StoreUnavailable as error:
        print("refused", committed, type(error).__name__, flush=True)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    store.write(lambda it: add_pair(it, "after", 0))
    print("goes on", flush=True)


def _add_big(transaction: Transaction, number: int) -> None:
    outbox.add(transaction, "big", str(number), "x" * 20_000)
    outbox.add(transaction, "big", str(number), "y" * 20_000)


def main(engine: str, place: str, verb: str, *words: str) -> None:
    store = open_store(engine, place)
    match verb:
        case "pairs":
            writer, count, durable = words
            _write_pairs(store, writer, int(count), durable=durable == "durable")
        case "stop-inside":
            _stop_inside(store)
        case "fill":
            _fill(store, place)
        case "migrate":
            print("ready", flush=True)
            sys.stdin.readline()
            print(*store.migrate(), flush=True)
        case "announce":
            store.announce(*words)
            print("announced", flush=True)
            sys.stdin.read()
        case "announce-fork":
            store.announce(*words)
            if os.fork() == 0:
                print("forked", os.getpid(), flush=True)
                time.sleep(600)
            sys.stdin.read()
    store.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
