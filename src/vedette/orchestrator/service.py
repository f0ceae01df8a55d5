"""The orchestrator's role: decides commands, leases sources to runners, watches over the holders.

Level-triggered: it looks at what the store says, at least every `look_s`, and acts on it; messages
only make it look sooner. Any number of orchestrators may run at once, and each may be killed at any
moment: every step is a transaction of its own that reads what there is to do.
"""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable
from functools import partial

from vedette.bus import topics
from vedette.bus.base import Bus, Message
from vedette.clock import Clock
from vedette.domain.errors import BusUnavailable, VedetteError
from vedette.orchestrator import steps
from vedette.orchestrator.dispatcher import grant_waiting
from vedette.orchestrator.options import OrchestratorOptions
from vedette.orchestrator.relay import send_waiting
from vedette.orchestrator.watchdog import Watchdog
from vedette.store.base import Store
from vedette.store.last_words import LastWords
from vedette.store.statements import rounds, watching
from vedette.telemetry import Repeats

log = logging.getLogger(__name__)

__all__ = ["Orchestrator", "OrchestratorOptions"]

Step = Callable[..., int]


class Orchestrator:
    """One orchestrator; `run` is the body of its thread."""

    def __init__(
        self,
        store: Store,
        bus: Bus,
        clock: Clock,
        *,
        options: OrchestratorOptions | None = None,
        jitter: random.Random | None = None,
        last_words: LastWords | None = None,
    ) -> None:
        """Gather parts; nothing is done yet.

        Args:
            store: The truth.
            bus: Wakes it, and the runners.
            clock: For pauses.
            options: Limits.
            jitter: Spreads the pauses after failures.
            last_words: What crashed runners said; None where nobody can read that.
        """
        self._store = store
        self._bus = bus
        self._clock = clock
        self._options = options or OrchestratorOptions()
        self._jitter = jitter or random.Random()  # noqa: S311  (spreads pauses, guards nothing)
        self._watchdog = Watchdog(store, self._options, last_words)
        self._wake = threading.Event()
        self._stopped = threading.Event()
        self._failures = 0
        self._store_repeats = Repeats(log, "looks that the store did not answer", clock=clock)
        self._bus_repeats = Repeats(log, "messages that the bus did not take", clock=clock)

    def run(self) -> None:
        """Work until `stop`.

        Raises:
            VedetteError: the operator has to act, such as on a damaged database.
        """
        heard = [topics.COMMANDS, topics.REPORTS]
        forget = self._bus.subscribe(heard, lambda _: self._wake.set())
        look_at_s = watch_at_s = self._clock.monotonic_s()
        try:
            while not self._stopped.is_set():
                now_s = self._clock.monotonic_s()
                if now_s >= watch_at_s:
                    watch_at_s = now_s + self._options.watch_s
                    if self._attempt(self.watch_once):
                        self._wake.set()
                if self._wake.is_set() or now_s >= look_at_s:
                    look_at_s = now_s + self._options.look_s
                    self._wake.clear()
                    if self._attempt(self.run_once):
                        self._wake.set()
                self._wake.wait(max(watch_at_s - self._clock.monotonic_s(), 0.0))
        finally:
            forget()

    def stop(self) -> None:
        """Ask `run` to end; returns at once. What is half done another one goes on with."""
        self._stopped.set()
        self._wake.set()

    def run_once(self) -> bool:
        """Do what there is to do, a batch of each kind; tell whether there may be more.

        Raises:
            StoreUnavailable: the store does not answer; what is not done is done at the next look.
        """
        todo = self._store.read(rounds.todo)
        is_full = False
        changed = False
        if todo.commands:
            done = self._carry_out(steps.decide_commands, durable=True)
            changed, is_full = done > 0, self._is_full(done)
            todo = self._store.read(rounds.todo)
        for is_wanted, make_step in (
            (todo.ending, lambda: steps.end_runs),
            (todo.left, lambda: steps.start_anew),
            (todo.held, lambda: steps.use_holders),
            (todo.unheld, self._grant_step),
            (todo.idle, lambda: steps.release_idle),
        ):
            if is_wanted:
                done = self._carry_out(make_step())
                changed, is_full = changed or done > 0, is_full or self._is_full(done)
        if changed:
            self._tell_runners()
        if changed or todo.outbox:
            is_full = self._is_full(self._relay()) or is_full
        return is_full

    def watch_once(self) -> int:
        """Take sources away from holders that died or fell silent; give how many.

        Raises:
            StoreUnavailable: the store does not answer.
        """
        try:
            return self._watchdog.look()
        except VedetteError:
            self._watchdog.distrust()
            raise

    def _carry_out(self, step: Step, *, durable: bool = False) -> int:
        return self._store.write(partial(step, limit=self._options.batch_max), durable=durable)

    def _grant_step(self) -> Step:
        # Who is dead is asked before the transaction, which does no other I/O.
        _, lives = self._store.read(watching.watched)
        return partial(grant_waiting, dead=self._watchdog.dead(lives))

    def _is_full(self, done: int) -> bool:
        return done >= self._options.batch_max

    def _tell_runners(self) -> None:
        try:
            self._bus.publish([Message(topics.ASSIGNMENTS)])
        except BusUnavailable as error:
            self._bus_repeats.add(str(error))  # They look by themselves before long.

    def _relay(self) -> int:
        try:
            return send_waiting(self._store, self._bus, self._options.batch_max)
        except BusUnavailable as error:
            self._bus_repeats.add(str(error))
            return 0

    def _attempt(self, act: Callable[[], int]) -> int:
        """Do something, and pause after a failure that waiting may mend."""
        try:
            done = act()
        except VedetteError as error:
            if not error.retry:
                raise
            self._store_repeats.add(str(error))
        except Exception:
            # A mistake of ours about one thing must not leave all others without care.
            log.exception("the orchestrator's look failed")
        else:
            self._failures = 0
            return done
        self._watchdog.distrust()
        self._pause()
        self._wake.set()  # What could not be done now is done as soon as it can be.
        return 0

    def _pause(self) -> None:
        longest_s = self._options.backoff_s * 2 ** min(self._failures, 20)
        self._failures += 1
        pause_s = min(longest_s, self._options.backoff_max_s) * self._jitter.uniform(0.5, 1.0)
        if not self._stopped.is_set():
            self._clock.sleep(pause_s)
