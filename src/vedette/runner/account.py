"""What one run has to say and has not yet committed: rows, events, counts, and its memory."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from vedette.analytics.buckets import Buckets
from vedette.analytics.coverage import Covered
from vedette.domain.detection import State
from vedette.domain.event import Event
from vedette.domain.frame import Frame
from vedette.domain.ids import RunnerId
from vedette.domain.model_origin import ModelOrigin
from vedette.domain.prediction import Origin, prediction_row
from vedette.domain.scene import Scene
from vedette.domain.stream import StreamFacts
from vedette.runner import checkpoint
from vedette.runner.pipeline import Pipeline
from vedette.store.statements.leases import Assignment
from vedette.store.statements.results import Checkpoint, Commit, FreshPart

# A model with so many labels has each of them in every bucket, seen or not.
LABELS_FEW = 8

Pack = Callable[[list[Mapping[str, Any]]], bytes]


@dataclass(frozen=True, slots=True)
class Saved:
    """Where a run goes on.

    Attributes:
        pipeline: What its pipeline opens with.
        detector: Name of the model that all of the run uses.
    """

    pipeline: State
    detector: str


class Account:
    """Gathers what a run says, frame by frame, and makes commits of it.

    For the pipeline's thread alone.
    """

    def __init__(
        self, assignment: Assignment, runner_id: RunnerId, *, pack: Pack, gap_max_s: float
    ) -> None:
        self._assignment = assignment
        self._runner_id = runner_id
        self._pack = pack
        self._gap_max_s = gap_max_s
        scenario = assignment.scenario
        self._origin = Origin(scenario.id, assignment.source_name, str(scenario.run))
        self._recorded_at = assignment.parameters.recorded_at
        self._live = False
        self._facts = "{}"
        self._detector = ""
        self._rows: list[dict[str, Any]] = []
        self._at_ms: list[int | None] = []
        self._events: list[tuple[Event, int | None]] = []
        self._buckets: Buckets | None = None
        self._covered: Covered | None = None
        self._saved_state: State | None = None
        self._parts = 0

    def resume(self, saved: Checkpoint) -> Saved:
        """Go on from what was committed."""
        state = checkpoint.from_bytes(saved.state)
        self._parts = saved.parts
        self._saved_state = state
        detector = bytes(state["detector_name"]).decode()
        return Saved(checkpoint.part_of(state, "pipeline"), detector)

    def opened(
        self, facts: StreamFacts, detector: str, labels: tuple[str, ...], model: ModelOrigin
    ) -> None:
        """Take up what the stream turned out to be; called anew after every reconnect.

        Args:
            facts: The stream.
            detector: Name of the model in use.
            labels: What that can find.
            model: Whose it is.
        """
        self._detector = detector
        self._live = facts.live
        self._facts = json.dumps(
            {
                "live": facts.live,
                "codec": facts.codec,
                "width": facts.width,
                "height": facts.height,
                "frame_rate": facts.frame_rate,
                "duration_s": facts.duration_s,
                "pictures": facts.pictures,
                "detector": detector,
                "model": model.as_json(),
            }
        )
        if self._buckets is not None:
            self._break_off()
            return
        parameters = self._assignment.parameters
        # Looks are as far apart as somebody wished, and as the source's own pictures are.
        rates = [rate for rate in (parameters.fps, facts.frame_rate) if rate]
        spacing_s = max((1 / rate for rate in rates), default=0.0)
        self._buckets = Buckets(
            parameters.plan,
            gap_max_s=self._gap_max_s,
            live=facts.live,
            spacing_s=spacing_s,
            # These read 0 from the first look on; of many, only those that were seen have a row.
            labels=parameters.classes or (labels if len(labels) <= LABELS_FEW else ()),
        )
        if facts.live:
            self._covered = Covered(gap_max_s=self._gap_max_s, spacing_s=spacing_s)
        if self._saved_state is not None:
            self._buckets.load_state(checkpoint.part_of(self._saved_state, "buckets"))
            if self._covered is not None:
                self._covered.load_state(checkpoint.part_of(self._saved_state, "covered"))
                self._break_off()  # Nobody watched meanwhile.
            self._saved_state = None

    def _break_off(self) -> None:
        assert self._buckets is not None
        if self._covered is not None:
            self._buckets.break_off()
            self._covered.break_off()

    def add(self, frame: Frame, scene: Scene) -> None:
        """Take up one frame."""
        assert self._buckets is not None
        if self._recorded_at is not None and not self._live:
            moment = self._recorded_at + timedelta(seconds=frame.pts_s)
            frame.captured_at = moment.astimezone(UTC)
        at_ms = _wall_ms(frame.captured_at)
        self._rows.append(prediction_row(self._origin, frame, scene))
        self._at_ms.append(at_ms)
        self._events += [(event, at_ms) for event in scene.events]
        if self._live:
            assert at_ms is not None and self._covered is not None
            self._buckets.observe(at_ms, scene, pts_s=frame.pts_s)
            self._covered.look(at_ms, pts_s=frame.pts_s)
        else:
            self._buckets.observe(round(frame.pts_s * 1000), scene, pts_s=frame.pts_s)

    @property
    def rows(self) -> int:
        """Rows gathered since the last commit was made."""
        return len(self._rows)

    def commit(self, pipeline: Pipeline) -> Commit:
        """Make a commit of everything gathered, with the memory that goes with it."""
        assert self._buckets is not None
        assignment, scenario = self._assignment, self._assignment.scenario
        counts = self._buckets.changed()
        covered = self._covered.taken() if self._covered is not None else []
        memory = checkpoint.join_states(
            {
                "pipeline": pipeline.checkpoint(),
                "buckets": self._buckets.export_state(),
                "covered": {} if self._covered is None else self._covered.export_state(),
            }
        )
        memory["detector_name"] = checkpoint.text_state(self._detector)
        news = Commit(
            scenario_id=scenario.id,
            run=scenario.run,
            source_id=scenario.source_id,
            token=assignment.token,
            holder=self._runner_id,
            part=self._part(),
            part_number=self._parts,
            events=tuple(self._events),
            counts=counts,
            covered=covered,
            checkpoint=checkpoint.to_bytes(memory),
            totals=json.dumps(_totals(pipeline)),
            facts=self._facts,
        )
        self._parts += bool(self._rows)
        self._rows, self._at_ms, self._events = [], [], []
        return news

    def _part(self) -> FreshPart | None:
        rows, at_ms = self._rows, self._at_ms
        if not rows:
            return None
        return FreshPart(
            first_frame=rows[0]["frame"],
            last_frame=rows[-1]["frame"],
            first_pts_s=rows[0]["pts_s"],
            last_pts_s=rows[-1]["pts_s"],
            first_captured_at_ms=at_ms[0],
            last_captured_at_ms=at_ms[-1],
            rows=len(rows),
            bytes=self._pack(list(rows)),
        )


def _wall_ms(moment: datetime | None) -> int | None:
    return None if moment is None else round(moment.timestamp() * 1000)


def _totals(pipeline: Pipeline) -> dict[str, Any]:
    frames, ledger = pipeline.frame_count(), pipeline.ledger
    counts = ledger.counts
    return {
        "frames": {
            "read": frames.read,
            "looked_at": frames.looked_at,
            "skipped": frames.skipped,
        },
        "media_s": ledger.media_s,
        "objects": {
            label: {"now": one.now, "distinct": one.distinct, "most_at_once": one.most_at_once}
            for label, one in counts.objects.items()
        },
        "zones": {
            name: {
                "now": one.now,
                "most_at_once": one.most_at_once,
                "entered": one.entered,
                "left": one.left,
                "dwell_s": round(one.dwell_s, 3),
            }
            for name, one in counts.zones.items()
        },
        "lines": {
            name: {"in": one.crossed_in, "out": one.crossed_out}
            for name, one in counts.lines.items()
        },
    }
