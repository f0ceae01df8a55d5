"""Who comes when and goes where: drawn from the seed so that everybody can be told apart.

Each one enters from beyond the picture's edge or through a shop's door. Ways are drawn many times
over, and the one is kept on which boxes meet those of others least: what a person in front of the
screen can count, a decent tracker can. Nothing here knows any detector.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from vedette.sources.street.actors import Actor, Driver, Leg, Walker
from vedette.sources.street.camera import Camera, Points
from vedette.sources.street.parameters import StreetParameters
from vedette.sources.street.place import (
    FACADE_Y_M,
    FAR_KERB_Y_M,
    FAR_LANE_Y_M,
    FAR_WALK_Y_M,
    NEAR_KERB_Y_M,
    NEAR_LANE_Y_M,
    NEAR_WALK_Y_M,
    ZEBRA_X_M,
    Place,
)  # fmt: skip
from vedette.sources.street.vehicle import Vehicle, cast_vehicles
from vedette.sources.street.walker import Person, cast_people

QUIET_S = 1.3  # The film begins with the empty street, which a background model may learn.
_SEEN_S = 5.0  # Everybody is to be seen at least so long.
_WAYS, _TIMES = 20, 7  # Ways drawn for each part, and times tried for each way.
_ROUNDS = 3
_CROWD = 16
_CHECK_S = 1 / 6
# Boxes this close count as meeting: a tracker needs air between two people.
_AIR_PX = 16.0
_EASY = 0.25  # Such a way meets hardly anybody: take it.
_HARD = 0.8
_ROUTES = ("near", "cross", "far", "door_out", "near", "window", "far", "door_in", "cross", "near")


@dataclass(frozen=True, slots=True, eq=False)
class _Course:
    """An actor's boxes over time, moved so that it comes at a certain moment.

    Attributes:
        actor: Whose.
        first: Number of the checked moment of its first box.
        boxes: About where it is, (N, 4) pixels, one for each checked moment.
        shown: Index of the first box that touches the picture, and of the last.
    """

    actor: Actor
    first: int
    boxes: Points
    shown: tuple[int, int]

    def appearing_at(self, moment: int) -> _Course:
        return replace(self, first=moment - self.shown[0])

    @property
    def appears(self) -> int:
        return self.first + self.shown[0]


class _Stage:
    """Who is on stage already, as boxes over time."""

    def __init__(self, parameters: StreetParameters, camera: Camera) -> None:
        self._camera = camera
        self._air_px = _AIR_PX * parameters.scale
        self.taken: list[_Course] = []

    def course(self, actor: Actor) -> _Course:
        """Work out an actor's boxes; it comes onto the stage at moment 0."""
        moments = np.arange(math.floor((actor.end_s - actor.begin_s) / _CHECK_S) + 1)
        times_s = np.asarray(actor.begin_s + moments * _CHECK_S, np.float64)
        boxes = actor.rough_boxes(times_s, self._camera)
        inside = np.flatnonzero(
            (boxes[:, 2] > 0) & (boxes[:, 0] < self._camera.width)
            & (boxes[:, 3] > 0) & (boxes[:, 1] < self._camera.height)
        )  # fmt: skip
        shown = (int(inside[0]), int(inside[-1])) if len(inside) else (0, 0)
        return _Course(actor, 0, boxes, shown)

    def crowding(self, mine: _Course) -> float:
        """Tell how much an actor would meet others: seconds, weighted by how deep."""
        return sum(self._meeting(mine, other) for other in self.taken)

    def _meeting(self, mine: _Course, other: _Course) -> float:
        # Who appears right when another does can be taken for it.
        apart_s = abs(mine.appears - other.appears) * _CHECK_S
        cost = max(0.0, 1.2 - apart_s) * 0.3
        low = max(mine.appears, other.appears)
        high = min(mine.first + mine.shown[1], other.first + other.shown[1]) + 1
        if low >= high:
            return cost
        a = mine.boxes[low - mine.first : high - mine.first]
        b = other.boxes[low - other.first : high - other.first]
        overlap = np.minimum(a[:, 2:], b[:, 2:]) - np.maximum(a[:, :2], b[:, :2])
        overlap += (self._air_px, self._air_px / 2)
        narrower = np.minimum(a[:, 2] - a[:, 0], b[:, 2] - b[:, 0])
        depth = (overlap[:, 0] / np.maximum(narrower, 1.0)).clip(0.0, 1.0)
        meets = (overlap > 0).all(axis=1)
        weight = 1.5 if mine.actor.kind == other.actor.kind == "person" else 1.8
        cost += weight * float((meets * (0.35 + depth)).sum()) * _CHECK_S
        # A few on stage at once is a street; all at once is a crowd.
        return cost + 0.02 * (high - low) * _CHECK_S


