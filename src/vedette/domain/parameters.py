"""What somebody asks of a scenario's analysis, apart from its source."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from vedette.domain.tiles import Tiles
from vedette.domain.zone import ScenePlan


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """How a scenario looks at its source.

    Attributes:
        detector: `auto`, `motion`, an installed model's name or an ONNX file. Settled to a name
            when a run starts, so that every part of the run uses the same one.
        classes: Labels to keep; None keeps all.
        confidence: From which a detection counts, in (0, 1]; None takes the detector's own.
        fps: Looks per second; None looks at all (finite) or as many as fit (live).
        tiles: Overlapping parts of each picture that are looked at besides the whole.
        plan: Zones and lines.
        recorded_at: When a recording began (UTC); its rows' `captured_at` follow from it.
    """

    detector: str = "auto"
    classes: tuple[str, ...] | None = None
    confidence: float | None = None
    fps: float | None = None
    tiles: Tiles | None = None
    plan: ScenePlan = field(default_factory=ScenePlan)
    recorded_at: datetime | None = None
