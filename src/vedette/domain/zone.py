"""Zones and lines: places in the picture, in normalised coordinates."""

from __future__ import annotations

from dataclasses import dataclass

from vedette.domain.errors import BadInput

Point = tuple[float, float]

# A polygon with more corners than this is a mistake, not a zone.
POLYGON_POINTS_MAX = 256


@dataclass(frozen=True, slots=True)
class Zone:
    """A polygon in which objects are counted; an object stands where its bottom centre is.

    Attributes:
        name: Unique in the scene.
        polygon_norm: At least three corners, each (x, y) in [0, 1]; closed by itself.
        labels: Only these are counted; empty means all.
    """

    name: str
    polygon_norm: tuple[Point, ...]
    labels: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.name:
            raise BadInput("a zone needs a name")
        if not 3 <= len(self.polygon_norm) <= POLYGON_POINTS_MAX:
            raise BadInput(
                f"zone '{self.name}': a polygon has 3 to {POLYGON_POINTS_MAX} points, "
                f"not {len(self.polygon_norm)}"
            )
        for point in self.polygon_norm:
            _check_point(f"zone '{self.name}'", point)
        if _area(self.polygon_norm) == 0:
            raise BadInput(f"zone '{self.name}': its points lie on one line")


@dataclass(frozen=True, slots=True)
class Line:
    """A directed segment; `in` is the crossing from its right hand to its left.

    Attributes:
        name: Unique in the scene.
        start_norm: (x, y) in [0, 1].
        end_norm: Likewise.
        labels: Only these are counted; empty means all.
    """

    name: str
    start_norm: Point
    end_norm: Point
    labels: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.name:
            raise BadInput("a line needs a name")
        _check_point(f"line '{self.name}'", self.start_norm)
        _check_point(f"line '{self.name}'", self.end_norm)
        if self.start_norm == self.end_norm:
            raise BadInput(f"line '{self.name}': it starts where it ends")


@dataclass(frozen=True, slots=True)
class ScenePlan:
    """The places that a user drew, in their order."""

    zones: tuple[Zone, ...] = ()
    lines: tuple[Line, ...] = ()

    def __post_init__(self) -> None:
        for kind, names in (
            ("zones", [zone.name for zone in self.zones]),
            ("lines", [line.name for line in self.lines]),
        ):
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise BadInput(f"two {kind} are called '{twice[0]}'; give each its own name")


def _check_point(owner: str, point: Point) -> None:
    x, y = point
    if not (0 <= x <= 1 and 0 <= y <= 1):  # Also catches NaN.
        raise BadInput(f"{owner}: point ({x:g}, {y:g}) lies outside the picture; use 0 to 1")


def _area(polygon: tuple[Point, ...]) -> float:
    ring = zip(polygon, (*polygon[1:], polygon[0]), strict=True)
    return abs(sum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in ring)) / 2
