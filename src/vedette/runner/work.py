"""One scenario's run on this runner: its pipeline from the checkpoint on, and what it reports."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import Protocol, TypeVar

from vedette.bus import topics
from vedette.bus.base import Bus, Message, wake
from vedette.clock import Clock
from vedette.domain.detection import State
from vedette.domain.errors import (
    BadInput,
    SourceError,
    StaleToken,
    Stopped,
    StoreUnavailable,
    StreamCause,
    VedetteError,
)
from vedette.domain.frame import Frame
from vedette.domain.health import Health
from vedette.domain.ids import RunnerId, SourceId
from vedette.domain.model_origin import ModelOrigin
from vedette.domain.scenario import Happening, PipelineUp, RunEnded, StatusReason
from vedette.domain.scene import Scene
from vedette.runner.account import Account, Pack, Saved
from vedette.runner.ahead import Stop
from vedette.runner.committer import Committer
from vedette.runner.pipeline import Pipeline
from vedette.runner.retrying import Ladder, worth_waiting
from vedette.store.base import Store
from vedette.store.statements.leases import Assignment
from vedette.store.statements.reports import report, report_health
from vedette.store.statements.results import Commit, load_checkpoint
from vedette.threads import begin

log = logging.getLogger(__name__)

T = TypeVar("T")

LOOK_S = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkOptions:
    """Limits of every run.

    Attributes:
        commit_s: Time between commits of a run.
        orphan_s: So much of results waits here while the store is away.
        gap_max_s: An instant farther than this from any look is not covered.
        finish_s: How long the last commit may take when a run is to end.
    """

    commit_s: float = 1.0
    orphan_s: float = 30.0
    gap_max_s: float = 2.0
    finish_s: float = 5.0


class MakePipeline(Protocol):
    """Makes the parts of one run.

    Gives its pipeline, what to ask for to get its model again, and whose model that is.
    """

    def __call__(
        self,
        assignment: Assignment,
        *,
        detector: str,
        watch: Callable[[Frame, Scene], None],
        stop: Stop,
        begins: Callable[[], None],
    ) -> tuple[Pipeline, str, ModelOrigin]: ...


class Work:
    """Runs one scenario under one token, in a thread of its own."""

    def __init__(
        self,
        assignment: Assignment,
        runner_id: RunnerId,
        *,
        store: Store,
        bus: Bus,
        clock: Clock,
        make: MakePipeline,
        pack: Pack,
        options: WorkOptions,
        ladder: Ladder,
        ended: Callable[[], None],
        working: Callable[[SourceId], None],
    ) -> None:
        """Gather parts.

        Args:
            assignment: What to run, with its token.
            runner_id: Who holds it.
            store: Where results go.
            bus: Who shows them is told over it.
            clock: For waits.
            make: Makes pipelines.
            pack: Makes bytes of prediction rows.
            options: Limits.
            ladder: Of its source: when to try again.
            ended: Told from its thread, as the last thing it does.
            working: Told from its thread, as the first thing it does, for which source that works.
        """
        self.assignment = assignment
        # Its run came to its own end, and the store knows.
        self.has_told_end = False
        self._store = store
        self._bus = bus
        self._clock = clock
        self._make = make
        self._options = options
        self._ended = ended
        self._working = working
        self._account = Account(assignment, runner_id, pack=pack, gap_max_s=options.gap_max_s)
        self._committer = Committer(
            store,
            clock,
            waiting_max=max(2, round(options.orphan_s / options.commit_s)),
            share_s=options.commit_s,
            committed=partial(_tell, bus),
        )
        self._stop = Stop()
        self._is_stale = False
        self._pipeline: Pipeline | None = None
        self._detector = ""
        self._slot = 0
        # The source's health as last told, and the same where it could not be written down.
        self._health: Health | None = None
        self._health_untold: Health | None = None
        self._connected_mono_s = 0.0
        self._ladder = ladder
        name = f"work {assignment.scenario.id[-6:]}"
        self._thread = threading.Thread(target=self._carry_out, name=name, daemon=True)

    def start(self) -> None:
        """Begin.

        Raises:
            NoRoom: there is no thread for it; nothing was begun.
        """
        begin(self._thread)

    def stop(self) -> None:
        """Ask it to commit what it has and end; returns at once."""
        self._stop.set()

    def drop(self) -> None:
        """Ask it to end with nothing more written: the work is somebody else's."""
        if not self._is_stale:
            log.warning(
                "run dropped, it was given to somebody else scenario=%s token=%d",
                self.assignment.scenario.id,
                self.assignment.token,
            )
        self._is_stale = True
        self._stop.set()

    @property
    def is_alive(self) -> bool:
        """True until its thread, and all it opened, is gone."""
        return self._thread.is_alive()

    def join(self, timeout_s: float) -> bool:
        """Wait for its end; False where it is still there."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _carry_out(self) -> None:
        scenario = self.assignment.scenario
        self._working(scenario.source_id)
        log.info("run begins scenario=%s run=%d token=%d", scenario.id, scenario.run,
                 self.assignment.token)  # fmt: skip
        try:
            self._report(PipelineUp())
            ended = self._run()
            if ended is not None:
                self._report(ended)
                self.has_told_end = True
        except StaleToken as error:
            log.warning("run dropped scenario=%s: %s", scenario.id, error)
        except Stopped:
            pass
        except Exception:
            # A programmer's mistake; the run would fail the same way again and again.
            log.exception("run failed scenario=%s", scenario.id)
            self._fail("an error inside Vedette; the log of the runner has it")
        finally:
            # It calls us after every frame: kept, both would wait for the collector of cycles.
            self._pipeline = None
            wake(self._bus, Message(topics.REPORTS, scenario.id))
            self._ended()

    def _run(self) -> RunEnded | None:
        """Analyse until the source ends, waiting cannot mend it, or somebody stops it."""
        try:
            saved = self._read_saved()
        except BadInput as error:
            return RunEnded(StatusReason.FAILED, f"{error}; start the scenario to begin a new run")
        state = None if saved is None else saved.pipeline
        # All of a run uses one model, whatever is installed meanwhile.
        self._detector = "" if saved is None else saved.detector
        while not self._stop.is_set:
            try:
                ended, state = self._connect(state)
            except VedetteError as error:
                state = self._state_after(state)
                if isinstance(error, StaleToken | Stopped):
                    raise
                live = self._pipeline is not None and self._pipeline.live
                if not worth_waiting(error, live=live, attempts=self._ladder.attempts):
                    self._settle()
                    return RunEnded(StatusReason.FAILED, str(error))
                self._settle()
                self._wait_to_try_again(error)
                continue
            self._settle()
            if ended:
                return RunEnded(StatusReason.COMPLETED)
        return None

    def _read_saved(self) -> Saved | None:
        scenario = self.assignment.scenario
        question = partial(load_checkpoint, scenario_id=scenario.id, run=scenario.run)
        saved = self._persist(lambda: self._store.read(question))
        return None if saved is None else self._account.resume(saved)

    def _connect(self, state: State | None) -> tuple[bool, State | None]:
        """Open the source and take its frames; give whether it came to its own end."""
        pipeline, self._detector, model = self._make(
            self.assignment,
            detector=self._detector,
            watch=self._seen,
            stop=Stop(within=self._stop),
            begins=partial(self._working, self.assignment.scenario.source_id),
        )
        self._pipeline = pipeline
        self._connected_mono_s = self._clock.monotonic_s()
        try:
            facts = pipeline.open(state)
            self._account.opened(facts, self._detector, pipeline.labels, model)
            self._tell_health(Health(connected=True))
            self._connected_mono_s = self._clock.monotonic_s()
            pipeline.run()
            return pipeline.ended, self._state_after(state)
        finally:
            pipeline.close()
            while not pipeline.join(LOOK_S):
                if self._is_stale:
                    break  # The source is somebody else's already; ours ends by its timeout.

    def _state_after(self, before: State | None) -> State | None:
        pipeline = self._pipeline
        if pipeline is None or not pipeline.has_memory:
            return before
        return pipeline.checkpoint()

    def _seen(self, frame: Frame, scene: Scene) -> None:
        """Take up one frame; called in the pipeline's thread, between frames."""
        if self._is_stale:
            raise StaleToken(f"scenario '{self.assignment.scenario.id}': given to somebody else")
        self._account.add(frame, scene)
        # All runs commit at the same moments, so that they share transactions.
        slot = int(self._clock.monotonic_s() / self._options.commit_s)
        if slot == self._slot:
            return
        self._slot = slot
        if self._health_untold is not None:
            self._tell_health(self._health_untold)
        self._hand_over()

    def _hand_over(self) -> None:
        assert self._pipeline is not None
        news = self._account.commit(self._pipeline)
        self._committer.add(news, stopping=lambda: self._stop.is_set)

    def _settle(self) -> None:
        """Commit what is left, and wait for it."""
        if self._is_stale:
            return
        pipeline = self._pipeline
        if pipeline is not None and self._account.rows:
            self._hand_over()
        if not self._committer.finish(patience_s=self._patience_s()):
            raise Stopped("the store was away for too long; the run goes on from its last commit")

    def _patience_s(self) -> float:
        return self._options.finish_s if self._stop.is_set else self._options.orphan_s

    def _wait_to_try_again(self, error: VedetteError) -> None:
        cause = error.cause if isinstance(error, SourceError) else None
        now_mono_s = self._clock.monotonic_s()
        healthy_s = now_mono_s - self._connected_mono_s
        self._ladder.failed(cause, healthy_s=healthy_s, now_mono_s=now_mono_s)
        told = 0
        while not self._stop.is_set:
            left_s = self._ladder.left_s(self._clock.monotonic_s())
            if left_s <= 0:
                return
            # Another scenario on this source may have tried, and failed, for us too.
            if self._ladder.attempts != told:
                told = self._ladder.attempts
                self._tell_health(
                    Health(
                        connected=False,
                        cause=cause or StreamCause.CONNECTION_FAILED,
                        message=str(error),
                        attempts=told,
                        next_try_s=round(left_s, 1),
                    )
                )
                log.warning("%s; trying again in %.1f s", error, left_s)
            self._clock.sleep(min(left_s, LOOK_S))

    def _tell_health(self, health: Health) -> None:
        scenario = self.assignment.scenario
        work = partial(
            report_health,
            scenario_id=scenario.id,
            run=scenario.run,
            health=health,
            source_id=scenario.source_id,
            token=self.assignment.token,
            live=self._pipeline is not None and self._pipeline.live,
        )
        # What cannot be written now is told with the next results, or the next failure.
        self._health, self._health_untold = health, None
        self._store.submit(work).add_done_callback(partial(self._note_untold, health))

    def _note_untold(self, health: Health, written: Future[None]) -> None:
        """Take note of what could not be written down; called in the store's thread."""
        if isinstance(written.exception(), StoreUnavailable) and self._health is health:
            self._health_untold = health

    def _report(self, happening: Happening) -> None:
        """Tell the store, for as long as it takes; errors as `reports.report`."""
        scenario = self.assignment.scenario
        work = partial(
            report,
            scenario_id=scenario.id,
            run=scenario.run,
            happening=happening,
            source_id=scenario.source_id,
            token=self.assignment.token,
        )
        self._persist(lambda: self._store.write(work))
        wake(self._bus, Message(topics.REPORTS, scenario.id))

    def _persist(self, asking: Callable[[], T]) -> T:
        """Ask the store until it answers, or somebody stops the run."""
        while True:
            try:
                return asking()
            except StoreUnavailable:
                if self._stop.is_set:
                    raise Stopped(
                        "the store is away; the run goes on from its last commit"
                    ) from None
                self._clock.sleep(LOOK_S)

    def _fail(self, detail: str) -> None:
        try:
            self._report(RunEnded(StatusReason.FAILED, detail))
            self.has_told_end = True
        except VedetteError as error:
            log.warning("failure not reported: %s", error)


def _tell(bus: Bus, news: Commit) -> None:
    if news.part is not None:
        wake(bus, Message(topics.RESULTS, news.scenario_id))
