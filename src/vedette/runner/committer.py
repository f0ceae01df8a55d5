"""Commits of one run on their way to the store: in order, one at a time, none lost, bounded."""

from __future__ import annotations

import logging
import math
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet
from functools import partial

from vedette.clock import Clock
from vedette.domain.errors import StoreUnavailable
from vedette.store.base import Store
from vedette.store.statements.results import Commit, commit
from vedette.telemetry import Repeats

log = logging.getLogger(__name__)

# How long a wait for the store lasts before the stop flag is looked at again.
LOOK_S = 0.1
# Pause before a refused commit is tried again.
AGAIN_S = 0.3


class Committer:
    """Carries commits of one run to the store.

    While the store is away, commits wait here and analysis goes on, up to `waiting_max` of them;
    from then on whoever hands one over waits too. For one thread.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        *,
        waiting_max: int,
        share_s: float,
        committed: Callable[[Commit], None],
    ) -> None:
        """Begin with nothing.

        Args:
            store: Where to.
            clock: For pauses.
            waiting_max: Commits that wait here at most.
            share_s: A run that hardly ever has something to say waits so long for other runs.
            committed: Told of each that is through.
        """
        self._store = store
        self._clock = clock
        self._waiting_max = waiting_max
        self._share_s = share_s
        self._patience_s = 0.0
        self._added_mono_s = math.inf  # The first commit of all waits for nobody.
        self._committed = committed
        self._waiting: deque[Commit] = deque()
        self._under_way: Future[None] | None = None
        self._repeats = Repeats(log, "commits put off", clock=clock)

    @property
    def is_behind(self) -> bool:
        """True while the last commit handed over is not through."""
        return bool(self._waiting)

    def add(self, news: Commit, *, stopping: Callable[[], bool]) -> None:
        """Hand one over; waits only where too many wait already.

        Raises:
            StaleToken: the work was given to somebody else; nothing more is taken.
        """
        now_mono_s = self._clock.monotonic_s()
        # Runs that commit all the time do so at the same moments. Those whose pictures are far
        # apart would each have a transaction of its own.
        is_rare = now_mono_s - self._added_mono_s > 2 * self._share_s
        self._patience_s, self._added_mono_s = self._share_s if is_rare else 0.0, now_mono_s
        self._waiting.append(news)
        self.push()
        while len(self._waiting) > self._waiting_max and not stopping():
            self.push(wait_s=LOOK_S)

    def push(self, *, wait_s: float = 0.0) -> None:
        """See to what is under way, and send the next; errors as `add`."""
        while self._waiting:
            if self._under_way is None:
                work = partial(commit, news=self._waiting[0])
                self._under_way = self._store.submit(work, patience_s=self._patience_s)
            try:
                self._under_way.result(timeout=wait_s)
            except NotYet:
                return
            except StoreUnavailable as error:
                self._under_way = None
                self._repeats.add(str(error))
                if not wait_s:
                    return
                self._clock.sleep(AGAIN_S)
                return
            self._under_way = None
            self._committed(self._waiting.popleft())

    def finish(self, *, patience_s: float) -> bool:
        """Wait until all are through; False where the store was away for too long."""
        end_s = self._clock.monotonic_s() + patience_s
        while self._waiting:
            if self._clock.monotonic_s() > end_s:
                return False
            self.push(wait_s=LOOK_S)
        return True
