"""Values of the domain as JSON text in a column, and back."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime
from typing import Any

from vedette.domain.parameters import Parameters
from vedette.domain.tiles import parse_tiles
from vedette.domain.zone import Line, ScenePlan, Zone


def parameters_text(parameters: Parameters) -> str:
    """Give parameters as JSON text; equal ones give equal text."""
    value: dict[str, Any] = asdict(parameters)
    recorded_at = parameters.recorded_at
    value["recorded_at"] = None if recorded_at is None else recorded_at.isoformat()
    # Left out where nobody asked, so that a scenario made before there were tiles reads the same.
    del value["tiles"]
    if parameters.tiles is not None:
        value["tiles"] = str(parameters.tiles)
    return json.dumps(value, sort_keys=True)


def parameters_from(text: str) -> Parameters:
    """Read what `parameters_text` gave."""
    value = json.loads(text)
    plan = value["plan"]
    recorded_at, tiles = value["recorded_at"], value.get("tiles")
    return Parameters(
        detector=value["detector"],
        classes=None if value["classes"] is None else tuple(value["classes"]),
        confidence=value["confidence"],
        fps=value["fps"],
        tiles=None if tiles is None else parse_tiles(tiles),
        plan=ScenePlan(
            zones=tuple(
                Zone(one["name"], _points(one["polygon_norm"]), tuple(one["labels"]))
                for one in plan["zones"]
            ),
            lines=tuple(
                Line(
                    one["name"],
                    (one["start_norm"][0], one["start_norm"][1]),
                    (one["end_norm"][0], one["end_norm"][1]),
                    tuple(one["labels"]),
                )
                for one in plan["lines"]
            ),
        ),
        recorded_at=None if recorded_at is None else datetime.fromisoformat(recorded_at),
    )


def _points(pairs: list[list[float]]) -> tuple[tuple[float, float], ...]:
    return tuple((x, y) for x, y in pairs)
