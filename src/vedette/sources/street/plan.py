"""Zones and lines that fit the built-in street; `examples/street.yaml` holds the same."""

from __future__ import annotations

from vedette.domain.zone import Point

# All normalised: the same for every size of 16:9, and for every seed.
ZONES_NORM: dict[str, tuple[Point, ...]] = {
    "crossing": ((0.55, 0.53), (0.72, 0.51), (0.82, 0.67), (0.63, 0.71)),
    "pavement": ((0.0, 0.48), (1.0, 0.40), (1.0, 0.465), (0.0, 0.56)),
}
LINES_NORM: dict[str, tuple[Point, Point]] = {"road": ((0.40, 0.55), (0.40, 0.80))}


def scene_plan_text() -> str:
    """Give the zones and lines as a scene file."""
    lines = [
        "# Places in the built-in scene. Try:",
        "#   vedette run 'synthetic://street' --scene examples/street.yaml",
        "# Points are (x, y) as shares of the picture's width and height; an object stands where",
        "# the bottom centre of its box is.",
        "zones:",
    ]
    for name, polygon in ZONES_NORM.items():
        lines += [f"  - name: {name}", f"    polygon: {_points(polygon)}"]
    lines.append("lines:")
    for name, (start, end) in LINES_NORM.items():
        lines += [f"  - name: {name}", f"    from: {_point(start)}", f"    to: {_point(end)}"]
    return "\n".join(lines) + "\n"


def _points(points: tuple[Point, ...]) -> str:
    return "[" + ", ".join(_point(point) for point in points) + "]"


def _point(point: Point) -> str:
    return f"[{point[0]:g}, {point[1]:g}]"
