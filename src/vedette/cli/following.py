"""Following a scenario: until it rests with a bar, or live with its rows and counts in place."""

from __future__ import annotations

import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Self

from vedette.cli import outcome
from vedette.cli.progress import BAR_PERIOD_S, LINE_PERIOD_S
from vedette.cli.server_client import Server, scenario_path
from vedette.cli.wording import clock_text, counts_text
from vedette.domain.errors import EngineError

if TYPE_CHECKING:
    from rich.console import Group
    from rich.live import Live
    from rich.progress import Progress, TaskID

# A person sees an end within this; the server answers from memory.
LOOK_S = 0.5
# A server that is started anew is back before this; whoever follows need not notice.
AWAY_S = 60.0
# Plain lines of what is watched: often enough for a person, not too many for a log.
WATCH_LINE_PERIOD_S = 1.0
ROWS_SHOWN = 8

Pause = Callable[[float], bool]
"""Waits so many seconds; True where nobody wants to wait any more."""


class View(ABC):
    """Shows how far a scenario is; a context manager."""

    period_s = 0.0

    def __init__(self) -> None:
        self._told_s = float("-inf")
        self._state = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def take(self, scenario: Mapping[str, Any], news: Mapping[str, Any]) -> None:
        """Take up what is known now; shows it once per period, and every change of state.

        Args:
            scenario: As lists have it.
            news: With `totals`, and whatever else the view shows.
        """
        changed = scenario["state"] != self._state
        self._note(news)
        if changed or time.monotonic() - self._told_s >= self.period_s:
            self._told_s = time.monotonic()
            self._state = scenario["state"]
            self._show(scenario, news)

    def _note(self, news: Mapping[str, Any]) -> None:  # noqa: B027  (most remember nothing)
        """Remember what is not shown at once."""

    @abstractmethod
    def _show(self, scenario: Mapping[str, Any], news: Mapping[str, Any]) -> None: ...

    def _end(self) -> None:  # noqa: B027  (most leave nothing on the screen)
        """Leave the cursor on a fresh line."""


class Silent(View):
    """Shows nothing, for programs."""

    def _show(self, scenario: Mapping[str, Any], news: Mapping[str, Any]) -> None:
        """Show nothing."""


class Lines(View):
    """A plain line now and then."""

    def __init__(self, period_s: float) -> None:
        super().__init__()
        self.period_s = period_s

    def _show(self, scenario: Mapping[str, Any], news: Mapping[str, Any]) -> None:
        print(f"{scenario['source_name']}: {line_of(scenario, news)}", file=sys.stderr, flush=True)


class Bar(View):
    """A bar with place and counts."""

    period_s = BAR_PERIOD_S

    def __init__(self) -> None:
        super().__init__()
        self._bar: Progress | None = None
        self._task: TaskID | None = None

    def _show(self, scenario: Mapping[str, Any], news: Mapping[str, Any]) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn
        from rich.progress import Progress as RichProgress

        if self._bar is None:
            self._bar = RichProgress(
                BarColumn(bar_width=30),
                TextColumn("{task.fields[told]}", markup=False),
                console=Console(stderr=True),
                transient=True,
            )
            self._task = self._bar.add_task("", total=None, told="")
            self._bar.start()
        assert self._task is not None
        done_s, total_s = _place(news)
        self._bar.update(
            self._task, completed=done_s or 0.0, total=total_s, told=line_of(scenario, news)
        )

    def _end(self) -> None:
        if self._bar is not None:
            self._bar.stop()


class Board(View):
    """What is seen live, in place: state, newest rows, counts."""

    period_s = BAR_PERIOD_S

    def __init__(self) -> None:
        super().__init__()
        self._live: Live | None = None
        self._rows: list[Mapping[str, Any]] = []

    def _note(self, news: Mapping[str, Any]) -> None:
        self._rows = [*self._rows, *news["rows"]][-ROWS_SHOWN:]

    def _show(self, scenario: Mapping[str, Any], news: Mapping[str, Any]) -> None:
        from rich.console import Console
        from rich.live import Live as RichLive

        if self._live is None:
            self._live = RichLive(console=Console(), auto_refresh=False)
            self._live.start()
        self._live.update(self._drawn(scenario, news), refresh=True)

    def _drawn(self, scenario: Mapping[str, Any], news: Mapping[str, Any]) -> Group:
        from rich.console import Group
        from rich.text import Text

        from vedette.cli import summary

        counts = outcome.counts_of(news["totals"])
        lines = [f"{scenario['source_name']}: {line_of(scenario, {**news, 'totals': None})}", ""]
        lines += [f"  {row_text(row)}" for row in self._rows] or ["  no rows yet"]
        lines += ["", *summary.objects_lines(counts, outcome.looked_at(news["totals"]))]
        lines += summary.places_lines(counts)
        return Group(*(Text(line, no_wrap=True, overflow="ellipsis") for line in lines))

    def _end(self) -> None:
        if self._live is not None:
            self._live.stop()


