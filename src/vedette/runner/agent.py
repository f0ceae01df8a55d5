"""The runner's role: takes leases in, brings pipelines up and down, and keeps its leases.

Level-triggered: at every look it compares what the store says this runner should run with what it
runs, and acts on the difference. Messages only make it look sooner.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
from dataclasses import dataclass, field
from functools import partial
from random import Random

from vedette import __version__
from vedette.bus import topics
from vedette.bus.base import Bus, Message, wake
from vedette.clock import Clock
from vedette.domain.errors import NoRoom, StaleToken, StoreUnavailable
from vedette.domain.ids import RunnerId, ScenarioId, SourceId
from vedette.domain.scenario import (
    HolderLost,
    LetGo,
    ScenarioState,
    StatusReason,
    decide,
    should_run,
)
from vedette.runner.account import Pack
from vedette.runner.apart import Apart, Spawn
from vedette.runner.heap import Heap
from vedette.runner.retrying import Ladder
from vedette.runner.work import MakePipeline, Work, WorkOptions
from vedette.store.base import Store, Transaction
from vedette.store.last_words import LastWords
from vedette.store.statements import leases, quarantine, scenarios
from vedette.store.statements.leases import Assignment
from vedette.store.statements.reports import report
from vedette.telemetry import Repeats

log = logging.getLogger(__name__)

# Works begun at once. A thousand at once would hold the interpreter for so long that our own
# renewals come too late; ...
BEGUN_AT_ONCE = 16
# ... so the next ones wait until a nap of this length is over when it should be, but not for ever.
NAP_S, NAP_LATE_S, BREATH_MAX_S = 0.005, 0.02, 1.0


# How much longer than we processes apart may take to end.
APART_END_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentOptions:
    """Limits of a runner.

    Attributes:
        lease_s: Without renewal its leases end after so long.
        renew_s: They are renewed so often.
        look_s: It looks at what it should run at least so often.
        capacity: Sources it takes at most.
        drain_s: How long pipelines may take to end when the runner ends.
        only: The one source it is there for, run apart from all others.
        idle_s: A runner for one source ends when nobody has wanted that for so long.
        readmit_s: A source that ran apart for so long may run among the others again.
        work: Limits of every run.
    """

    lease_s: float = 3.0
    renew_s: float = 1.0
    look_s: float = 1.0
    capacity: int = 10_000
    drain_s: float = 5.0
    only: SourceId | None = None
    idle_s: float = 5.0
    readmit_s: float = 600.0
    work: WorkOptions = field(default_factory=WorkOptions)


class Runner:
    """One runner; `run` is the body of its thread."""

    def __init__(
        self,
        runner_id: RunnerId,
        incarnation: str,
        *,
        store: Store,
        bus: Bus,
        clock: Clock,
        make: MakePipeline,
        pack: Pack,
        options: AgentOptions | None = None,
        last_words: LastWords | None = None,
        spawn: Spawn | None = None,
    ) -> None:
        """Gather parts; nothing is registered yet.

        Args:
            runner_id: A slug, unique among runners that live at once.
            incarnation: Unique among all lives of all runners.
            store: What it reads its work from and commits to.
            bus: Wakes it, and others.
            clock: For waits.
            make: Makes the pipeline of a run.
            pack: Makes bytes of prediction rows.
            options: Limits.
            last_words: Where it says which thread works for which source, in case it crashes.
            spawn: Starts a process for a source that is run apart; None: this one starts none.
        """
        self.runner_id = runner_id
        self._incarnation = incarnation
        self._store = store
        self._bus = bus
        self._clock = clock
        self._make = make
        self._pack = pack
        self._options = options or AgentOptions()
        self._last_words = last_words
        self._apart = None if spawn is None else Apart(runner_id, store, spawn)
        self._idle_since_mono_s = self._began_mono_s = clock.monotonic_s()
        self._works: dict[ScenarioId, Work] = {}
        self._ladders: dict[SourceId, Ladder] = {}
        self._heap = Heap()
        self._wake = threading.Event()
        self._stopped = threading.Event()
        self._drained = threading.Event()
        self._registered = threading.Event()
        self._begins_more = False
        self._repeats = Repeats(log, "looks that the store did not answer", clock=clock)
        self._room_repeats = Repeats(log, "runs that could not begin", clock=clock)
        self._renew_repeats = Repeats(log, "renewals that the store did not answer", clock=clock)

    def run(self) -> None:
        """Register, work until `stop`, then give every lease back."""
        self._store.announce(self.runner_id, self._incarnation)
        if self._last_words is not None:
            self._last_words.begin(self.runner_id, self._incarnation)
        renewing = threading.Thread(target=self._keep_leases, name="renew", daemon=True)
        forget = self._bus.subscribe([topics.ASSIGNMENTS], lambda _: self._wake.set())
        try:
            renewing.start()
            while not self._stopped.is_set():
                self._wake.clear()
                self._heap.look(self._clock.monotonic_s())
                if self._registered.is_set():
                    self._look()
                if self._begins_more:
                    self._breathe()
                    continue
                self._wake.wait(self._options.look_s if self._registered.is_set() else 0.05)
        finally:
            forget()
            if self._apart is not None:
                self._apart.begin_end()
            self._drain()
            if self._apart is not None:
                # They have had as long as we had, and a moment for what they do after it.
                self._apart.end(APART_END_S)
            self._drained.set()
            renewing.join(self._options.renew_s + 1)
            if self._last_words is not None:
                self._last_words.close()
            self._store.withdraw(self.runner_id)

    def stop(self) -> None:
        """Ask `run` to end in order; returns at once."""
        self._stopped.set()
        self._wake.set()

    @property
    def is_registered(self) -> bool:
        """True once it may be given work."""
        return self._registered.is_set()

    def run_once(self) -> None:
        """Compare what should run with what runs, and act on the difference.

        Of many works to begin only some are begun; the others are left to the next time.
        """
        self._begins_more = False
        wanted = self._read_assignments()
        for scenario_id, work in list(self._works.items()):
            self._settle_work(scenario_id, work, wanted.get(scenario_id))
        begun = 0
        for scenario_id, assignment in wanted.items():
            if scenario_id in self._works:
                continue
            if should_run(assignment.scenario):
                if begun == BEGUN_AT_ONCE:
                    self._begins_more = True
                    break
                begun += 1
                self._begin(assignment)
            elif assignment.scenario.state is ScenarioState.IN_SHUTDOWN_PROCESSING:
                self._report_let_go(assignment)

    def _breathe(self) -> None:
        """Leave the interpreter to the threads just begun until it answers in time again."""
        end_mono_s = self._clock.monotonic_s() + BREATH_MAX_S
        while not self._stopped.is_set():
            began_mono_s = self._clock.monotonic_s()
            self._stopped.wait(NAP_S)
            now_mono_s = self._clock.monotonic_s()
            if now_mono_s - began_mono_s < NAP_S + NAP_LATE_S or now_mono_s > end_mono_s:
                return

    def _look(self) -> None:
        try:
            self.run_once()
            if self._apart is not None:
                self._apart.look()
            if self._options.only is not None:
                self._look_after(self._options.only)
        except StoreUnavailable as error:
            self._repeats.add(str(error))
        except NoRoom as error:
            # Others go on; the next look tries again.
            self._room_repeats.add(str(error))

    def _look_after(self, only: SourceId) -> None:
        """See whether the one source we are there for still needs us."""
        now_mono_s = self._clock.monotonic_s()
        if self._store.read(partial(quarantine.is_wanted, source_id=only)):
            self._idle_since_mono_s = now_mono_s
            if now_mono_s - self._began_mono_s < self._options.readmit_s:
                return
        elif now_mono_s - self._idle_since_mono_s < self._options.idle_s:
            return
        self._store.write(partial(quarantine.readmit, source_id=only))
        self.stop()

    def _read_assignments(self) -> dict[ScenarioId, Assignment]:
        question = partial(
            leases.assignments, runner_id=self.runner_id, incarnation=self._incarnation
        )
        return {one.scenario.id: one for one in self._store.read(question)}

    def _settle_work(self, scenario_id: ScenarioId, work: Work, wanted: Assignment | None) -> None:
        """See whether a work still is what should run."""
        is_ours = (
            wanted is not None
            and wanted.token == work.assignment.token
            and wanted.scenario.run == work.assignment.scenario.run
        )
        if not is_ours:
            work.drop()
        elif wanted is not None and not should_run(wanted.scenario):
            work.stop()
        if work.is_alive:
            return
        if is_ours and work.has_told_end and wanted is not None and should_run(wanted.scenario):
            return  # What we read is older than what it told.
        del self._works[scenario_id]
        source_id = work.assignment.scenario.source_id
        if all(one.assignment.scenario.source_id != source_id for one in self._works.values()):
            self._ladders.pop(source_id, None)

    def _begin(self, assignment: Assignment) -> None:
        source_id = assignment.scenario.source_id
        if source_id not in self._ladders:
            self._ladders[source_id] = Ladder(Random().random)  # noqa: S311  (spreads tries)
        work = Work(
            assignment,
            self.runner_id,
            store=self._store,
            bus=self._bus,
            clock=self._clock,
            make=self._make,
            pack=self._pack,
            options=self._options.work,
            ladder=self._ladders[source_id],
            ended=self._wake.set,
            working=self._note_thread,
        )
        work.start()
        self._works[assignment.scenario.id] = work

    def _note_thread(self, source_id: SourceId) -> None:
        if self._last_words is not None:
            self._last_words.working_on(source_id)

    def _report_let_go(self, assignment: Assignment) -> None:
        scenario = assignment.scenario
        work = partial(
            report,
            scenario_id=scenario.id,
            run=scenario.run,
            happening=LetGo(),
            source_id=scenario.source_id,
            token=assignment.token,
        )
        try:
            self._store.write(work)
        except StaleToken:
            return  # Somebody else has seen to it.
        wake(self._bus, Message(topics.REPORTS, scenario.id))

    def _keep_leases(self) -> None:
        """Renew until all is drained; a thread of its own, so that nothing can make it late."""
        while not self._drained.is_set():
            try:
                if not self._registered.is_set():
                    self._store.write(self._register, durable=True)
                    self._registered.set()
                    self._wake.set()
                    log.info("runner registered runner=%s", self.runner_id)
                elif not self._store.write(self._renew):
                    log.error("another process took the name runner=%s", self.runner_id)
                    for work in list(self._works.values()):
                        work.drop()
                    self.stop()
                    return
            except StoreUnavailable as error:
                self._renew_repeats.add(str(error))
            self._drained.wait(self._options.renew_s)

    def _register(self, transaction: Transaction) -> None:
        leases.register(
            transaction,
            self.runner_id,
            self._incarnation,
            host=socket.gethostname(),
            pid=os.getpid(),
            version=__version__,
            capacity=self._options.capacity,
            only=self._options.only,
            lease_ms=round(self._options.lease_s * 1000),
        )

    def _renew(self, transaction: Transaction) -> bool:
        return leases.renew(
            transaction,
            self.runner_id,
            self._incarnation,
            lease_ms=round(self._options.lease_s * 1000),
        )

    def _drain(self) -> None:
        """End every pipeline after a last commit, and give the leases back at once."""
        try:
            self._store.write(self._take_no_more)
        except StoreUnavailable as error:
            log.warning("%s", error)
        works = list(self._works.values())
        for work in works:
            work.stop()
        end_s = self._clock.monotonic_s() + self._options.drain_s
        for work in works:
            if not work.join(max(end_s - self._clock.monotonic_s(), 0.0)):
                work.drop()
                log.warning("run did not end in time scenario=%s", work.assignment.scenario.id)
        try:
            self._store.write(self._give_back)
            wake(self._bus, Message(topics.REPORTS))
        except StoreUnavailable as error:
            log.warning("leases not given back, they run out by themselves: %s", error)

    def _take_no_more(self, transaction: Transaction) -> None:
        leases.take_no_more(transaction, self.runner_id, self._incarnation)

    def _give_back(self, transaction: Transaction) -> None:
        for held in leases.held_by(transaction, self.runner_id):
            if held.incarnation != self._incarnation:
                continue
            leases.take_away(transaction, held.source_id, held.token)
            for before in scenarios.scenarios_on(transaction, held.source_id):
                after = decide(before, HolderLost(StatusReason.RUNNER_DRAINED))
                scenarios.save_change(transaction, before, after, token=held.token)
        leases.retire(transaction, self.runner_id, self._incarnation)
