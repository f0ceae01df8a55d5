"""Snapshots: one JPEG of every confirmed track, at the moment it was seen best.

Names sort by label and track, and tell when: `person-003-00012.4s.jpg`.
"""

from __future__ import annotations

import contextlib
import logging
import math
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from vedette.domain.errors import SinkRefused
from vedette.domain.event import EventType
from vedette.domain.frame import Frame, PixelFormat, Pixels
from vedette.domain.scene import Scene, SceneObject
from vedette.domain.stream import StreamFacts
from vedette.domain.zone import ScenePlan
from vedette.sinks.base import Sink
from vedette.sinks.draw import Painter, clock
from vedette.sinks.ink import Rect
from vedette.sinks.whole import refusal

log = logging.getLogger(__name__)

# Of a box's sides: enough ground around an object to see where it stands.
MARGIN = 0.35
SIDE_PX_MIN, SIDE_PX_MAX = 320, 960
JPEG_QUALITY = 88
# A better moment must be clearly better: else every step towards the camera costs a JPEG.
BETTER = 1.25
# What touches the picture's edge is cut off; a whole object is worth more than a bigger part.
CUT_OFF_WORTH = 0.35
EDGE_PX = 2.0


@dataclass(frozen=True, slots=True)
class _Best:
    worth: float
    label: str
    pts_s: float


