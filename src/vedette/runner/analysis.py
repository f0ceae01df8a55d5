"""One whole analysis: a pipeline from open to close, and what becomes of its outputs."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from vedette.domain.detection import State
from vedette.domain.errors import SinkClosed, VedetteError
from vedette.domain.scene import Counts
from vedette.domain.stream import StreamFacts
from vedette.runner.pipeline import FrameCount, Pipeline
from vedette.sinks.base import Sink


@dataclass(frozen=True, slots=True)
class RunReport:
    """What a finished analysis can say of itself.

    Attributes:
        facts: The stream.
        frames: What became of its pictures.
        seconds: Wall time from the first packet to the last result.
        media_s: Media time of the last frame looked at; None where none was.
        counts: Totals.
        dropped: Frames that a live source left out of an output that was too slow, by target.
        interrupted: True where somebody stopped it.
        failure: What ended a live source whose outputs were completed all the same.
    """

    facts: StreamFacts
    frames: FrameCount
    seconds: float
    media_s: float | None
    counts: Counts
    dropped: dict[str, int]
    interrupted: bool
    failure: VedetteError | None = None

    @property
    def realtime_factor(self) -> float | None:
        """Seconds of video per second of work; None where nothing was looked at."""
        if self.media_s is None or self.seconds <= 0:
            return None
        return self.media_s / self.seconds


def carry_out(
    pipeline: Pipeline,
    sinks: Sink,
    *,
    opened: Callable[[StreamFacts], None] | None = None,
    resume_from: State | None = None,
) -> RunReport:
    """Run the pipeline to its end and settle its outputs.

    Outputs are finished when the source ended, the limit was reached or somebody stopped the run;
    also when a *live* source failed, for what was seen until then is true. When a *finite* source
    fails nothing appears: a shorter file under the promised name would be taken for the whole.

    Args:
        pipeline: Not yet open; closed on return.
        sinks: The ones the pipeline writes to.
        opened: Told what the stream is, once it is open.
        resume_from: A checkpoint to go on from.

    Raises:
        VedetteError: the source, the detector or an output failed, and there is nothing to report.
    """
    try:
        facts = pipeline.open(resume_from)
        if opened is not None:
            opened(facts)
        started_s = time.perf_counter()
        failure = None
        try:
            pipeline.run()
        except SinkClosed:
            pass  # Whoever read our output has enough, like `head`: an end like any other.
        except VedetteError as error:
            if not pipeline.stopped:
                if not (facts.live and pipeline.ledger.looked_at):
                    raise
                failure = error
        seconds = time.perf_counter() - started_s
        sinks.finish()
        return RunReport(
            facts=facts,
            frames=pipeline.frame_count(),
            seconds=seconds,
            media_s=pipeline.ledger.media_s,
            counts=pipeline.ledger.counts,
            dropped=dict(sinks.dropped),
            interrupted=pipeline.stopped,
            failure=failure,
        )
    finally:
        pipeline.close()
        sinks.discard()  # Nothing is left to discard where `finish` was called.
