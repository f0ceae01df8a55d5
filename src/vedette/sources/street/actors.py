"""Everybody who moves: when they come, which way they take, and what is seen of them then."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from vedette.sources.street.camera import Camera, Points
from vedette.sources.street.easel import Figure
from vedette.sources.street.place import DOOR_HEIGHT_M, DOOR_WIDTH_M, FACADE_Y_M
from vedette.sources.street.sprite import Box
from vedette.sources.street.vehicle import Drive, Vehicle, draw_vehicle, vehicle_shadow
from vedette.sources.street.walker import Person, Pose, Stance, hull

Course = npt.NDArray[np.float64]

STEP_S = 1 / 30  # Ways are worked out in steps of this, and read between them.
_SOFT_STEPS = 19  # People start, stop and turn within about 0.6 s.
_SILL_Y_M = FACADE_Y_M - 0.05
_THRESHOLD_M = 0.9  # Less daylight reaches who stands this far inside a door.


@dataclass(frozen=True, slots=True)
class Leg:
    """A piece of a walk: go to a spot, then wait there, facing somewhere."""

    x_m: float
    y_m: float
    wait_s: float = 0.0
    face_rad: float | None = None


class Actor(ABC):
    """Somebody or something that moves through the scene.

    Attributes:
        kind: `person`, or `vehicle`.
        begin_s, end_s: On stage from, until; media time.
    """

    kind: str
    begin_s: float
    end_s: float

    @abstractmethod
    def rough_boxes(self, times_s: Points, camera: Camera) -> Points:
        """Give about where it is seen, (N, 4) pixels, not cut at the picture's edge."""

    @abstractmethod
    def box(self, time_s: float, camera: Camera) -> Box | None:
        """Give the box of what can be seen of it in the picture, without its shadow, or None."""

    @abstractmethod
    def figure(self, time_s: float, camera: Camera) -> Figure:
        """Give what is seen of it at a moment at which it is on stage."""

    def moved_to(self, begin_s: float) -> None:
        """Let it come at another time."""
        self.end_s += begin_s - self.begin_s
        self.begin_s = begin_s


class Walker(Actor):
    """A person on foot on a way of legs."""

    kind = "person"

    def __init__(
        self, person: Person, begin_s: float, pace_m_s: float, legs: Sequence[Leg]
    ) -> None:
        self.person = person
        self.begin_s = begin_s
        self._door_m = next((leg.x_m for leg in legs if leg.y_m > FACADE_Y_M), None)
        times, spots = [0.0], [(legs[0].x_m, legs[0].y_m)]
        faces: list[tuple[float, float, float]] = []
        for leg in legs[1:]:
            way_m = math.dist(spots[-1], (leg.x_m, leg.y_m))
            times.append(times[-1] + max(way_m / pace_m_s, STEP_S))
            spots.append((leg.x_m, leg.y_m))
            if leg.wait_s:
                if leg.face_rad is not None:
                    faces.append((times[-1], times[-1] + leg.wait_s, leg.face_rad))
                times.append(times[-1] + leg.wait_s)
                spots.append(spots[-1])
        self.end_s = begin_s + times[-1]
        grid = np.arange(0.0, times[-1] + STEP_S, STEP_S)
        corners = np.array(spots)
        x, y = (_soft(np.interp(grid, times, corners[:, axis])) for axis in (0, 1))
        self._grid, self._x, self._y = grid, x, y
        self._pace_m_s, self._faces = pace_m_s, faces

    @cached_property
    def _gait(self) -> tuple[Course, Course, Course, Course]:
        """Where they face (cosine, sine), how far they walked, how wide they step; when asked."""
        grid, x, y = self._grid, self._x, self._y
        speed = np.hypot(np.gradient(x), np.gradient(y)) / STEP_S
        towards = np.unwrap(np.arctan2(np.gradient(y), np.gradient(x)))
        towards = _held_while_still(towards, speed)
        cos, sin = np.cos(towards), np.sin(towards)
        for since, until, face in self._faces:
            waits = (grid >= since - 0.1) & (grid <= until - 0.25)
            cos[waits], sin[waits] = math.cos(face), math.sin(face)
        stride = np.clip(speed / self._pace_m_s, 0.0, 1.0)
        return _soft(cos), _soft(sin), np.cumsum(speed) * STEP_S, stride

    def stance(self, time_s: float) -> Stance:
        """Give how they stand at a moment."""
        at = time_s - self.begin_s

        def read(values: Course) -> float:
            return float(np.interp(at, self._grid, values))

        cos, sin, walked, stride = self._gait
        return Stance(
            x_m=read(self._x),
            y_m=read(self._y),
            heading_rad=math.atan2(read(sin), read(cos)),
            walked_m=read(walked),
            stride=read(stride),
            time_s=at,
        )

    def rough_boxes(self, times_s: Points, camera: Camera) -> Points:
        at = times_s - self.begin_s
        x, y = np.interp(at, self._grid, self._x), np.interp(at, self._grid, self._y)
        foot = np.stack([x, y, np.zeros_like(x)], axis=1)
        head = foot + np.array([0.0, 0.0, self.person.height_m])
        foot_px, scale = camera.project(foot)
        head_px, _ = camera.project(head)
        half = 0.24 * self.person.height_m * scale
        middle = (foot_px[:, 0] + head_px[:, 0]) / 2
        return np.stack([middle - half, head_px[:, 1], middle + half, foot_px[:, 1] + 4], axis=1)

    def figure(self, time_s: float, camera: Camera) -> Figure:
        stance = self.stance(time_s)
        pose = Pose(self.person, stance)
        inside_m = stance.y_m - _SILL_Y_M
        indoors = self._indoors(stance)
        return Figure(
            depth_m=camera.depth_m(stance.x_m, stance.y_m),
            shapes=pose.shapes(camera),
            cast=list(pose.shadow(camera)),
            below=None,
            window=self._doorway(camera) if indoors else None,
            dim=max(0.25, 1.0 - 0.75 * inside_m / _THRESHOLD_M) if indoors else 1.0,
        )

    def box(self, time_s: float, camera: Camera) -> Box | None:
        stance = self.stance(time_s)
        outline = Pose(self.person, stance).outlines(camera).reshape(-1, 2)
        return _cut(outline, camera, self._doorway(camera) if self._indoors(stance) else None)

    def _indoors(self, stance: Stance) -> bool:
        return self._door_m is not None and stance.y_m > _SILL_Y_M

    def _doorway(self, camera: Camera) -> Box:
        assert self._door_m is not None
        half = DOOR_WIDTH_M / 2
        corners = np.array(
            [
                (self._door_m + side * half, FACADE_Y_M, z)
                for side in (-1, 1)
                for z in (0.0, DOOR_HEIGHT_M)
            ]
        )
        seen = camera.project(corners)[0]
        return (
            float(seen[:2, 0].mean()), float(seen[[1, 3], 1].mean()),
            float(seen[2:, 0].mean()), float(seen[[0, 2], 1].mean()),
        )  # fmt: skip


