"""The door of analytics: detections in, tracks, counts and events out.

Pure: no I/O, no clock, no chance. Time is the frames' own (`pts_s`), so an answer depends on what
was seen and when, never on how fast it was worked on. All that is remembered leaves and returns as
plain arrays: an analyzer that loads another's state goes on with the same answers to the last bit.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from vedette.analytics import tracking
from vedette.analytics.boxes import bottom_centre, centred
from vedette.analytics.counting import Tally
from vedette.analytics.labels import Labels
from vedette.analytics.lines import Crossing, Lines
from vedette.analytics.table import Column, Table
from vedette.analytics.tracking import TWIN, Followed, Found, Tracker, Tuning
from vedette.analytics.zones import Move, Zones
from vedette.domain.detection import Detections, State
from vedette.domain.errors import BadInput
from vedette.domain.event import Event, EventType
from vedette.domain.frame import Frame
from vedette.domain.scene import Counts, Scene, SceneObject
from vedette.domain.zone import ScenePlan

# Goes up when the meaning of an exported array changes.
STATE_VERSION = 1


class Analyzer:
    """Follows and counts the objects of one source, frame by frame."""

    def __init__(
        self,
        plan: ScenePlan,
        *,
        confidence: float,
        classes: Sequence[str] | None = None,
        tuning: Tuning | None = None,
    ) -> None:
        """Begin with an empty scene.

        Args:
            plan: Zones and lines.
            confidence: From here on a detection may begin a track, in (0, 1].
            classes: Only these labels are looked at; None means all.
            tuning: The tracker's limits.
        """
        self._plan = plan
        self._classes = None if classes is None else tuple(classes)
        self._tuning = tuning or Tuning()
        self._confidence = confidence
        # Below the user's own threshold by enough to bridge weak moments, however low that is.
        self._weak_confidence = min(self._tuning.weak_confidence, confidence / 2)
        self._table = Table(
            {
                **tracking.COLUMNS,
                **Zones.columns(len(plan.zones)),
                **Lines.columns(len(plan.lines)),
            }
        )
        self._labels = Labels()
        self._tracker = Tracker(self._table, confidence=confidence, tuning=self._tuning)
        self._zones = Zones(plan.zones, self._table)
        self._lines = Lines(plan.lines, self._table)
        self._tally = Tally()
        self._sequence = 0
        self._pts_s: float | None = None
        self._now_s = 0.0
        self._wh_px = np.zeros(2)

    @property
    def counts(self) -> Counts:
        """Totals after the last frame observed."""
        return Counts(
            objects=self._tally.counts(self._labels),
            zones=self._zones.counts(),
            lines=self._lines.counts(),
        )

    def observe(self, frame: Frame, detections: Detections) -> Scene:
        """Take up the next frame.

        Args:
            frame: Only number, time and size are read. Frames come in presentation order; where
                time jumps back (a camera that began anew), it is taken to stand still once.
            detections: What was found in it, weak ones too. Boxes of no area or with NaN are
                ignored.

        Returns:
            Everything seen in this frame; objects that are expected but not seen are not in it.
        """
        elapsed_s = self._advance(frame)
        found, origin = self._found(detections)
        followed = self._tracker.follow(self._now_s, elapsed_s, found, self._wh_px)
        table = self._table
        gone = (followed.gone & (table["id"] > 0)).nonzero()[0]
        events = self._endings(frame, gone[np.argsort(table["id"][gone])]) if len(gone) else []
        events += self._happenings(frame, found, followed)
        row_of = followed.row_of
        if followed.gone.any():
            table.keep(~followed.gone)
            moved_to = np.cumsum(~followed.gone) - 1
            row_of = np.where(row_of >= 0, moved_to[np.maximum(row_of, 0)], row_of)
        ids = table["id"][row_of[row_of >= 0]]
        labels = table["label"][row_of[row_of >= 0]]
        self._tally.look(labels[ids > 0])
        objects = self._objects(detections, found, origin, row_of)
        return Scene(objects=objects, events=tuple(events), counts=self.counts)

    def export_state(self) -> State:
        """Give all it remembers as plain arrays, copied; no array holds objects."""
        state: State = {
            "version": np.array(STATE_VERSION),
            "made_for": _text(self._made_for()),
            "labels": _text(self._labels.names),
            "next_id": np.array(self._tracker.next_id),
            "sequence": np.array(self._sequence),
            "pts_s": np.array(np.nan if self._pts_s is None else self._pts_s),
            "now_s": np.array(self._now_s),
            "wh_px": self._wh_px.copy(),
        }
        for room, part in (
            ("track", self._table.export()),
            ("objects", self._tally.export()),
            ("zones", self._zones.export()),
            ("lines", self._lines.export()),
        ):
            state |= {f"{room}.{name}": array for name, array in part.items()}
        return state

    def load_state(self, state: State) -> None:
        """Go on from what `export_state` gave.

        Raises:
            BadInput: the state was made by another version, or for other zones, lines, classes or
                confidence.
        """
        if int(state["version"]) != STATE_VERSION:
            raise BadInput(
                f"the saved analysis has version {int(state['version'])}, this program reads "
                f"{STATE_VERSION}; begin anew"
            )
        if _from_text(state["made_for"]) != json.loads(json.dumps(self._made_for())):
            raise BadInput(
                "the saved analysis was made for other zones, lines, classes or limits; begin anew"
            )
        self._labels = Labels(_from_text(state["labels"]))
        self._tracker.next_id = int(state["next_id"])
        self._sequence = int(state["sequence"])
        pts_s = float(state["pts_s"])
        self._pts_s = None if np.isnan(pts_s) else pts_s
        self._now_s = float(state["now_s"])
        self._wh_px = np.array(state["wh_px"], np.float64)
        self._table.load(_part(state, "track"))
        self._tally.load(_part(state, "objects"))
        self._zones.load(_part(state, "zones"))
        self._lines.load(_part(state, "lines"))

    def _advance(self, frame: Frame) -> float:
        """Move time on, and carry tracks over where the picture's size has changed."""
        wh_px = np.array([frame.width, frame.height], np.float64)
        if self._pts_s is not None and (wh_px != self._wh_px).any():
            self._tracker.rescale(wh_px / self._wh_px)
        self._wh_px = wh_px
        before_s = self._now_s
        if self._pts_s is None:
            self._now_s = frame.pts_s
        elif frame.pts_s > self._pts_s:
            # Equal to pts_s, bit by bit, as long as time never jumped back.
            jumped_s = self._now_s - self._pts_s
            self._now_s = frame.pts_s + jumped_s
        elapsed_s = 0.0 if self._pts_s is None else self._now_s - before_s
        self._pts_s = frame.pts_s
        return elapsed_s

    def _found(self, detections: Detections) -> tuple[Found, Column]:
        """Give the detections worth looking at, and the index of each in `detections`."""
        numbers = self._labels.numbers(detections.labels)
        if len(self._labels) > self._table["votes"].shape[1]:
            self._table.widen("votes", len(self._labels))
        self._tally.widen(len(self._labels))
        xyxy = detections.xyxy.astype(np.float64)
        good = (
            np.isfinite(xyxy).all(axis=1)
            & (xyxy[:, 2:] > xyxy[:, :2]).all(axis=1)
            & (detections.confidence >= np.float32(self._weak_confidence))
        )
        if self._classes is not None and len(numbers):
            good &= self._labels.chosen(self._classes or ("",))[numbers][detections.class_id]
        index = good.nonzero()[0]
        confidence = detections.confidence[index].astype(np.float64)
        label = numbers[detections.class_id[index]] if len(index) else np.zeros(0, np.int64)
        kin = self._labels.kin(label)
        xyxy = xyxy[index]
        return Found(xyxy, centred(xyxy), confidence, label, kin), index

    def _endings(self, frame: Frame, rows: Column) -> list[Event]:
        """Give what the end of confirmed tracks brings with it."""
        left: dict[int, list[Move]] = {int(row): [] for row in rows}
        for move in self._zones.end(rows):
            left[move.row].append(move)
        events: list[Event] = []
        for row, moves in left.items():
            events += [self._moved(frame, move) for move in moves]
            events.append(self._event(frame, EventType.TRACK_ENDED, row))
        return events

    def _happenings(self, frame: Frame, found: Found, followed: Followed) -> list[Event]:
        """Give what the tracks seen in this frame did, in the order of their ids."""
        table, confirmed = self._table, followed.confirmed
        self._tally.relabel(followed.old_label, table["label"][followed.relabelled])
        self._tally.confirm(table["label"][confirmed])
        moves: list[Move] = []
        crossings: list[Crossing] = []
        at = (followed.row_of >= 0).nonzero()[0]
        if len(at) and (self._plan.zones or self._plan.lines):
            rows = followed.row_of[at]
            points_px = np.clip(bottom_centre(found.xyxy_px[at]), 0.0, self._wh_px)
            sizes_px = found.box_px[at, 2:].mean(axis=1)
            moves = self._zones.begin(confirmed)
            moves += self._zones.look(
                rows, points_px, sizes_px, wh_px=self._wh_px, now_s=self._now_s, labels=self._labels
            )
            crossings = self._lines.look(
                rows, points_px, sizes_px, wh_px=self._wh_px, labels=self._labels
            )
        started = set(confirmed.tolist())
        acting = started | {move.row for move in moves} | {one.row for one in crossings}
        events: list[Event] = []
        for row in sorted(acting, key=lambda row: int(table["id"][row])):
            if row in started:
                events.append(self._event(frame, EventType.TRACK_STARTED, row))
            events += [self._moved(frame, move) for move in moves if move.row == row]
            events += [self._crossed(frame, one) for one in crossings if one.row == row]
        return events

    def _moved(self, frame: Frame, move: Move) -> Event:
        kind = EventType.ZONE_ENTERED if move.entered else EventType.ZONE_LEFT
        place = self._plan.zones[move.zone].name
        dwell_s = None if move.entered else move.dwell_s
        return self._event(frame, kind, move.row, place=place, dwell_s=dwell_s)

    def _crossed(self, frame: Frame, crossing: Crossing) -> Event:
        place = self._plan.lines[crossing.line].name
        direction = "in" if crossing.inward else "out"
        return self._event(
            frame, EventType.LINE_CROSSED, crossing.row, place=place, direction=direction
        )

    def _event(
        self, frame: Frame, kind: EventType, row: int, *,
        place: str | None = None, direction: str | None = None, dwell_s: float | None = None,
    ) -> Event:  # fmt: skip
        sequence, self._sequence = self._sequence, self._sequence + 1
        return Event(
            sequence=sequence,
            type=kind,
            frame=frame.number,
            pts_s=frame.pts_s,
            track_id=int(self._table["id"][row]),
            label=self._labels.names[int(self._table["label"][row])],
            place=place,
            direction=direction,
            dwell_s=dwell_s,
        )

    def _objects(
        self, detections: Detections, found: Found, origin: Column, row_of: Column
    ) -> tuple[SceneObject, ...]:
        """Give what is seen: tracked objects by id, then strong detections without a track."""
        ids, labels = self._table["id"], self._table["label"]
        boxes, confidences = detections.xyxy.tolist(), detections.confidence.tolist()
        tracked: list[tuple[int, SceneObject]] = []
        others: list[SceneObject] = []
        for at, (index, row) in enumerate(zip(origin.tolist(), row_of.tolist(), strict=True)):
            confidence, box = confidences[index], tuple(boxes[index])
            track_id = int(ids[row]) if row >= 0 else 0
            if track_id:
                label, zones = self._labels.names[labels[row]], self._zones.names(row)
                seen = SceneObject(label, confidence, box, track_id, zones)
                tracked.append((track_id, seen))
            elif row != TWIN and confidence >= self._confidence:
                label = self._labels.names[found.label[at]]
                point_px = np.clip(bottom_centre(found.xyxy_px[at : at + 1])[0], 0.0, self._wh_px)
                zones = self._zones.names_at(point_px, label, self._wh_px)
                others.append(SceneObject(label, confidence, box, None, zones))
        tracked.sort(key=lambda pair: pair[0])
        return (*(seen for _, seen in tracked), *others)

    def _made_for(self) -> object:
        """Give what must be the same for a saved state to make sense here."""
        return {
            "plan": asdict(self._plan),
            "confidence": self._confidence,
            "classes": self._classes,
            "tuning": asdict(self._tuning),
        }


def _part(state: State, room: str) -> State:
    return {
        name.removeprefix(f"{room}."): array
        for name, array in state.items()
        if name.startswith(f"{room}.")
    }


def _text(value: object) -> np.ndarray:
    """Give JSON as bytes: numpy's own text arrays lose trailing zeros and need a fixed width."""
    return np.frombuffer(json.dumps(value).encode("ascii"), np.uint8).copy()


def _from_text(array: np.ndarray) -> Any:
    return json.loads(array.astype(np.uint8).tobytes())