def choreograph(
    parameters: StreetParameters, place: Place, camera: Camera, rng: np.random.Generator
) -> list[Actor]:
    """Give everybody who moves, in the order in which they come."""
    people = cast_people(parameters.people, rng)
    vehicles = cast_vehicles(parameters.vehicles, rng)
    stage = _Stage(parameters, camera)
    quiet_s = min(QUIET_S, 0.12 * parameters.seconds)
    seen_s = min(_SEEN_S, 0.35 * parameters.seconds)
    latest_s = max(quiet_s, parameters.seconds - seen_s)
    routes = [_ROUTES[number % len(_ROUTES)] for number in range(len(people))]
    turns = rng.permutation(len(people))
    parts: list[_Part] = []
    for number, person in enumerate(people):
        late_s = latest_s - (3.0 if routes[number] == "cross" else 0.0)
        slot = _slot(int(turns[number]), len(people), quiet_s, max(quiet_s, late_s))
        parts.append(_Part(partial(_walk, person, routes[number], place, camera, rng), slot))
    for number, vehicle in enumerate(vehicles):
        slot = _slot(number, len(vehicles), quiet_s, latest_s)
        parts.append(_Part(partial(_ride, vehicle, camera, rng), slot))
    # People, on stage for longer, choose first; then whoever is in another's way chooses again.
    # In a crowd nobody finds free room, however long they look.
    ways = _WAYS if len(parts) <= _CROWD else _WAYS // 5
    for part in parts:
        _engage(stage, part, ways, rng)
    for _ in range(_ROUNDS if len(parts) <= _CROWD else 0):
        for part in parts:
            if part.cost >= _HARD:
                # Where its own time is too full, any other will do.
                part.slot_s = (quiet_s, latest_s)
            if part.cost >= _EASY:
                _engage(stage, part, ways, rng)
    for course in stage.taken:
        course.actor.moved_to(course.first * _CHECK_S)
    return sorted((course.actor for course in stage.taken), key=lambda actor: actor.begin_s)


class _Part:
    """A part to be played: how to draw a way for it, and the one that it has now."""

    def __init__(self, draw: Callable[[], Actor], slot_s: tuple[float, float]) -> None:
        self.draw = draw
        self.slot_s = slot_s
        self.course: _Course | None = None
        self.cost = math.inf


def _slot(turn: int, turns: int, begin_s: float, end_s: float) -> tuple[float, float]:
    """Give the time in which somebody may appear; neighbouring slots overlap."""
    share = (end_s - begin_s) / turns
    return (
        max(begin_s, begin_s + (turn - 0.7) * share),
        min(end_s, begin_s + (turn + 1.7) * share),
    )


def _engage(stage: _Stage, part: _Part, ways: int, rng: np.random.Generator) -> None:
    """Draw many ways, and put the one on stage that meets others least."""
    if part.course is not None:
        stage.taken.remove(part.course)
        part.cost = stage.crowding(part.course)
    moments = [math.ceil(edge_s / _CHECK_S) for edge_s in part.slot_s]
    for _ in range(ways):
        if part.cost < _EASY:
            break
        way = stage.course(part.draw())
        for moment in rng.integers(moments[0], moments[1] + 1, _TIMES):
            course = way.appearing_at(int(moment))
            cost = stage.crowding(course)
            if cost < part.cost:
                part.course, part.cost = course, cost
    assert part.course is not None
    stage.taken.append(part.course)