class Driver(Actor):
    """A vehicle on its lane."""

    kind = "vehicle"

    def __init__(
        self,
        vehicle: Vehicle,
        begin_s: float,
        *,
        lane_y_m: float,
        stops_m: Sequence[float],
        speeds_m_s: Sequence[float],
    ) -> None:
        """Drive along x through `stops_m`, each piece at its own speed."""
        self.vehicle = vehicle
        self.begin_s = begin_s
        self._lane_y_m = lane_y_m
        self._way = 1 if stops_m[-1] > stops_m[0] else -1
        times = [0.0]
        for (a, b), speed in zip(pairwise(stops_m), speeds_m_s, strict=True):
            times.append(times[-1] + abs(b - a) / speed)
        self.end_s = begin_s + times[-1]
        self._grid = np.arange(0.0, times[-1] + STEP_S, STEP_S)
        self._x = _soft(np.interp(self._grid, times, stops_m))
        course = np.gradient(self._x) / STEP_S * self._way
        self._slope = np.gradient(course) / STEP_S

    def rough_boxes(self, times_s: Points, camera: Camera) -> Points:
        body = self.vehicle.body
        x = np.interp(times_s - self.begin_s, self._grid, self._x)
        corners = []
        for dx in (-body.length_m / 2, body.length_m / 2):
            for dy in (-body.width_m / 2, body.width_m / 2):
                for z in (0.0, max(top for _, top, _ in body.top)):
                    spot = np.stack(
                        [x + dx, np.full_like(x, self._lane_y_m + dy), np.full_like(x, z)], axis=1
                    )
                    corners.append(camera.project(spot)[0])
        every = np.stack(corners)
        return np.concatenate([every.min(axis=0), every.max(axis=0)], axis=1)

    def figure(self, time_s: float, camera: Camera) -> Figure:
        drive = self._drive(time_s)
        cast, below = vehicle_shadow(self.vehicle, drive, camera)
        return Figure(
            depth_m=camera.depth_m(drive.x_m, drive.y_m),
            shapes=draw_vehicle(self.vehicle, drive, camera),
            cast=[hull(cast)],
            below=below,
        )

    def box(self, time_s: float, camera: Camera) -> Box | None:
        shapes = draw_vehicle(self.vehicle, self._drive(time_s), camera)
        return _cut(np.concatenate([shape.points_px for shape in shapes]), camera, None)

    def _drive(self, time_s: float) -> Drive:
        at = time_s - self.begin_s
        x = float(np.interp(at, self._grid, self._x))
        slope = float(np.interp(at, self._grid, self._slope))
        return Drive(x, self._lane_y_m, self._way, abs(x - float(self._x[0])), slope < -0.6)


def _cut(outline: Points, camera: Camera, window: Box | None) -> Box | None:
    """Give the box around points, cut at a window and at the picture's edge."""
    (x0, y0), (x1, y1) = outline.min(axis=0), outline.max(axis=0)
    a, b, c, d = window or (0.0, 0.0, float(camera.width), float(camera.height))
    x0, y0 = max(float(x0), a, 0.0), max(float(y0), b, 0.0)
    x1 = min(float(x1), c, float(camera.width))
    y1 = min(float(y1), d, float(camera.height))
    return (x0, y0, x1, y1) if x1 - x0 >= 1 and y1 - y0 >= 1 else None


def _soft(values: Course) -> Course:
    """Round off the corners of a course."""
    half = _SOFT_STEPS // 2
    weights = np.hanning(_SOFT_STEPS + 2)[1:-1]
    # Beyond the ends the course goes on as it was.
    before = values[0] - (values[1] - values[0]) * np.arange(half, 0, -1)
    after = values[-1] + (values[-1] - values[-2]) * np.arange(1, half + 1)
    return np.convolve(np.concatenate([before, values, after]), weights / weights.sum(), "valid")


def _held_while_still(towards: Course, speed: Course) -> Course:
    """Who stands has no direction of going: let them face where they went."""
    moves = np.flatnonzero(speed > 0.12)
    if not len(moves):
        return towards
    last = moves[np.clip(np.searchsorted(moves, np.arange(len(speed)), "right") - 1, 0, None)]
    return np.asarray(towards[last])