class SnapshotSink(Sink):
    """Keeps the best picture of each track in a hidden folder until it may appear.

    A finite source's snapshots appear together at the end: those of the first `tracks_max` tracks.
    A live source's appear as each track ends, without end: only that many are followed at once, and
    beyond it the one that was not seen for longest appears before its time. A folder that is there
    already is added to; only files of the same name are replaced.
    """

    name = "snapshots"
    slow = True

    def __init__(self, folder: Path, *, tracks_max: int = 1000) -> None:
        """Plan a folder; nothing is touched before `open`.

        Args:
            folder: Where the JPEGs shall lie; it is made, its parent is not.
            tracks_max: Tracks held at once. Of a finite source, later ones get no snapshot, and a
                line in the log says so.
        """
        self.target = str(folder)
        self._folder = folder
        self._tracks_max = tracks_max
        self._part: Path | None = None
        self._best: dict[int, _Best] = {}
        self._told_full = False

    def open(self, facts: StreamFacts) -> None:
        self._live = facts.live
        try:
            target = self._folder.resolve()
            if target.exists() and not target.is_dir():
                raise SinkRefused(f"{self._folder}: is a file; name a folder for the snapshots")
            if not target.parent.is_dir():
                raise SinkRefused(
                    f"{self._folder}: there is no folder {self._folder.parent}; create it first"
                )
            if target.is_dir() and not os.access(target, os.W_OK):
                raise SinkRefused(f"{self._folder}: is write-protected; name another folder")
            # The last step is a rename: it must not leave the file system, nor a mount point.
            beside = target if target.is_dir() else target.parent
            part = Path(tempfile.mkdtemp(prefix=".snapshots-", suffix=".part", dir=beside))
        except OSError as error:
            raise refusal(self._folder, error) from error
        self._target, self._part = target, part

    def write(self, frame: Frame, scene: Scene) -> None:
        for found in scene.objects:
            if found.track_id is not None:
                self._look(frame, found, found.track_id)
        if self._live:
            for event in scene.events:
                if event.type is EventType.TRACK_ENDED and event.track_id is not None:
                    self._release(event.track_id)

    def finish(self) -> None:
        assert self._part is not None, "finish() before open()"
        try:
            with self._place():
                self._target.mkdir(exist_ok=True)
                for track_id in sorted(self._best):
                    self._release(track_id)
        finally:
            self.discard()

    def discard(self) -> None:
        part, self._part = self._part, None
        if part is not None:
            shutil.rmtree(part, ignore_errors=True)

    def _look(self, frame: Frame, found: SceneObject, track_id: int) -> None:
        # Taken out and put back: the first in the order is the one not seen for longest.
        best = self._best.pop(track_id, None)
        if best is None and len(self._best) >= self._tracks_max:
            if not self._live:
                self._tell_full()
                return
            self._release(next(iter(self._best)))
        worth = _worth(frame, found)
        if best is None or worth > best.worth * BETTER:
            best = _Best(worth, found.label, frame.pts_s)
            with self._place():
                self._file(track_id).write_bytes(_portrait(frame, found))
        # The file is named after the track's last vote.
        self._best[track_id] = replace(best, label=found.label)

    def _tell_full(self) -> None:
        if not self._told_full:
            self._told_full = True
            message = "no snapshots of further tracks folder=%s tracks_max=%d"
            log.warning(message, self._folder, self._tracks_max)

    def _release(self, track_id: int) -> None:
        """Let one track's snapshot appear."""
        best = self._best.pop(track_id, None)
        if best is None:
            return
        with self._place():
            self._target.mkdir(exist_ok=True)
            self._file(track_id).replace(
                self._target / snapshot_name(best.label, track_id, best.pts_s)
            )

    def _file(self, track_id: int) -> Path:
        assert self._part is not None, "write() before open()"
        return self._part / f"{track_id}.jpg"

    @contextlib.contextmanager
    def _place(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise refusal(self._folder, error) from error


def snapshot_name(label: str, track_id: int, pts_s: float) -> str:
    """Give the file name of a snapshot: sorts by label, then track; letters safe everywhere."""
    plain = re.sub(r"[^\w]+", "-", label).strip("-")[:40] or "object"
    return f"{plain}-{track_id:03d}-{pts_s:07.1f}s.jpg"


def _worth(frame: Frame, found: SceneObject) -> float:
    left, top, right, bottom = found.xyxy_px
    cut_off = (
        left <= EDGE_PX
        or top <= EDGE_PX
        or right >= frame.width - EDGE_PX
        or bottom >= frame.height - EDGE_PX
    )
    area = max(0.0, right - left) * max(0.0, bottom - top)
    return found.confidence * math.sqrt(area) * (CUT_OFF_WORTH if cut_off else 1.0)


def _portrait(frame: Frame, found: SceneObject) -> bytes:
    """Give the JPEG of an object with some ground around it and its name."""
    crop, box = _crop(frame, found)
    painter = Painter(crop.shape[1], crop.shape[0], ScenePlan(), title="", header=False)
    painter.portrait(crop, found, box, clock(frame))
    written, encoded = cv2.imencode(".jpg", crop, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    assert written, "an array of pixels is always a JPEG"
    return encoded.tobytes()


def _crop(frame: Frame, found: SceneObject) -> tuple[Pixels, Rect]:
    """Give a part of the picture, in a size that reads well, and the box in it."""
    picture = frame.pixels(frame.width, frame.height, PixelFormat.BGR24)
    x1, y1, x2, y2 = (
        min(max(side, 0.0), float(most))
        for side, most in zip(found.xyxy_px, (frame.width, frame.height) * 2, strict=True)
    )
    margin = MARGIN * max(x2 - x1, y2 - y1, 16.0)
    left = min(int(max(0.0, x1 - margin)), frame.width - 1)
    top = min(int(max(0.0, y1 - margin)), frame.height - 1)
    right = max(left + 1, min(frame.width, math.ceil(x2 + margin)))
    bottom = max(top + 1, min(frame.height, math.ceil(y2 + margin)))
    part = picture[top:bottom, left:right]
    side = max(part.shape[:2])
    scale = min(max(1.0, SIDE_PX_MIN / side), SIDE_PX_MAX / side)
    crop = part.copy()
    if scale != 1:
        size = (max(1, round(part.shape[1] * scale)), max(1, round(part.shape[0] * scale)))
        way = cv2.INTER_CUBIC if scale > 1 else cv2.INTER_AREA
        crop = cv2.resize(part, size, interpolation=way).astype(np.uint8, copy=False)
    return crop, (
        (x1 - left) * scale, (y1 - top) * scale, (x2 - left) * scale, (y2 - top) * scale,
    )  # fmt: skip