def make_bar(*, quiet: bool) -> View:
    """Choose how to tell how far a scenario is: nothing, a bar on a terminal, lines elsewhere."""
    if quiet:
        return Silent()
    return Bar() if sys.stderr.isatty() else Lines(LINE_PERIOD_S)


def wait_for_rest(
    server: Server, scenario_id: str, view: View, *, pause: Pause | None = None
) -> dict[str, Any] | None:
    """Look until nothing of a scenario runs any more; give it as it is then.

    A server that goes away and comes back meanwhile is waited for.

    Args:
        server: Whom to ask.
        scenario_id: Which.
        view: Shows how far it is; entered by the caller.
        pause: Between two looks; it gives None where that says to stop.

    Raises:
        UsageError, ConfigError, EngineError: as the server says.
    """
    pause = pause or threading.Event().wait
    patience = _Patience(pause)
    while True:
        try:
            scenario = server.get(scenario_path(scenario_id))
        except EngineError as error:
            if patience.is_over(error):
                raise
            continue
        patience.renew()
        run = next((one for one in scenario["runs"] if one["run"] == scenario["run"]), None)
        facts = None if run is None else run["facts"]
        view.take(scenario, {"totals": scenario["totals"], "facts": facts})
        if outcome.is_at_rest(scenario):
            return scenario
        if pause(LOOK_S):
            return None


def watch(
    server: Server, scenario_id: str, heard: Callable[[Mapping[str, Any]], None]
) -> Mapping[str, Any]:
    """Hand on what a scenario's websocket tells, until the scenario rests; give the last of it.

    Raises:
        UsageError, ConfigError, EngineError: as the server says.
    """
    patience = _Patience(threading.Event().wait)
    connected = False
    while True:
        try:
            with server.live(scenario_path(scenario_id, "live")) as messages:
                for message in messages:
                    connected = True
                    patience.renew()
                    heard(message)
                    if outcome.is_at_rest(message["scenario"]):
                        return message
        except EngineError as error:
            if not connected or patience.is_over(error):
                raise
        else:  # It was let go: the server ends, or found it too slow.
            threading.Event().wait(LOOK_S)


def line_of(scenario: Mapping[str, Any], news: Mapping[str, Any]) -> str:
    """Give state, place and counts in one line."""
    told = [str(scenario["state"]).replace("_", " ")]
    done_s, total_s = _place(news)
    if done_s is not None:
        told.append(clock_text(done_s) + (f" of {clock_text(total_s)}" if total_s else ""))
    if news["totals"] is not None:
        told.append(counts_text(outcome.counts_of(news["totals"])))
    if outcome.is_at_rest(scenario) and scenario["run"]:
        told.append(outcome.why(scenario))
    return ", ".join(told)


def row_text(row: Mapping[str, Any]) -> str:
    """Give one prediction row as people read it."""
    seen = [
        str(one["label"])
        + (f" #{one['track_id']}" if one["track_id"] is not None else "")
        + (f" in {', '.join(one['zones'])}" if one["zones"] else "")
        for one in row["objects"]
    ]
    return f"{clock_text(row['pts_s']):>8}  frame {row['frame']}  {'; '.join(seen) or 'nothing'}"


def _place(news: Mapping[str, Any]) -> tuple[float | None, float | None]:
    """Give how far into the video it is, and how long that is, where known."""
    totals, facts = news["totals"], news.get("facts")
    done_s = None if totals is None else totals["media_s"]
    return done_s, None if facts is None else facts["duration_s"]


class _Patience:
    """Waits for a server that went away, once, and for so long."""

    def __init__(self, pause: Pause) -> None:
        self._pause = pause
        self._since_s: float | None = None

    def renew(self) -> None:
        """It answered."""
        self._since_s = None

    def is_over(self, error: EngineError) -> bool:
        """Wait a little; True where waiting is not worth it, or was long enough."""
        if not error.retry:
            return True
        now_s = time.monotonic()
        if self._since_s is None:
            self._since_s = now_s
            print(f"vedette: {error}; waiting for it", file=sys.stderr)
        return now_s - self._since_s > AWAY_S or self._pause(LOOK_S)
