"""Who comes when and goes where: drawn from the seed so that everybody can be told apart.

Each one enters from beyond the picture's edge or through a shop's door. Ways are drawn many times
over, and the one is kept on which boxes meet those of others least: what a person in front of the
screen can count, a decent tracker can. Nothing here knows any detector.
"""

from __future__ import annotations

import math
from collections.abc import Callable
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

QUIET_S = 1.0  # The film begins with the empty street, which a background model may learn.
_SEEN_S = 4.0  # Everybody is to be seen at least so long.
_TRIES = 90
_CHECK_S = 1 / 6
# Boxes this close count as meeting: a tracker needs air between two people.
_AIR_PX = 16.0
_EASY = 0.05  # Such a way meets hardly anybody: take it.
_ROUTES = ("near", "cross", "far", "door_out", "near", "window", "far", "door_in", "cross", "near")


class _Stage:
    """Who is on stage already, as boxes over time."""

    def __init__(self, parameters: StreetParameters, camera: Camera) -> None:
        self._camera = camera
        self._air_px = _AIR_PX * parameters.scale
        self._size = np.array([camera.width, camera.height])
        self.taken: list[tuple[Actor, int, Points, float]] = []

    def boxes(self, actor: Actor) -> tuple[int, Points]:
        """Give its boxes at all checked moments on stage, and the number of the first."""
        first = math.ceil(actor.begin_s / _CHECK_S)
        last = math.floor(actor.end_s / _CHECK_S)
        times = np.arange(first, last + 1, dtype=np.float64) * _CHECK_S
        return first, actor.rough_boxes(times, self._camera)

    def shown(self, boxes: Points) -> tuple[int, int]:
        """Give the numbers of the first and last box that touches the picture."""
        inside = (
            (boxes[:, 2] > 0) & (boxes[:, 0] < self._size[0])
            & (boxes[:, 3] > 0) & (boxes[:, 1] < self._size[1])
        )  # fmt: skip
        at = np.flatnonzero(inside)
        return (int(at[0]), int(at[-1])) if len(at) else (0, 0)

    def crowding(self, actor: Actor) -> float:
        """Tell how much an actor would meet others: seconds, weighted by how deep."""
        first, boxes = self.boxes(actor)
        begin, end = self.shown(boxes)
        cost = 0.0
        for other, other_first, other_boxes, other_shown in self.taken:
            low = max(first + begin, other_first)
            high = min(first + end + 1, other_first + len(other_boxes))
            # Who appears right when another does can be taken for it.
            apart_s = abs((first + begin) * _CHECK_S - other_shown)
            cost += max(0.0, 1.2 - apart_s) * 0.3
            if low >= high:
                continue
            mine = boxes[low - first : high - first]
            theirs = other_boxes[low - other_first : high - other_first]
            gap = self._air_px
            wide = np.minimum(mine[:, 2], theirs[:, 2]) - np.maximum(mine[:, 0], theirs[:, 0]) + gap
            high_px = (
                np.minimum(mine[:, 3], theirs[:, 3])
                - np.maximum(mine[:, 1], theirs[:, 1])
                + gap / 2
            )
            size = np.minimum(mine[:, 2] - mine[:, 0], theirs[:, 2] - theirs[:, 0])
            meets = (wide > 0) & (high_px > 0)
            depth = np.clip(wide / np.maximum(size, 1.0), 0.0, 1.0)
            weight = 1.0 if actor.kind == other.kind == "person" else 1.6
            cost += weight * float((meets * (0.35 + depth)).sum()) * _CHECK_S
            # A few on stage at once is a street; all at once is a crowd.
            cost += 0.02 * (high - low) * _CHECK_S
        return cost

    def take(self, actor: Actor) -> None:
        """Put an actor on stage for good."""
        first, boxes = self.boxes(actor)
        begin, _ = self.shown(boxes)
        self.taken.append((actor, first, boxes, (first + begin) * _CHECK_S))


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
    for number, vehicle in enumerate(vehicles):
        slot = _slot(number, len(vehicles), quiet_s, latest_s)
        _engage(stage, partial(_ride, vehicle, camera, rng), slot, rng)
    routes = [_ROUTES[number % len(_ROUTES)] for number in range(len(people))]
    turns = rng.permutation(len(people))
    # Who crosses needs a road without cars: they choose first.
    for number in sorted(range(len(people)), key=lambda one: (routes[one] != "cross", one)):
        late_s = latest_s - (3.0 if routes[number] == "cross" else 0.0)
        slot = _slot(int(turns[number]), len(people), quiet_s, max(quiet_s, late_s))
        draw = partial(_walk, people[number], routes[number], place, camera, rng)
        _engage(stage, draw, slot, rng)
    return sorted((actor for actor, *_ in stage.taken), key=lambda actor: actor.begin_s)


def _slot(turn: int, turns: int, begin_s: float, end_s: float) -> tuple[float, float]:
    """Give the time in which somebody may appear; neighbouring slots overlap."""
    share = (end_s - begin_s) / turns
    return (
        max(begin_s, begin_s + (turn - 0.7) * share),
        min(end_s, begin_s + (turn + 1.7) * share),
    )


def _engage(
    stage: _Stage,
    draw: Callable[[], Actor],
    slot: tuple[float, float],
    rng: np.random.Generator,
) -> None:
    """Draw many times, and put the one on stage that meets others least."""
    best: tuple[float, Actor] | None = None
    for _ in range(_TRIES):
        actor = draw()
        first, boxes = stage.boxes(actor)
        begin, _ = stage.shown(boxes)
        # Let it come into the picture, not only onto the stage, at the wished time.
        appear_s = float(rng.uniform(*slot))
        actor.moved_to(appear_s - ((first + begin) * _CHECK_S - actor.begin_s))
        cost = stage.crowding(actor)
        if best is None or cost < best[0]:
            best = cost, actor
        if cost < _EASY:
            break
    assert best is not None
    stage.take(best[1])


def _ride(vehicle: Vehicle, camera: Camera, rng: np.random.Generator) -> Driver:
    # What is high drives on the near lane: on the far one it would hide who walks behind.
    near = vehicle.body.kind != "car" or rng.random() < 0.5
    lane_y_m = NEAR_LANE_Y_M if near else FAR_LANE_Y_M
    left, right = camera.visible_x_m(lane_y_m)
    margin = vehicle.body.length_m / 2 + 2.5
    way = [left - margin, ZEBRA_X_M[0] - 5.0, ZEBRA_X_M[1] + 2.0, right + margin]
    brisk = rng.uniform(5.6, 7.6)
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
    house = shown[int(rng.integers(len(shown)))]
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
