"""A detector that plays back detections by frame number; for tests and demonstrations.

One JSON object per line: `{"frame": 12, "objects": [{"label": "person", "confidence": 0.9,
"x1": 10, "y1": 20, "x2": 40, "y2": 90}]}`, the part of a prediction row that a detector knows; so
the output of `vedette run --predictions` can be played back. Frames without a line are empty.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vedette.detectors.base import Detector
from vedette.domain.detection import Detections, no_detections
from vedette.domain.errors import BadInput
from vedette.domain.frame import Frame

SIDES = ("x1", "y1", "x2", "y2")


class ScriptedDetector(Detector):
    """Knows beforehand what is on which frame; looks at no pixels."""

    def __init__(
        self,
        script: Mapping[int, Detections],
        labels: tuple[str, ...],
        *,
        name: str = "scripted",
        confidence: float = 0.5,
    ) -> None:
        """Take the script; every entry has `labels` and is sorted by confidence."""
        assert all(found.labels == labels for found in script.values())
        self.name = name
        self.labels = labels
        self.confidence = confidence
        self._script = dict(script)

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """Give what the script says of each frame's number."""
        empty = no_detections(self.labels)
        return [self._script.get(frame.number, empty) for frame in frames]


def read_script(path: Path) -> ScriptedDetector:
    """Read a script file.

    Raises:
        BadInput: it cannot be read; names the line.
    """
    found: dict[int, list[dict[str, Any]]] = {}
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    frame, objects = _parsed(line, f"script {path}, line {number}")
                    found[frame] = objects
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"script {path}: cannot be read: {error}") from error
    labels = tuple(sorted({one["label"] for objects in found.values() for one in objects}))
    script = {frame: _detections(objects, labels) for frame, objects in found.items()}
    return ScriptedDetector(script, labels, name=path.stem)


def _parsed(line: str, origin: str) -> tuple[int, list[dict[str, Any]]]:
    try:
        row = json.loads(line)
        frame, objects = row["frame"], row["objects"]
        for one in objects:
            numbers = [float(one[key]) for key in ("confidence", *SIDES)]
            right = isinstance(one["label"], str) and np.isfinite(numbers).all()
            if not right or not 0 <= one["confidence"] <= 1:
                raise ValueError(f"object {one} cannot be")
    except (ValueError, TypeError, KeyError) as error:
        raise BadInput(
            f"{origin}: must be an object with frame and objects (label, confidence, x1, y1, x2, "
            f"y2): {error}"
        ) from error
    if isinstance(frame, bool) or not isinstance(frame, int) or frame < 0:
        raise BadInput(f"{origin}: frame must be a whole number from 0, not {frame!r}")
    return frame, objects


def _detections(objects: list[dict[str, Any]], labels: tuple[str, ...]) -> Detections:
    if not objects:
        return no_detections(labels)
    xyxy = np.array([[one[side] for side in SIDES] for one in objects], np.float32)
    confidence = np.array([one["confidence"] for one in objects], np.float32)
    class_id = np.array([labels.index(one["label"]) for one in objects], np.int32)
    order = np.lexsort((*(xyxy[:, side] for side in (3, 2, 1, 0)), -confidence))
    return Detections(xyxy[order], confidence[order], class_id[order], labels)
