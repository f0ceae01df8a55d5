"""The road of a frame."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator
from contextlib import closing, nullcontext
from dataclasses import dataclass

from vedette.analytics.scene import Analyzer
from vedette.detectors.base import Detector
from vedette.domain.detection import Detections, State
from vedette.domain.errors import Stopped
from vedette.domain.frame import Frame
from vedette.domain.packet import Packet
from vedette.domain.scene import Scene
from vedette.domain.stream import Position, StreamFacts
from vedette.runner import checkpoint
from vedette.runner.ahead import Ahead, Stop
from vedette.runner.crew import Crew, in_order
from vedette.runner.ledger import Ledger, Limit
from vedette.runner.newest import Newest
from vedette.runner.pacing import Pacer
from vedette.sinks.base import Sink
from vedette.sources.base import Decoder, Source


@dataclass(frozen=True, slots=True)
class FrameCount:
    """What became of the pictures: `read` is `looked_at` and all of `skipped` together.

    Attributes:
        read: Pictures that came out of the source.
        looked_at: Pictures analysed.
        skipped: The rest, by stage: `pacing` (not asked for), `late` and `busy` (left out to stay
            live), `undecodable`, `stopped` (in hand when the run ended).
    """

    read: int
    looked_at: int
    skipped: dict[str, int]


class Pipeline:
    """Runs one source through detection and analysis, from `open` to `close`.

    Args:
        source: Where packets come from.
        detector: Shared or its own; the pipeline does not close it.
        analyzer: Its own.
        sinks: Where frames and scenes go; the pipeline opens it, its owner finishes it.
        pacer_for: Makes the pacer once the stream is known.
        crew: Threads for detection, shared by all pipelines of the process.
        packets_ahead_max: Packets read ahead of the decoder where they may be long in coming.
        limit: Where to stop by itself.
        watch: Called after every frame, in the pipeline's thread; for progress.
        stop: Its flag, where others look at it too; `stop()` sets it.
        begins: Called first of all in every other thread that touches the source.
    """

    def __init__(
        self,
        *,
        source: Source,
        detector: Detector,
        analyzer: Analyzer,
        sinks: Sink,
        pacer_for: Callable[[StreamFacts, Position | None], Pacer],
        crew: Crew,
        packets_ahead_max: int,
        limit: Limit | None = None,
        watch: Callable[[Frame, Scene], None] | None = None,
        stop: Stop | None = None,
        begins: Callable[[], None] = lambda: None,
    ) -> None:
        self.ledger = Ledger()
        self.facts: StreamFacts | None = None
        self._source = source
        self._detector = detector
        self._analyzer = analyzer
        self._sinks = sinks
        self._pacer_for = pacer_for
        self._crew = crew
        self._packets_ahead_max = packets_ahead_max
        self._limit = limit or Limit()
        self._watch = watch or (lambda _frame, _scene: None)
        self._stop = stop or Stop()
        self._begins = begins
        self._newest = Newest()
        self._decoder: Decoder | None = None
        self._pacer: Pacer | None = None
        self._last: Frame | None = None
        self._resumed_at: Position | None = None
        self._ended = False
        self._cut = False
        # Threads that wait for the source; they end by its timeouts.
        self._readers: list[Ahead[StreamFacts] | Ahead[Packet]] = []

    def open(self, resume_from: State | None = None) -> StreamFacts:
        """Open source and sinks, and go to where `resume_from` (a `checkpoint()`) was taken.

        Raises:
            SourceError, BadInput: the source gives no pictures.
            SinkError: a result has nowhere to go.
            Stopped: `stop` was called meanwhile.
        """
        if resume_from is not None:
            self._resumed_at = checkpoint.position_from(checkpoint.part_of(resume_from, "source"))
            self._analyzer.load_state(checkpoint.part_of(resume_from, "analyzer"))
            self._detector.load_state(checkpoint.part_of(resume_from, "detector"))
            self.ledger.load_state(checkpoint.part_of(resume_from, "ledger"))
            ledger = self.ledger
            self._newest.go_on_after(ledger.looked_at, ledger.media_s, ledger.captured_at)
        self.facts = self._open_source()
        self._sinks.open(self.facts)
        self._decoder = self._source.decoder()
        self._pacer = self._pacer_for(self.facts, self._resumed_at)
        return self.facts

    def _open_source(self) -> StreamFacts:
        # In a thread of its own: a host that accepts and says nothing holds FFmpeg for as long as
        # the open timeout allows, and nobody who presses Ctrl-C waits that long.
        def opening() -> Generator[StreamFacts]:
            yield self._source.open(self._resumed_at)

        ahead = Ahead(opening(), limit=1, name="open", stop=self._stop, begins=self._begins)
        self._readers.append(ahead)
        for facts in ahead:
            return facts
        raise Stopped("stopped before the source was open")

    def run(self) -> None:
        """Take the source's frames until it ends, the limit is reached, or `stop` is called."""
        with closing(self._detected()) as detected:
            for frame, detections in detected:
                scene = self._analyzer.observe(frame, detections)  # tracks, counts, events
                self.ledger.add(frame, scene)  # what must survive
                self._sinks.write(frame, scene)  # what may be lost
                self._last = frame
                self._watch(frame, scene)
                if self._limit.reached(self.ledger.looked_at):
                    return
        self._ended = not (self.stopped or self._cut)

    def _frames(self) -> Generator[Frame]:
        assert self._decoder is not None and self._pacer is not None, "open() comes first"
        with closing(self._decoder), closing(self._packets()) as packets:
            for packet in packets:
                if self._stop.is_set:
                    return
                for frame in self._decoder.frames(packet, self._pacer.judge(packet)):
                    if self._limit.ends_before(frame):  # Before anybody remembers it.
                        self._cut = True
                        return
                    yield frame

    def _packets(self) -> Generator[Packet]:
        packets = self._source.packets()
        if not self._source.waits:
            # What is live may be silent for long, and is read by others: closing wakes who waits.
            telling = self._stop.telling(self._source.close) if self._source.live else nullcontext()
            with telling:
                if not self._stop.is_set:
                    yield from packets
            return
        # Read by a thread of its own, so that an arrival is stamped when it arrives, the pacer can
        # tell how late the decoder is, and nobody who wants to stop waits for a silent host.
        limit = self._packets_ahead_max
        ahead = Ahead(packets, limit=limit, name="read", stop=self._stop, begins=self._begins)
        self._readers.append(ahead)
        with closing(ahead):
            yield from ahead

    def _detected(self) -> Generator[tuple[Frame, Detections]]:
        schedule = self._newest.detected if self._source.live else in_order
        return schedule(
            self._frames(),
            self._detector,
            crew=self._crew,
            stop=self._stop,
            begins=self._begins,
        )

    def stop(self) -> None:
        """Ask `run` to return after the frame in hand; may be called from anywhere."""
        self._stop.set()

    @property
    def labels(self) -> tuple[str, ...]:
        """What its detector can find."""
        return self._detector.labels

    @property
    def live(self) -> bool:
        """True where pictures do not wait for us; surely known once it is open."""
        return self._source.live

    @property
    def has_memory(self) -> bool:
        """True once there is something to go on from: `checkpoint` may be called."""
        return self._last is not None or self._resumed_at is not None

    @property
    def ended(self) -> bool:
        """True once the source came to its own end, or the limit was reached."""
        return self._ended or self._cut

    @property
    def stopped(self) -> bool:
        """True once `stop` was called."""
        return self._stop.is_set

    def checkpoint(self) -> State:
        """Give all that is remembered after the last frame taken up; call between frames.

        Another pipeline on the same source that opens with it goes on with the very next frame,
        and gives the rows that this one would have given.
        """
        return checkpoint.join_states(
            {
                "source": checkpoint.position_state(self._position()),
                "analyzer": self._analyzer.export_state(),
                "detector": self._detector.export_state(),
                "ledger": self.ledger.export_state(),
            }
        )

    def _position(self) -> Position:
        if self._last is None:
            assert self._resumed_at is not None, "nothing was looked at yet"
            return self._resumed_at
        assert self._decoder is not None
        return self._decoder.position(self._last)

    def frame_count(self) -> FrameCount:
        """Tell what became of the pictures so far.

        Of a finite source that was stopped early, those behind the last one taken up do not count
        as read: only we ran ahead, for speed.
        """
        looked_at = self.ledger.looked_at
        if self._decoder is None:
            return FrameCount(read=0, looked_at=0, skipped={})
        skipped = Counter(self._decoder.skipped)
        if self._source.live:
            skipped.update(self._newest.skipped)
            read = max(self._decoder.read, looked_at + skipped.total())
            skipped["stopped"] = read - looked_at - skipped.total()
        else:
            behind = 0 if self._last is None else self._last.number + 1
            read = max(self._decoder.read, behind) if self._ended else behind
            skipped["undecodable"] = min(skipped["undecodable"], read - looked_at)
            skipped["pacing"] = read - looked_at - skipped["undecodable"]
        return FrameCount(
            read=read,
            looked_at=looked_at,
            skipped={stage: count for stage, count in skipped.items() if count},
        )

    def close(self) -> None:
        """Let go of the source; may be called twice."""
        self._stop.set()
        self._source.close()

    def join(self, timeout_s: float) -> bool:
        """Wait until no thread touches the source any more; False where one still does.

        A thread that waits for a silent host ends by the source's own timeouts.
        """
        return self._newest.join(timeout_s) and all(one.join(timeout_s) for one in self._readers)
