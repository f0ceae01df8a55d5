"""What truly happens in a scene: for tests and the last lines of the summary, never on the road.

It is worked out from the ways of the actors alone, not from any picture.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

from vedette.domain.zone import Point
from vedette.sources.street.film import cast
from vedette.sources.street.parameters import StreetParameters, parse_street
from vedette.sources.street.plan import LINES_NORM, ZONES_NORM
from vedette.sources.street.sprite import Box


@dataclass(frozen=True, slots=True)
class TrueObject:
    """One object that was seen.

    Attributes:
        kind: `person`, or `vehicle`.
        boxes: By frame number, where it is in the picture: x_min, y_min, x_max, y_max in pixels,
            cut at the picture's edge (and at the door it stands in); without its shadow. Something
            nearer may hide part of it.
    """

    kind: str
    boxes: dict[int, Box]

    @property
    def first_frame(self) -> int:
        """Number of the first frame in which it is seen."""
        return min(self.boxes)

    @property
    def last_frame(self) -> int:
        """Number of the last one."""
        return max(self.boxes)


@dataclass(frozen=True, slots=True)
class StreetTruth:
    """What a perfect observer would have counted.

    Attributes:
        people: Different people seen.
        vehicles: Different vehicles seen.
        most_at_once: Most objects (people and vehicles) in one frame.
        objects: Each of them, in the order in which they come.
        zones: By name of the zones of `examples/street.yaml`: how often somebody entered it.
        lines: By name of its lines: crossings in and out.
    """

    people: int
    vehicles: int
    most_at_once: int
    objects: tuple[TrueObject, ...]
    zones: dict[str, int]
    lines: dict[str, tuple[int, int]]


def truth(scene: str | StreetParameters) -> StreetTruth:
    """Tell what truly happens in the scene of an address or of parameters.

    Raises:
        BadInput: the address names no scene that there is.
    """
    parameters = parse_street(scene) if isinstance(scene, str) else scene
    _, camera, actors = cast(parameters)
    objects = []
    for actor in actors:
        boxes = {}
        for number in range(parameters.pictures):
            time_s = number / parameters.fps
            if actor.begin_s <= time_s <= actor.end_s:
                box = actor.box(time_s, camera)
                if box is not None:
                    boxes[number] = box
        if boxes:
            objects.append(TrueObject(actor.kind, boxes))
    objects.sort(key=lambda one: one.first_frame)
    size = (parameters.width, parameters.height)
    return StreetTruth(
        people=sum(one.kind == "person" for one in objects),
        vehicles=sum(one.kind == "vehicle" for one in objects),
        most_at_once=max(
            (sum(n in one.boxes for one in objects) for n in range(parameters.pictures)), default=0
        ),
        objects=tuple(objects),
        zones={
            name: sum(_entries(one, polygon, size) for one in objects)
            for name, polygon in ZONES_NORM.items()
        },
        lines={
            name: _both(_crossings(one, start, end, size) for one in objects)
            for name, (start, end) in LINES_NORM.items()
        },
    )


def _both(crossings: Iterable[tuple[int, int]]) -> tuple[int, int]:
    every = list(crossings)
    return sum(one[0] for one in every), sum(one[1] for one in every)


def _feet(one: TrueObject, size: tuple[int, int]) -> list[Point]:
    """Give where it stands, frame by frame: the bottom centre of its box."""
    return [
        ((x0 + x1) / 2 / size[0], y1 / size[1]) for _, (x0, _, x1, y1) in sorted(one.boxes.items())
    ]


def _entries(one: TrueObject, polygon: tuple[Point, ...], size: tuple[int, int]) -> int:
    inside = [_within(foot, polygon) for foot in _feet(one, size)]
    return sum(now and not before for before, now in zip([False, *inside], inside, strict=False))


def _within(foot: Point, polygon: tuple[Point, ...]) -> bool:
    x, y = foot
    odd = False
    for (x0, y0), (x1, y1) in zip(polygon, (*polygon[1:], polygon[0]), strict=True):
        if (y0 > y) != (y1 > y) and x < x0 + (y - y0) * (x1 - x0) / (y1 - y0):
            odd = not odd
    return odd


def _crossings(one: TrueObject, start: Point, end: Point, size: tuple[int, int]) -> tuple[int, int]:
    """Count crossings in (from the line's right hand to its left) and out."""
    crossed_in = crossed_out = 0
    feet = _feet(one, size)
    for before, now in pairwise(feet):
        was, is_now = _side(before, start, end), _side(now, start, end)
        if was * is_now >= 0 or _side(start, before, now) * _side(end, before, now) > 0:
            continue
        if is_now < 0:
            crossed_in += 1
        else:
            crossed_out += 1
    return crossed_in, crossed_out


def _side(point: Point, start: Point, end: Point) -> float:
    """Give a number below 0 for the left hand of who goes from start to end (y points down)."""
    return (end[0] - start[0]) * (point[1] - start[1]) - (end[1] - start[1]) * (point[0] - start[0])