def _ride(vehicle: Vehicle, camera: Camera, rng: np.random.Generator) -> Driver:
    # What is high drives on the near lane: on the far one it would hide who walks behind.
    near = vehicle.body.kind != "car" or rng.random() < 0.5
    lane_y_m = NEAR_LANE_Y_M if near else FAR_LANE_Y_M
    left, right = camera.visible_x_m(lane_y_m)
    margin = vehicle.body.length_m / 2 + 2.5
    way = [left - margin, ZEBRA_X_M[0] - 5.0, ZEBRA_X_M[1] + 2.0, right + margin]
    brisk = rng.uniform(6.2, 8.0)
    speeds = [brisk, brisk * rng.uniform(0.74, 0.9), brisk]
    if not near:
        way = [right + margin, ZEBRA_X_M[1] + 5.0, ZEBRA_X_M[0] - 2.0, left - margin]
    return Driver(vehicle, 0.0, lane_y_m=lane_y_m, stops_m=way, speeds_m_s=speeds)


def _walk(
    person: Person, route: str, place: Place, camera: Camera, rng: np.random.Generator
) -> Walker:
    far_y, near_y = rng.uniform(*FAR_WALK_Y_M), rng.uniform(*NEAR_WALK_Y_M)

    def edge(y_m: float, side: int) -> Leg:
        left, right = camera.visible_x_m(y_m)
        return Leg(left - 1.6 if side < 0 else right + 2.2, y_m)

    side = -1 if rng.random() < 0.5 else 1
    left, right = camera.visible_x_m(FACADE_Y_M)
    shown = [house for house in place.houses if left + 2.5 < house.door_m < right - 4.0]
    if route in ("door_out", "door_in", "window") and not shown:
        route = "far"  # A narrow picture may show no whole shop.
    house = shown[int(rng.integers(len(shown)))] if shown else place.houses[0]
    if route == "near":
        legs = [edge(near_y, side), edge(near_y, -side)]
    elif route == "window":
        x0, x1 = house.window_m
        stop = Leg((x0 + x1) / 2, FACADE_Y_M - 0.85, rng.uniform(1.8, 2.6), math.pi / 2)
        legs = [edge(far_y, side), Leg(stop.x_m + side * 1.6, far_y), stop,
                Leg(stop.x_m - side * 1.6, far_y), edge(far_y, -side)]  # fmt: skip
    elif route in ("door_out", "door_in"):
        legs = [Leg(house.door_m, FACADE_Y_M + 0.9), Leg(house.door_m, FACADE_Y_M - 0.5),
                Leg(house.door_m + side * 1.2, far_y), edge(far_y, side)]  # fmt: skip
        if route == "door_in":
            legs.reverse()
    elif route == "cross":
        x = rng.uniform(ZEBRA_X_M[0] + 0.8, ZEBRA_X_M[1] - 0.8)
        wait_s = rng.uniform(1.0, 2.0)
        away = 1 if rng.random() < 0.5 else -1
        if rng.random() < 0.5:
            kerb = Leg(x, FAR_KERB_Y_M + 0.55, wait_s, -math.pi / 2)
            legs = [edge(far_y, side), Leg(x + side * 0.8, far_y), kerb, Leg(x, near_y + 0.5),
                    Leg(x + away * 0.9, near_y), edge(near_y, away)]  # fmt: skip
        else:
            kerb = Leg(x, NEAR_KERB_Y_M - 0.5, wait_s, math.pi / 2)
            legs = [edge(near_y, side), Leg(x + side * 0.8, near_y), kerb, Leg(x, far_y - 0.5),
                    Leg(x + away * 0.9, far_y), edge(far_y, away)]  # fmt: skip
    else:
        legs = [edge(far_y, side), edge(far_y, -side)]
    return Walker(person, 0.0, rng.uniform(1.15, 1.65), legs)
