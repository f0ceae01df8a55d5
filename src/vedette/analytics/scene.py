"""The door of analytics: detections in, tracks, counts and events out.

Pure: no I/O, no clock, no chance. Time is the frames' own (`pts_s`), so an answer depends on what
was seen and when, never on how fast it was worked on. All that is remembered leaves and returns as
plain arrays: an analyzer that loads another's state goes on with the same answers to the last bit.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from operator import attrgetter, itemgetter
from typing import Any

import numpy as np

from vedette.analytics.counting import Tally
from vedette.analytics.labels import Labels
from vedette.analytics.lines import Crossing, Lines
from vedette.analytics.track import Track, export, loaded
from vedette.analytics.tracking import Followed, Found, Tracker, Tuning
from vedette.analytics.zones import Move, Standing, Zones
from vedette.domain.detection import Detections, State
from vedette.domain.errors import BadInput
from vedette.domain.event import Event, EventType
from vedette.domain.frame import Frame
from vedette.domain.scene import Counts, Scene, SceneObject
from vedette.domain.zone import Point, ScenePlan

# Goes up when the meaning of an exported array changes.
STATE_VERSION = 1


class Analyzer:
    """Follows and counts the objects of one source, frame by frame."""

    def __init__(
        self,
        plan: ScenePlan,
        *,
        confidence: float,
        label_confidence: Mapping[str, float] | None = None,
        classes: Sequence[str] | None = None,
        tuning: Tuning | None = None,
    ) -> None:
        """Begin with an empty scene.

        Args:
            plan: Zones and lines.
            confidence: From here on a detection may begin a track, in (0, 1].
            label_confidence: Likewise for these labels; the others keep to `confidence`.
            classes: Only these labels are looked at; None means all.
            tuning: The tracker's limits.
        """
        self._plan = plan
        self._classes = None if classes is None else tuple(classes)
        self._tuning = tuning or Tuning()
        self._confidence = confidence
        self._label_confidence = dict(label_confidence or {})
        self._limits: tuple[tuple[str, ...], list[float]] = ((), [])
        # Below the user's own threshold by enough to bridge weak moments, however low that is.
        lowest = min([confidence, *self._label_confidence.values()])
        self._weak_confidence = min(self._tuning.weak_confidence, lowest / 2)
        # As the detector's own numbers are: exactly as strong as the limit is strong enough.
        self._weak_float32 = float(np.float32(self._weak_confidence))
        self._labels = Labels()
        self._tracker = Tracker(
            tuning=self._tuning,
            zones=len(plan.zones),
            lines=len(plan.lines),
        )
        self._zones = Zones(plan.zones)
        self._lines = Lines(plan.lines)
        self._tally = Tally()
        self._sequence = 0
        self._pts_s: float | None = None
        self._now_s = 0.0
        self._wh_px = (0.0, 0.0)

    @property
    def counts(self) -> Counts:
        """Totals after the last frame observed."""
        return Counts(
            objects=self._tally.counts(self._labels),
            zones=self._zones.counts(self._tracker.tracks),
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
        found = self._found(detections)
        followed = self._tracker.follow(self._now_s, elapsed_s, found, self._wh_px)
        events = self._endings(frame, [track for track in followed.gone if track.id])
        events += self._happenings(frame, found, followed)
        self._tally.look(one.track.label for one in found if one.track is not None and one.track.id)
        return Scene(objects=self._objects(found), events=tuple(events), counts=self.counts)

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
            "wh_px": np.array(self._wh_px, np.float64),
        }
        for room, part in (
            ("track", self._exported_tracks()),
            ("objects", self._tally.export(len(self._labels))),
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
        width, height = state["wh_px"].tolist()
        self._wh_px = (width, height)
        self._tracker.tracks = loaded(_part(state, "track"))
        self._tally.load(_part(state, "objects"))
        self._zones.load(_part(state, "zones"))
        self._lines.load(_part(state, "lines"))

    def _advance(self, frame: Frame) -> float:
        """Move time on, and carry tracks over where the picture's size has changed."""
        wh_px = (float(frame.width), float(frame.height))
        if wh_px != self._wh_px:
            if self._pts_s is not None:
                width, height = self._wh_px
                self._tracker.rescale((wh_px[0] / width, wh_px[1] / height))
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

    def _found(self, detections: Detections) -> list[Found]:
        """Give the detections worth looking at."""
        numbers, limits = self._labels.numbers(detections.labels), self._limits_of(detections)
        kin, weakest = self._labels.kin, self._weak_float32
        chosen = None
        if self._classes is not None:
            chosen = self._labels.chosen(self._classes or ("",))
        found = []
        for sides, confidence, class_id in zip(
            detections.xyxy.tolist(),
            detections.confidence.tolist(),
            detections.class_id.tolist(),
            strict=True,
        ):
            left, top, right, bottom = sides
            width, height = right - left, bottom - top
            # Also leaves out NaN and infinity.
            if not (confidence >= weakest and 0 < width < math.inf and 0 < height < math.inf):
                continue
            label = numbers[class_id]
            if chosen is None or chosen[label]:
                box = (left + width / 2, top + height / 2, width, height)
                strong = confidence >= limits[class_id]
                corners = (left, top, right, bottom)
                found.append(Found(corners, box, confidence, strong, label, kin[label]))
        return found

    def _limits_of(self, detections: Detections) -> list[float]:
        """Give from where on a detection counts, for each of the detector's labels."""
        labels = detections.labels
        if self._limits[0] is not labels:
            own = self._label_confidence
            self._limits = (labels, [own.get(label, self._confidence) for label in labels])
        return self._limits[1]

    def _endings(self, frame: Frame, tracks: list[Track]) -> list[Event]:
        """Give what the end of confirmed tracks brings with it."""
        events: list[Event] = []
        for track in sorted(tracks, key=_by_id):
            events += [self._moved(frame, move) for move in self._zones.end([track])]
            events.append(self._event(frame, EventType.TRACK_ENDED, track))
        return events

    def _happenings(self, frame: Frame, found: Sequence[Found], followed: Followed) -> list[Event]:
        """Give what the tracks seen in this frame did, in the order of their ids."""
        for track, old in followed.relabelled:
            self._tally.relabel(old, track.label)
        for track in followed.confirmed:
            self._tally.confirm(track.label)
        moves: list[Move] = []
        crossings: list[Crossing] = []
        if self._plan.zones or self._plan.lines:
            seen = [self._standing(one.track, one) for one in found if one.track is not None]
            moves = self._zones.begin(followed.confirmed)
            moves += self._zones.look(
                seen, wh_px=self._wh_px, now_s=self._now_s, labels=self._labels
            )
            crossings = self._lines.look(seen, wh_px=self._wh_px, labels=self._labels)
        acting = {
            *followed.confirmed, *(move.track for move in moves), *(one.track for one in crossings)
        }  # fmt: skip
        events: list[Event] = []
        for track in sorted(acting, key=_by_id):
            if track in followed.confirmed:
                events.append(self._event(frame, EventType.TRACK_STARTED, track))
            events += [self._moved(frame, move) for move in moves if move.track is track]
            events += [self._crossed(frame, one) for one in crossings if one.track is track]
        return events

    def _standing(self, track: Track, one: Found) -> Standing:
        x, y = self._stands_at(one)
        _, _, width, height = one.box
        return Standing(track, x, y, (width + height) / 2)

    def _stands_at(self, one: Found) -> Point:
        """Give the middle of its bottom, within the picture; pixels."""
        left, _, right, bottom = one.corners
        width, height = self._wh_px
        return min(max((left + right) / 2, 0.0), width), min(max(bottom, 0.0), height)

    def _moved(self, frame: Frame, move: Move) -> Event:
        kind = EventType.ZONE_ENTERED if move.entered else EventType.ZONE_LEFT
        place = self._plan.zones[move.zone].name
        dwell_s = None if move.entered else move.dwell_s
        return self._event(frame, kind, move.track, place=place, dwell_s=dwell_s)

    def _crossed(self, frame: Frame, crossing: Crossing) -> Event:
        place = self._plan.lines[crossing.line].name
        direction = "in" if crossing.inward else "out"
        return self._event(
            frame, EventType.LINE_CROSSED, crossing.track, place=place, direction=direction
        )

    def _event(
        self, frame: Frame, kind: EventType, track: Track, *,
        place: str | None = None, direction: str | None = None, dwell_s: float | None = None,
    ) -> Event:  # fmt: skip
        sequence, self._sequence = self._sequence, self._sequence + 1
        return Event(
            sequence=sequence,
            type=kind,
            frame=frame.number,
            pts_s=frame.pts_s,
            track_id=track.id,
            label=self._labels.names[track.label],
            place=place,
            direction=direction,
            dwell_s=dwell_s,
        )

    def _objects(self, found: Sequence[Found]) -> tuple[SceneObject, ...]:
        """Give what is seen: tracked objects by id, then strong detections without a track."""
        names = self._labels.names
        tracked: list[tuple[int, SceneObject]] = []
        others: list[SceneObject] = []
        for one in found:
            track = one.track
            if track is not None and track.id:
                zones = self._zones.names(track)
                seen = SceneObject(names[track.label], one.confidence, one.corners, track.id, zones)
                tracked.append((track.id, seen))
            elif not one.twin and one.strong:
                label = names[one.label]
                zones = self._zones.names_at(self._stands_at(one), label, self._wh_px)
                others.append(SceneObject(label, one.confidence, one.corners, None, zones))
        tracked.sort(key=itemgetter(0))
        return (*(seen for _, seen in tracked), *others)

    def _exported_tracks(self) -> State:
        return export(
            self._tracker.tracks,
            zones=len(self._plan.zones),
            lines=len(self._plan.lines),
            labels=len(self._labels),
        )

    def _made_for(self) -> object:
        """Give what must be the same for a saved state to make sense here."""
        return {
            "plan": asdict(self._plan),
            "confidence": self._confidence,
            # Left out where there are none, so that what was saved before they came is still read.
            **({"label_confidence": self._label_confidence} if self._label_confidence else {}),
            "classes": self._classes,
            "tuning": asdict(self._tuning),
        }


_by_id = attrgetter("id")


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
