"""Finds what moves against a learned background; needs no weights.

Honest about what it knows: the only label is `moving`. A shape says nothing reliable about being
a person or a vehicle from one scene to the next.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from vedette.detectors.background import Background, Mask, Uint8
from vedette.detectors.base import Detector
from vedette.detectors.blobs import Blob, Blobs, find_blobs
from vedette.domain.detection import Detections, State, no_detections
from vedette.domain.frame import Frame, PixelFormat

# Long side of the picture it looks at: a person of 60 pixels in 1080p is still 10 high here, and
# averaging takes most of the camera's noise away.
LOOK_SIDE_PX = 320
# Before this much was seen, nothing is known to be at rest.
LEARN_S = 1.0
# After a longer pause the picture counts as this old, not older: one look must not overrule all.
PAUSE_MAX_S = 5.0
# A ghost stays where it is: seen as one for this long, it is forgotten.
GHOST_MS = 600

# Confidence is half at this many pixels, and half at this many times the limit.
AREA_HALF_PX = 20.0
CONTRAST_HALF = 2.0
CONFIDENCE = 0.4


class MotionDetector(Detector):
    """Finds what moves; belongs to one source and gets its frames one by one, in order."""

    keeps_state = True

    def __init__(self, confidence: float = CONFIDENCE) -> None:
        self.name = "motion"
        self.labels = ("moving",)
        self.confidence = confidence
        self._background: Background | None = None
        self._ghost_ms = np.zeros((0, 0), np.uint16)
        self._last_pts_s = 0.0

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        return [self._detect(frame) for frame in frames]

    def _detect(self, frame: Frame) -> Detections:
        width, height = _look_size(frame.width, frame.height)
        picture = _smooth(frame.pixels(width, height, PixelFormat.BGR24))
        dt_s = min(max(frame.pts_s - self._last_pts_s, 0.0), PAUSE_MAX_S)
        self._last_pts_s = frame.pts_s
        if self._background is None or self._background.size != (height, width):
            return self._begin(picture)
        look = self._background.look(picture, dt_s)
        if look.jumped:
            return self._begin(picture)
        blobs = find_blobs(look)
        self._background.learn(look, blobs.moving | blobs.ghosts, self._gone(blobs, dt_s))
        if self._background.learned_s < LEARN_S:
            return no_detections(self.labels)
        return self._in_source_pixels(blobs.things, (frame.width / width, frame.height / height))

    def _begin(self, picture: Uint8) -> Detections:
        self._background = Background(picture)
        self._ghost_ms = np.zeros(self._background.size, np.uint16)
        return no_detections(self.labels)

    def _gone(self, blobs: Blobs, dt_s: float) -> Mask:
        """Give the pixels that were those of a ghost for long enough."""
        self._ghost_ms += np.minimum(GHOST_MS - self._ghost_ms, np.uint16(round(dt_s * 1000)))
        self._ghost_ms *= blobs.ghosts
        return self._ghost_ms >= GHOST_MS

    def _in_source_pixels(self, things: list[Blob], scale: tuple[float, float]) -> Detections:
        xyxy = np.array([thing.xyxy for thing in things], np.float32).reshape(-1, 4)
        xyxy *= np.array([*scale, *scale], np.float32)
        confidence = np.array([_confidence(thing) for thing in things], np.float32)
        found = Detections(xyxy, confidence, np.zeros(len(things), np.int32), self.labels)
        return found.take(np.lexsort((*xyxy.T[::-1], -confidence)))

    def export_state(self) -> State:
        state: State = {
            "last_pts_s": np.array([self._last_pts_s]),
            "ghost_ms": self._ghost_ms.copy(),
        }
        if self._background is not None:
            parts = self._background.export_state()
            state |= {f"background.{name}": array for name, array in parts.items()}
        return state

    def load_state(self, state: State) -> None:
        self._last_pts_s = float(state["last_pts_s"][0])
        self._ghost_ms = np.array(state["ghost_ms"])
        prefix = "background."
        parts = {
            name.removeprefix(prefix): array
            for name, array in state.items()
            if name.startswith(prefix)
        }
        self._background = Background.from_state(parts) if parts else None


def _look_size(width: int, height: int) -> tuple[int, int]:
    shrink = min(1.0, LOOK_SIDE_PX / max(width, height))
    return max(1, round(width * shrink)), max(1, round(height * shrink))


def _smooth(bgr: Uint8) -> Uint8:
    """Give Y, Cr, Cb, lightly smoothed against the camera's noise."""
    smooth = cv2.GaussianBlur(bgr, (3, 3), 0)
    return np.asarray(cv2.cvtColor(smooth, cv2.COLOR_BGR2YCrCb), np.uint8)


def _confidence(thing: Blob) -> float:
    size = thing.area_px / (thing.area_px + AREA_HALF_PX)
    return size * thing.contrast / (thing.contrast + CONTRAST_HALF)
