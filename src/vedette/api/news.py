"""What a reader of a live view is told, and what is kept for it while it is slow."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

from vedette.api.views import ScenarioBrief
from vedette.domain.cloud_event import CloudEvent

# What is kept for a reader that is behind: a page, which is a minute of a camera.
ROWS_MAX = 1000
EVENTS_MAX = 1000


@dataclass(frozen=True, slots=True)
class Position:
    """How far a scenario is committed; the run is the one that rows are of."""

    scenario: ScenarioBrief
    run: int
    totals: dict[str, Any] | None
    last_frame: int
    last_event: int


@dataclass(slots=True)
class News:
    """What a reader is told next.

    Attributes:
        scenario: As it is now.
        totals: Of its run.
        rows: Prediction rows, in frame order.
        events: In order.
        rows_skipped: Rows that this reader was not given.
        events_skipped: Likewise.
        run: That the rows are of.
    """

    scenario: ScenarioBrief
    totals: dict[str, Any] | None
    rows: list[dict[str, Any]] = field(default_factory=list)
    events: list[CloudEvent] = field(default_factory=list)
    rows_skipped: int = 0
    events_skipped: int = 0
    run: int = 0

    def join(self, newer: News) -> None:
        """Take up what is newer, and drop the oldest of what is too much."""
        if newer.run != self.run:
            self.rows_skipped += len(self.rows)
            self.events_skipped += len(self.events)
            self.rows, self.events = [], []
        self.scenario, self.totals, self.run = newer.scenario, newer.totals, newer.run
        self.rows += newer.rows
        self.events += newer.events
        self.rows_skipped += newer.rows_skipped + max(len(self.rows) - ROWS_MAX, 0)
        self.events_skipped += newer.events_skipped + max(len(self.events) - EVENTS_MAX, 0)
        del self.rows[:-ROWS_MAX], self.events[:-EVENTS_MAX]

    def text(self, kind: str) -> str:
        """Give it as JSON."""
        said = {
            "type": kind,
            "provisional": False,
            "scenario": self.scenario.model_dump(mode="json"),
            "totals": self.totals,
            "rows": self.rows,
            "events": self.events,
            "skipped": {"rows": self.rows_skipped, "events": self.events_skipped},
        }
        return json.dumps(said, separators=(",", ":"))


class Reader:
    """One websocket's place in a feed."""

    def __init__(self) -> None:
        self.rows_skipped = 0
        self._news: News | None = None
        self._changed = asyncio.Event()
        self._ended = False
        # What it was told last, so that nothing comes twice.
        self._run, self._frame, self._sequence = 0, -1, -1

    def give(self, news: News) -> None:
        """Leave something for it; never waits."""
        waiting = self._news or News(news.scenario, news.totals, run=news.run)
        waiting.join(news)
        self._news = waiting
        self._changed.set()

    def end(self) -> None:
        """Nothing more will come."""
        self._ended = True
        self._changed.set()

    async def next(self) -> News | None:
        """Wait for what is new; None at the end."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            news, self._news = self._news, None
            if news is not None:
                self.rows_skipped += news.rows_skipped
                return self.mark(news)
            if self._ended:
                return None

    def begin(self, position: Position) -> None:
        """Note that it is told the present state."""
        self._run = position.run
        self._frame, self._sequence = position.last_frame, position.last_event

    def mark(self, news: News) -> News:
        """Take out what it was told before, and note what it is told now."""
        if news.run != self._run:
            self._run, self._frame, self._sequence = news.run, -1, -1
        news.rows = [row for row in news.rows if row["frame"] > self._frame]
        news.events = [one for one in news.events if one["sequence"] > self._sequence]
        if news.rows:
            self._frame = news.rows[-1]["frame"]
        if news.events:
            self._sequence = news.events[-1]["sequence"]
        return news
