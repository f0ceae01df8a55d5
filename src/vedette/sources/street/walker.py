"""A person on foot: what they wear, and how their limbs stand at a moment of their walk."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from vedette.sources.street.camera import Camera, Points
from vedette.sources.street.colours import Colour, mixed, rgb, shaded
from vedette.sources.street.place import SHADOW_M
from vedette.sources.street.sprite import Shape, capsules

_SUN = rgb(0xFFF6E6)
_SKINS = (rgb(0xF0C8A8), rgb(0xE0AC88), rgb(0xC68B62), rgb(0x9A6645), rgb(0x6B4630))
_HAIRS = (rgb(0x2B211C), rgb(0x4A3325), rgb(0x7B5636), rgb(0xB98C54), rgb(0x8B8784), rgb(0x6E2F22))
# Brighter than any shop front: nobody can count who wears the colour of the wall behind.
_TOPS = (
    rgb(0xD04A3E), rgb(0x4A8CCB), rgb(0xE6BC48), rgb(0x62AD80), rgb(0xF0ECE2),
    rgb(0x9C72B8), rgb(0xE0833F), rgb(0x86B9DB), rgb(0xD0608A), rgb(0x5FA6BE),
)  # fmt: skip
_LEGS = (rgb(0x2C3A55), rgb(0x33302E), rgb(0x6A5B48), rgb(0x4A5568), rgb(0x8B7B62), rgb(0x1F2A38))
_SHOES = (rgb(0x2A2420), rgb(0xE8E4DC), rgb(0x6B3E2A), rgb(0xB03A34))
_BAGS = (rgb(0x6B3E2A), rgb(0x2E3440), rgb(0xA8433A), rgb(0x3E6B5A), rgb(0xC9A45C))


@dataclass(frozen=True, slots=True)
class Person:
    """What somebody looks like; `height_m` from sole to crown."""

    height_m: float
    build: float
    skin: Colour
    hair: Colour
    long_hair: bool
    top: Colour
    legs: Colour
    shoes: Colour
    coat: bool
    skirt: bool
    hat: Colour | None
    bag: str | None
    bag_colour: Colour


@dataclass(frozen=True, slots=True)
class Stance:
    """Where a walker is, at one moment.

    Attributes:
        x_m, y_m: The spot on the ground below the hips.
        heading_rad: Where they face: 0 to the right along the street, growing to the left.
        walked_m: Way so far; the legs swing with it.
        stride: 0 standing, 1 walking.
        time_s: For the little that moves in someone who stands.
    """

    x_m: float
    y_m: float
    heading_rad: float
    walked_m: float
    stride: float
    time_s: float


def cast_people(count: int, rng: np.random.Generator) -> list[Person]:
    """Dress `count` people; neighbours in the list do not wear the same."""
    tops, legs = rng.permutation(len(_TOPS)), rng.permutation(len(_LEGS))
    people = []
    for number in range(count):
        bags = (None, "backpack", "shoulder", "shopping", None)
        people.append(
            Person(
                height_m=float(rng.uniform(1.58, 1.90)),
                build=float(rng.uniform(0.92, 1.12)),
                skin=_SKINS[int(rng.integers(len(_SKINS)))],
                hair=_HAIRS[int(rng.integers(len(_HAIRS)))],
                long_hair=bool(rng.random() < 0.45),
                top=shaded(_TOPS[tops[number % len(_TOPS)]], rng.uniform(0.92, 1.05)),
                legs=_LEGS[legs[number % len(_LEGS)]],
                shoes=_SHOES[int(rng.integers(len(_SHOES)))],
                coat=bool(rng.random() < 0.3),
                skirt=bool(rng.random() < 0.22),
                hat=_TOPS[int(rng.integers(len(_TOPS)))] if rng.random() < 0.2 else None,
                bag=bags[int(rng.integers(len(bags)))],
                bag_colour=_BAGS[int(rng.integers(len(_BAGS)))],
            )
        )
    return people


@dataclass(frozen=True, slots=True)
class _Limb:
    """A sausage between two points of the body (forward, left, up; metres), and its colour."""

    a: tuple[float, float, float]
    ra: float
    b: tuple[float, float, float]
    rb: float
    colour: Colour
    round_shaded: bool = True


def _limbs(
    person: Person, stance: Stance
) -> tuple[list[_Limb], dict[int, list[_Limb]], dict[int, list[_Limb]]]:
    """Pose the body; gives the trunk, then legs and arms of the right (-1) and left (1) side."""
    h, build = person.height_m, person.build
    phase = 2 * math.pi * stance.walked_m / (0.80 * h)
    swing = stance.stride
    sway = 0.012 * math.sin(1.3 * stance.time_s) * (1 - swing)
    thigh, shin = 0.245 * h, 0.245 * h
    legs = []
    for side, shift in ((-1, 0.0), (1, math.pi)):
        angle = swing * 0.40 * math.sin(phase + shift) + 0.04
        bend = 0.07 + swing * 0.95 * max(0.0, math.cos(phase + shift + 0.45)) ** 1.6
        knee = (math.sin(angle) * thigh, -math.cos(angle) * thigh)
        low = angle - bend
        ankle = (knee[0] + math.sin(low) * shin, knee[1] - math.cos(low) * shin)
        # The heel lifts before the leg swings through.
        tilt = low * 0.75 if low < 0 else low * 0.35
        toe = (ankle[0] + math.cos(tilt) * 0.105 * h, ankle[1] + math.sin(tilt) * 0.105 * h - 0.022)
        legs.append((side, knee, ankle, toe))
    drop = min(min(ankle[1], toe[1] + 0.045) for _, _, ankle, toe in legs)
    hip = 0.055 - drop
    lean = 0.035 * swing
    shoulder = hip + 0.315 * h
    limbs_down: dict[int, list[_Limb]] = {}
    limbs_up: dict[int, list[_Limb]] = {}
    for side, knee, ankle, toe in legs:
        y_hip, y_foot = side * 0.050 * h * build, side * 0.040 * h
        cloth = person.skin if person.skirt else person.legs
        limbs_down[side] = [
            _Limb((ankle[0] - 0.03 * h, y_foot, hip + ankle[1] - 0.015), 0.024 * h,
                  (toe[0], y_foot * 1.15, hip + toe[1]), 0.017 * h, person.shoes),
            _Limb((knee[0], y_foot, hip + knee[1]), 0.034 * h,
                  (ankle[0], y_foot, hip + ankle[1]), 0.023 * h, cloth),
            _Limb((0.0, y_hip, hip + 0.01), 0.051 * h * build,
                  (knee[0], y_foot, hip + knee[1]), 0.035 * h, cloth),
        ]  # fmt: skip
    for side, shift in ((-1, math.pi), (1, 0.0)):
        holds = person.bag == "shopping" and side < 0
        arm = (0.12 if holds else 0.42) * swing * math.sin(phase + shift) + 0.05 + sway
        elbow_bend = 0.18 + (0.25 * swing if not holds else 0.0)
        upper, fore = 0.165 * h, 0.150 * h
        y0, y1 = side * 0.098 * h * build, side * 0.116 * h * build
        top = (lean * 0.8, y0, shoulder - 0.012 * h)
        elbow = (top[0] + math.sin(arm) * upper, y1, top[2] - math.cos(arm) * upper)
        low = arm + elbow_bend
        hand = (elbow[0] + math.sin(low) * fore, y1, elbow[2] - math.cos(low) * fore)
        arms = [
            _Limb(elbow, 0.024 * h, hand, 0.019 * h, person.top),
            _Limb(hand, 0.020 * h, (hand[0] + 0.01, y1, hand[2] - 0.035), 0.018 * h, person.skin),
            _Limb(top, 0.034 * h * build, elbow, 0.026 * h, person.top),
        ]
        if holds:
            z = hand[2]
            arms = [
                _Limb((hand[0], y1, z - 0.14), 0.085, (hand[0], y1, z - 0.32), 0.10,
                      person.bag_colour),
                *arms,
            ]  # fmt: skip
        limbs_up[side] = arms
    trunk = _trunk(person, hip, shoulder, lean, swing * math.sin(phase))
    return trunk, limbs_down, limbs_up


def _trunk(person: Person, hip: float, shoulder: float, lean: float, twist: float) -> list[_Limb]:
    h, build = person.height_m, person.build
    wide = 0.077 * h * build
    head = shoulder + 0.108 * h
    trunk = [
        _Limb((0, -0.035 * h, hip + 0.02), 0.060 * h * build,
              (0, 0.035 * h, hip + 0.02), 0.060 * h * build,
              person.legs if not person.coat else person.top),
        _Limb((0, 0, hip + 0.01), 0.068 * h * build, (lean, 0, shoulder - 0.09 * h), wide,
              person.top),
        _Limb((lean, -0.058 * h * build, shoulder - 0.045 * h), 0.054 * h,
              (lean, 0.058 * h * build, shoulder - 0.045 * h), 0.054 * h, person.top),
        _Limb((lean, 0, shoulder - 0.02), 0.025 * h, (lean, 0, head - 0.05 * h), 0.024 * h,
              shaded(person.skin, 0.82)),
    ]  # fmt: skip
    if person.skirt:
        trunk.insert(
            0, _Limb((0, 0, hip + 0.03), 0.075 * h, (0.03 * twist, 0, hip - 0.17 * h), 0.098 * h,
                     person.legs),
        )  # fmt: skip
    if person.coat:
        trunk.insert(
            0, _Limb((0, 0, hip + 0.05), 0.074 * h, (-0.01, 0, hip - 0.13 * h), 0.088 * h,
                     shaded(person.top, 0.94)),
        )  # fmt: skip
    if person.bag == "backpack":
        trunk.insert(
            0, _Limb((-0.085 * h, 0, shoulder - 0.06 * h), 0.058 * h,
                     (-0.09 * h, 0, shoulder - 0.20 * h), 0.064 * h, person.bag_colour),
        )  # fmt: skip
    if person.bag == "shoulder":
        trunk.append(
            _Limb((lean, 0.05 * h, shoulder - 0.02 * h), 0.010 * h,
                  (0.0, -0.10 * h, hip + 0.06 * h), 0.010 * h, shaded(person.bag_colour, 0.8))
        )  # fmt: skip
        trunk.append(
            _Limb((-0.03 * h, -0.115 * h, hip + 0.02 * h), 0.045 * h,
                  (0.03 * h, -0.115 * h, hip + 0.02 * h), 0.045 * h, person.bag_colour)
        )  # fmt: skip
    back = -0.018 * h
    if person.long_hair:
        trunk.insert(
            -1, _Limb((lean + back, 0, head), 0.055 * h,
                      (lean + back * 1.6, 0, shoulder - 0.02 * h), 0.046 * h,
                      shaded(person.hair, 0.9)),
        )  # fmt: skip
    face = lean + 0.012 * h
    trunk += [
        _Limb((face, 0, head + 0.008 * h), 0.047 * h, (face, 0, head - 0.026 * h), 0.038 * h,
              person.skin),
        _Limb((lean + back, 0, head + 0.030 * h), 0.047 * h,
              (lean + back * 1.5, 0, head - 0.002 * h), 0.042 * h, person.hair),
    ]  # fmt: skip
    if person.hat is not None:
        trunk += [
            _Limb((lean, 0, head + 0.045 * h), 0.050 * h, (lean, 0, head + 0.055 * h), 0.046 * h,
                  person.hat),
            _Limb((lean, 0, head + 0.032 * h), 0.022 * h, (lean + 0.075 * h, 0, head + 0.028 * h),
                  0.016 * h, shaded(person.hat, 0.85)),
        ]  # fmt: skip
    return trunk


def _ordered(person: Person, stance: Stance) -> list[_Limb]:
    """Give the limbs, the farthest first."""
    middle, legs, arms = _limbs(person, stance)
    # Seen from the camera, which looks along +y: whose left side is turned away?
    turn = math.cos(stance.heading_rad)
    facing = -math.sin(stance.heading_rad)
    if facing > 0.5:
        # They come towards us: the face lies over the hair, a backpack behind all.
        middle = [*middle[:-2], middle[-1], middle[-2]] if person.hat is None else [
            *middle[:-4], middle[-3], middle[-4], middle[-2], middle[-1],
        ]  # fmt: skip
    elif facing < -0.5:
        packs = [limb for limb in middle if person.bag == "backpack" and limb.a[0] < -0.1]
        middle = [limb for limb in middle if limb not in packs] + packs
    far = 1 if turn > 0 else -1
    if facing > 0.7:  # Arms that swing forward come before the body.
        return [*legs[far], *legs[-far], *middle, *arms[far], *arms[-far]]
    if facing < -0.7:
        return [*arms[far], *arms[-far], *legs[far], *legs[-far], *middle]
    return [*arms[far], *legs[far], *legs[-far], *middle, *arms[-far]]


def _in_world(points: Points, stance: Stance) -> Points:
    cos, sin = math.cos(stance.heading_rad), math.sin(stance.heading_rad)
    return np.stack(
        [
            stance.x_m + points[:, 0] * cos - points[:, 1] * sin,
            stance.y_m + points[:, 0] * sin + points[:, 1] * cos,
            points[:, 2],
        ],
        axis=1,
    )


class Pose:
    """A walker's body at one moment, in the world."""

    def __init__(self, person: Person, stance: Stance) -> None:
        self._limbs = _ordered(person, stance)
        ends = np.array([limb.a for limb in self._limbs] + [limb.b for limb in self._limbs])
        self._ends = _in_world(ends, stance)
        self._radii = np.array(
            [limb.ra for limb in self._limbs] + [limb.rb for limb in self._limbs]
        )

    def outlines(self, camera: Camera) -> Points:
        """Give the outlines (N, 16, 2) of the limbs as the camera sees them."""
        return self._capsules(camera, self._ends, 1.0, (0.0, 0.0))

    def shapes(self, camera: Camera) -> list[Shape]:
        """Give what the camera sees, the farthest first."""
        whole = self.outlines(camera)
        # Light from the upper left: a paler, narrower core moved that way gives each limb its
        # round.
        core = self._capsules(camera, self._ends, 0.58, (-0.30, -0.16))
        shapes = []
        for number, limb in enumerate(self._limbs):
            shapes.append(Shape(whole[number], shaded(limb.colour, 0.84)))
            shapes.append(Shape(core[number], mixed(limb.colour, _SUN, 0.09)))
        return shapes

    def shadow(self, camera: Camera) -> Points:
        """Give the outlines (N, 16, 2) that together are the shadow on the ground."""
        ends = self._ends.copy()
        ends[:, 0] += ends[:, 2] * SHADOW_M[0]
        ends[:, 1] += ends[:, 2] * SHADOW_M[1]
        ends[:, 2] = 0.0
        return self._capsules(camera, ends, 0.8, (0.0, 0.0))

    def _capsules(
        self, camera: Camera, ends: Points, share: float, shift: tuple[float, float]
    ) -> Points:
        pixels, scale = camera.project(ends)
        radii = self._radii * scale
        half = len(self._limbs)
        mean = (radii[:half] + radii[half:]) / 2
        pixels += np.concatenate([mean, mean])[:, None] * np.array(shift)
        radii *= share
        return capsules(pixels[:half], radii[:half], pixels[half:], radii[half:])


def hull(points: Points) -> Points:
    """Give the convex outline of points."""
    return np.asarray(cv2.convexHull(points.astype(np.float32)), np.float64).reshape(-1, 2)
