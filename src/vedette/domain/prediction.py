"""The prediction row: one JSON object per analysed frame, as the outside reads it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from vedette.domain.frame import Frame
from vedette.domain.scene import Scene, SceneObject

# Confidence and pixels are float32 inside; more digits than these are noise that differs between
# processors and makes files longer.
CONFIDENCE_DIGITS = 4
PIXEL_DIGITS = 2


@dataclass(frozen=True, slots=True)
class Origin:
    """Whose rows these are; `run` is None outside a server."""

    scenario_id: str
    camera_id: str
    run: str | None = None


def prediction_row(origin: Origin, frame: Frame, scene: Scene) -> dict[str, Any]:
    """Give the row of one frame, keys in the documented order."""
    return {
        "scenario_id": origin.scenario_id,
        "camera_id": origin.camera_id,
        "run": origin.run,
        "frame": frame.number,
        "pts_s": frame.pts_s,
        "captured_at": _rfc3339(frame.captured_at),
        "width": frame.width,
        "height": frame.height,
        "objects": [_object_row(found) for found in scene.objects],
    }


def _object_row(found: SceneObject) -> dict[str, Any]:
    x1, y1, x2, y2 = (round(value, PIXEL_DIGITS) for value in found.xyxy_px)
    return {
        "label": found.label,
        "confidence": round(found.confidence, CONFIDENCE_DIGITS),
        "x1": x1,
        "y1": y1,
        "x2": x2,
        "y2": y2,
        "track_id": found.track_id,
        "zones": list(found.zones),
    }


def _rfc3339(moment: datetime | None) -> str | None:
    if moment is None:
        return None
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
