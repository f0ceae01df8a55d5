"""Zones and lines that fit the built-in street; `examples/street.yaml` holds the same."""

from __future__ import annotations

from vedette.domain.zone import Point

# All normalised: the same for every size of 16:9, and for every seed.
ZONES_NORM: dict[str, tuple[Point, ...]] = {
    "crossing": ((0.56, 0.526), (0.714, 0.507), (0.862, 0.745), (0.655, 0.785)),
    # The far one; far above the feet too, since a detector may miss those.
    "pavement": ((0.0, 0.30), (1.0, 0.22), (1.0, 0.475), (0.0, 0.6)),
}
# Across the road from kerb to kerb; `in` is towards the right.
LINES_NORM: dict[str, tuple[Point, Point]] = {"road": ((0.385, 0.56), (0.412, 0.84))}


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
