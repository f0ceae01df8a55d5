"""A store that stalls takes no work away from anybody: whose renewals wait is not silent."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from vedette.domain.ids import RunnerId, SourceId
from vedette.orchestrator.options import OrchestratorOptions
from vedette.orchestrator.watchdog import Watchdog
from vedette.store.base import Store, Transaction
from vedette.store.sqlite import SqliteStore
from vedette.store.statements import leases, scenarios

LEASE_S = 1.0
OPTIONS = OrchestratorOptions(lease_s=LEASE_S, margin_s=0.1, watch_s=0.02)
SOURCE, RUNNER = SourceId("door"), RunnerId("r1")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(tmp_path)
    store.migrate()
    store.announce(RUNNER, "life-1")

    def begin(it: Transaction) -> None:
        scenarios.add_source(it, SOURCE, name="door", address="door.mp4")
        leases.register(
            it, RUNNER, "life-1", host="here", pid=7, version="0", capacity=1,
            lease_ms=round(LEASE_S * 1000),
        )  # fmt: skip
        leases.grant(it, SOURCE, RUNNER, "life-1")

    store.write(begin)
    yield store
    store.close()


@contextmanager
def stalls(database: Path, *, stall_s: float, pause_s: float) -> Iterator[None]:
    """Sit on the write lock again and again, from a connection of somebody else's."""
    over = threading.Event()

    def stall() -> None:
        connection = sqlite3.connect(database, timeout=240, isolation_level=None)
        while not over.wait(pause_s):
            connection.execute("BEGIN IMMEDIATE")
            over.wait(stall_s)
            connection.execute("ROLLBACK")
        connection.close()

    thread = threading.Thread(target=stall)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def watched_for(watchdog: Watchdog, seconds: float) -> int:
    """Look as often as an orchestrator does; give how many sources were taken away."""
    taken, end_s = 0, time.monotonic() + seconds
    while time.monotonic() < end_s:
        taken += watchdog.look()
        time.sleep(OPTIONS.watch_s)
    return taken


def is_held(store: Store) -> bool:
    return store.read(lambda it: leases.holder_of(it, SOURCE)) is not None


def test_whose_renewals_wait_behind_a_stalling_store_keeps_its_sources(store: SqliteStore) -> None:
    watchdog = Watchdog(store, OPTIONS)
    # The stalls begin first: the renewals of this runner never get through.
    with stalls(store.path, stall_s=0.5, pause_s=0.05):
        taken = watched_for(watchdog, 4 * LEASE_S)

    assert (taken, is_held(store)) == (0, True)


def test_who_is_silent_at_a_store_that_is_well_again_loses_them(store: SqliteStore) -> None:
    watchdog = Watchdog(store, OPTIONS)
    with stalls(store.path, stall_s=0.5, pause_s=0.05):
        watched_for(watchdog, 1.5 * LEASE_S)

    taken = watched_for(watchdog, 3 * LEASE_S)

    assert (taken, is_held(store)) == (1, False)
