"""Live views, fed from what was committed; nothing here is provisional.

One feed per scenario reads the store, woken by the bus and at the latest every second, and hands
what is new to its readers. A reader has room for one message: what it has not taken yet is joined
with what comes, and the oldest of that is dropped and counted. So nobody waits for a slow reader.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from vedette.api import problems
from vedette.api.events import event_json
from vedette.api.news import EVENTS_MAX, ROWS_MAX, News, Position, Reader
from vedette.api.options import ApiOptions
from vedette.api.views import brief_of
from vedette.blobs.base import Blobs
from vedette.bus.base import Bus, Message
from vedette.bus.topics import NOTICES, RESULTS
from vedette.domain.cloud_event import CloudEvent
from vedette.domain.errors import EngineError, NotFound
from vedette.domain.ids import ScenarioId
from vedette.results import reading
from vedette.store.base import Store, Transaction
from vedette.store.statements.counting import event_rows
from vedette.store.statements.overview import last_event, newest_part
from vedette.store.statements.results import run_row
from vedette.store.statements.scenarios import command_waits, get_scenario

log = logging.getLogger(__name__)

_THREADS = 4


class LiveViews:
    """All feeds of a process; for the event loop alone."""

    def __init__(self, store: Store, bus: Bus, blobs: Blobs, options: ApiOptions) -> None:
        self._store = store
        self._bus = bus
        self._blobs = blobs
        self._options = options
        self._feeds: dict[str, _Feed] = {}
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="api-live")
        self.period_s = options.live_period_s
        self._unsubscribe: Callable[[], None] = lambda: None
        self.readers_count = 0
        self.rows_skipped_total = 0

    def start(self) -> None:
        """Begin to listen; in the event loop."""
        loop = asyncio.get_running_loop()

        def heard(message: Message) -> None:
            if message.key in self._feeds:
                with contextlib.suppress(RuntimeError):  # The loop has ended.
                    loop.call_soon_threadsafe(self._wake, message.key)

        self._unsubscribe = self._bus.subscribe([RESULTS, NOTICES], heard)

    async def stop(self) -> None:
        """Let all readers go."""
        self._unsubscribe()
        for feed in list(self._feeds.values()):
            await feed.stop()
        self._feeds.clear()
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def attach(self, scenario_id: str) -> tuple[Reader, News]:
        """Give a place in a scenario's feed, and the present state: its last row alone.

        Raises:
            NotFound: there is no such scenario.
            TooManyReaders: there are as many as may be.
        """
        if self.readers_count >= self._options.live_readers_max:
            raise problems.TooManyReaders(
                f"{self._options.live_readers_max} live readers are connected; try again later"
            )
        position = await self.position(scenario_id)
        if scenario_id not in self._feeds:
            self._feeds[scenario_id] = _Feed(self, scenario_id, position)
        reader = Reader()
        self._feeds[scenario_id].readers.add(reader)
        self.readers_count += 1
        try:
            # Read only now: all that is committed from here on comes by the feed.
            position = await self.position(scenario_id)
            rows = await self.rows(scenario_id, position, position.last_frame - 1)
        except BaseException:
            await self.detach(scenario_id, reader)
            raise
        reader.begin(position)
        return reader, News(position.scenario, position.totals, rows[-1:], run=position.run)

    async def detach(self, scenario_id: str, reader: Reader) -> None:
        """Take a place back."""
        self.readers_count -= 1
        self.rows_skipped_total += reader.rows_skipped
        feed = self._feeds.get(scenario_id)
        if feed is None:
            return
        feed.readers.discard(reader)
        if not feed.readers:
            self._feeds.pop(scenario_id, None)
            await feed.stop()

    async def rows(self, scenario_id: str, position: Position, after: int) -> list[dict[str, Any]]:
        """Give committed rows behind a frame, a page at most."""
        if position.last_frame <= after:
            return []
        page = await asyncio.get_running_loop().run_in_executor(
            self._threads,
            lambda: reading.page(
                self._store,
                self._blobs,
                ScenarioId(scenario_id),
                position.run,
                after_frame=after,
                to_frame=position.last_frame,
                limit=ROWS_MAX,
            ),
        )
        return list(page)

    async def events(self, scenario_id: str, position: Position, begin: int) -> list[CloudEvent]:
        """Give committed events of a run from a number on."""
        found = await self._store.aread(
            lambda t: event_rows(
                t,
                scenario_id=ScenarioId(scenario_id),
                run=position.run,
                from_sequence=begin,
                limit=position.last_event + 1 - begin,
            )
        )
        return [event_json(one) for one in found]

    async def position(self, scenario_id: str) -> Position:
        """Give how far a scenario is committed.

        Raises:
            NotFound: there is none of that id.
        """
        return await self._store.aread(lambda t: _present(t, scenario_id))

    def _wake(self, scenario_id: str) -> None:
        feed = self._feeds.get(scenario_id)
        if feed is not None:
            feed.wake.set()


class _Feed:
    """Reads one scenario for all its readers."""

    def __init__(self, views: LiveViews, scenario_id: str, position: Position) -> None:
        self.readers: set[Reader] = set()
        self.wake = asyncio.Event()
        self._views = views
        self._scenario_id = scenario_id
        self._told = position
        self._task = asyncio.create_task(self._run(), name=f"live {scenario_id}")

    async def stop(self) -> None:
        """End, and let the readers go."""
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    async def _run(self) -> None:
        try:
            while True:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._views.period_s):
                        await self.wake.wait()
                self.wake.clear()
                try:
                    await self._look()
                except EngineError as error:
                    log.warning("live view of %s: %s", self._scenario_id, error)
        except NotFound:
            log.info("live view of %s: it is gone", self._scenario_id)
        finally:
            for reader in self.readers:
                reader.end()

    async def _look(self) -> None:
        """Tell the readers what came since the last look."""
        present = await self._views.position(self._scenario_id)
        told = self._told
        if present == told:
            return
        same_run = present.run == told.run
        frame = told.last_frame if same_run else -1
        sequence = told.last_event if same_run else -1
        try:
            rows = await self._views.rows(self._scenario_id, present, frame)
        except NotFound:
            rows = []  # Retention was quicker than we.
        news = News(present.scenario, present.totals, rows, run=present.run)
        if present.last_event > sequence:
            # Older ones than these no reader has room for.
            begin = max(sequence + 1, present.last_event + 1 - EVENTS_MAX)
            news.events = await self._views.events(self._scenario_id, present, begin)
            news.events_skipped = begin - sequence - 1
        if rows and rows[-1]["frame"] < present.last_frame:
            present = replace(present, last_frame=rows[-1]["frame"])
            self.wake.set()  # There is more: a page at a time, so that who is quick misses none.
        self._told = present
        for reader in self.readers:
            reader.give(news)


def _present(transaction: Transaction, scenario_id: str) -> Position:
    row = get_scenario(transaction, scenario_id)
    run = row.scenario.run
    waiting = command_waits(transaction, row.scenario.id)
    newest = newest_part(transaction, scenario_id, run)
    of_run = run_row(transaction, row.scenario.id, run)
    totals = None if of_run is None or of_run.totals is None else json.loads(of_run.totals)
    return Position(
        scenario=brief_of(row, waiting),
        run=run,
        totals=totals,
        last_frame=-1 if newest is None else newest.last_frame,
        last_event=last_event(transaction, scenario_id, run),
    )
