"""Drawn paths: detections whose truth is known, without any picture."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from vedette.analytics.scene import Analyzer
from vedette.domain.detection import Detections, State
from vedette.domain.event import Event
from vedette.domain.frame import Frame, PixelFormat, Pixels
from vedette.domain.scene import Scene

LABELS = ("person", "car", "truck", "moving")
WIDTH, HEIGHT = 640, 480


class BlindFrame(Frame):
    """A frame that nobody may ask for pixels."""

    def pixels(self, width: int, height: int, pixel_format: PixelFormat) -> Pixels:  # noqa: ARG002
        raise AssertionError("analytics looks at no pixels")


def frame(number: int, pts_s: float, *, width: int = WIDTH, height: int = HEIGHT) -> BlindFrame:
    return BlindFrame(
        number=number,
        pts=round(pts_s * 1_000_000),
        time_base=Fraction(1, 1_000_000),
        start_pts=0,
        captured_at=None,
        width=width,
        height=height,
    )


@dataclass(frozen=True)
class Box:
    """One drawn object in one frame, by where it stands (bottom centre, pixels)."""

    x: float
    y: float
    width: float = 40.0
    height: float = 100.0
    confidence: float = 0.9
    label: str = "person"


def detections(boxes: Iterable[Box], labels: Sequence[str] = LABELS) -> Detections:
    ordered = sorted(boxes, key=lambda box: -box.confidence)
    return Detections(
        np.array(
            [[b.x - b.width / 2, b.y - b.height, b.x + b.width / 2, b.y] for b in ordered],
            np.float32,
        ).reshape(-1, 4),
        np.array([b.confidence for b in ordered], np.float32),
        np.array([labels.index(b.label) for b in ordered], np.int32),
        tuple(labels),
    )


def watch(analyzer: Analyzer, looks: Sequence[tuple[float, Sequence[Box]]]) -> list[Scene]:
    """Let the analyzer look at (pts_s, boxes) after each other."""
    return [
        analyzer.observe(frame(number, pts_s), detections(boxes))
        for number, (pts_s, boxes) in enumerate(looks)
    ]


def events(scenes: Iterable[Scene]) -> list[Event]:
    return [event for scene in scenes for event in scene.events]


def through_a_file(state: State) -> State:
    """Give the state as it comes back from a file."""
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, **state)
    file.seek(0)
    with np.load(file, allow_pickle=False) as saved:
        return {name: saved[name] for name in saved.files}
