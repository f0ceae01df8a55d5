"""Cars, vans and a bus: solid bodies with glass, lamps and turning wheels, in true perspective."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from vedette.sources.street.camera import HEIGHT_M, Camera, Points
from vedette.sources.street.colours import Colour, mixed, rgb, shaded
from vedette.sources.street.place import SHADOW_M
from vedette.sources.street.sprite import Shape

_PAINTS = (
    rgb(0xB3342E), rgb(0x2F5D8A), rgb(0xD8D9D6), rgb(0x2B2E33), rgb(0x7F8A8C),
    rgb(0x4D6B57), rgb(0xD0A23A), rgb(0x7A2F3C), rgb(0x8FB0BF),
)  # fmt: skip
_GLASS = rgb(0x2C363C)
_SKY = rgb(0xBFCBD2)
_TYRE = rgb(0x1E1E20)
_RIM = rgb(0xB9BCBD)


@dataclass(frozen=True, slots=True)
class Body:
    """The shape of a kind of vehicle, metres; it drives towards +x, z up from the road.

    Attributes:
        length_m, width_m: Over all.
        top: Outline of the top from the front bumper to the rear one: (x, z, half width share).
        glass: Pairs of neighbouring `top` points between which there is glass (windscreens).
        belt: Height of the lower edge of the side windows.
        panes: Side windows: corners (x, z) each.
        wheels: x of the axles.
        wheel_m: Radius.
    """

    kind: str
    length_m: float
    width_m: float
    top: tuple[tuple[float, float, float], ...]
    glass: tuple[int, ...]
    belt: float
    panes: tuple[tuple[tuple[float, float], ...], ...]
    wheels: tuple[float, ...]
    wheel_m: float


CAR = Body(
    "car", 4.2, 1.76,
    (
        (2.10, 0.34, 0.86), (2.10, 0.58, 0.90), (1.98, 0.72, 0.93), (1.10, 0.90, 0.95),
        (0.42, 1.38, 0.78), (0.10, 1.46, 0.74), (-0.95, 1.45, 0.73), (-1.30, 1.38, 0.75),
        (-1.88, 0.98, 0.92), (-2.04, 0.92, 0.93), (-2.10, 0.66, 0.92), (-2.08, 0.34, 0.86),
    ),
    (3, 7), 0.90,
    (
        ((0.98, 0.93), (0.42, 1.32), (0.16, 1.38), (0.16, 0.93)),
        ((0.08, 0.93), (0.08, 1.39), (-0.72, 1.38), (-0.72, 0.93)),
        ((-0.80, 0.93), (-0.80, 1.37), (-1.22, 1.32), (-1.66, 0.96)),
    ),
    (1.30, -1.30), 0.32,
)  # fmt: skip
ESTATE = Body(
    "car", 4.5, 1.80,
    (
        (2.25, 0.34, 0.86), (2.25, 0.60, 0.90), (2.12, 0.76, 0.93), (1.20, 0.96, 0.95),
        (0.55, 1.42, 0.78), (0.20, 1.50, 0.74), (-1.70, 1.48, 0.74), (-1.92, 1.42, 0.76),
        (-2.16, 1.00, 0.92), (-2.24, 0.90, 0.93), (-2.25, 0.62, 0.92), (-2.22, 0.34, 0.86),
    ),
    (3, 7), 0.96,
    (
        ((1.06, 0.98), (0.54, 1.36), (0.26, 1.42), (0.26, 0.98)),
        ((0.18, 0.98), (0.18, 1.43), (-0.68, 1.42), (-0.68, 0.98)),
        ((-0.76, 0.98), (-0.76, 1.41), (-1.62, 1.38), (-1.90, 1.0)),
    ),
    (1.42, -1.36), 0.33,
)  # fmt: skip
VAN = Body(
    "van", 5.0, 1.90,
    (
        (2.50, 0.36, 0.88), (2.50, 0.74, 0.92), (2.36, 0.95, 0.94), (1.86, 1.14, 0.94),
        (1.12, 1.86, 0.84), (0.80, 1.97, 0.84), (-2.36, 1.97, 0.86), (-2.48, 1.88, 0.88),
        (-2.50, 0.80, 0.92), (-2.50, 0.36, 0.90),
    ),
    (3,), 1.14,
    (((1.70, 1.16), (1.10, 1.76), (0.50, 1.80), (0.50, 1.16)),),
    (1.62, -1.48), 0.34,
)  # fmt: skip
BUS = Body(
    "bus", 6.4, 2.05,
    (
        (3.20, 0.34, 0.92), (3.20, 0.92, 0.96), (3.06, 2.04, 0.94), (2.88, 2.32, 0.90),
        (2.60, 2.40, 0.88), (-2.96, 2.40, 0.88), (-3.14, 2.30, 0.90), (-3.20, 1.00, 0.96),
        (-3.20, 0.34, 0.92),
    ),
    (1, 6), 1.10,
    (
        ((3.04, 1.00), (2.96, 1.98), (2.40, 1.98), (2.40, 1.00)),
        ((2.24, 0.44), (2.24, 1.98), (1.36, 1.98), (1.36, 0.44)),
        ((1.20, 1.10), (1.20, 1.98), (0.14, 1.98), (0.14, 1.10)),
        ((0.04, 1.10), (0.04, 1.98), (-1.02, 1.98), (-1.02, 1.10)),
        ((-1.12, 1.10), (-1.12, 1.98), (-2.12, 1.98), (-2.12, 1.10)),
        ((-2.22, 1.10), (-2.22, 1.98), (-3.02, 1.98), (-3.02, 1.10)),
    ),
    (1.86, -1.80), 0.38,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Vehicle:
    """One vehicle: its body and its paint."""

    body: Body
    paint: Colour


@dataclass(frozen=True, slots=True)
class Drive:
    """Where a vehicle is at one moment.

    Attributes:
        x_m, y_m: Its middle on the road.
        way: 1 towards +x, -1 back.
        driven_m: Way so far; the wheels turn with it.
        braking: Whether its brake lamps shine.
    """

    x_m: float
    y_m: float
    way: int
    driven_m: float
    braking: bool


def cast_vehicles(count: int, rng: np.random.Generator) -> list[Vehicle]:
    """Choose `count` vehicles: mostly cars, one van in four, one bus in eight."""
    paints = rng.permutation(len(_PAINTS))
    first = int(rng.integers(4))
    vehicles = []
    for number in range(count):
        turn = (number + first) % 8
        body = VAN if turn in (3, 7) else BUS if turn == 5 else ESTATE if turn % 2 else CAR
        paint = _PAINTS[paints[number % len(_PAINTS)]]
        if body is VAN and sum(paint) < 240:
            paint = rgb(0xE4E2DA)
        if body is BUS:
            paint = rgb(0xC24A38) if number % 2 else rgb(0x2F6E73)
        vehicles.append(Vehicle(body, paint))
    return vehicles


class _Workshop:
    """Collects the faces of one vehicle at one moment."""

    def __init__(self, vehicle: Vehicle, drive: Drive, camera: Camera) -> None:
        self.body = vehicle.body
        self.drive = drive
        self._camera = camera
        self.shapes: list[Shape] = []

    def world(self, points: Points) -> Points:
        """Body coordinates (x forward, y to the camera's side negative, z) → world."""
        moved = points.copy()
        moved[:, 0] = self.drive.x_m + points[:, 0] * self.drive.way
        moved[:, 1] = self.drive.y_m + points[:, 1]
        return moved

    def face(self, points: Points, colour: Colour) -> None:
        self.shapes.append(Shape(self._camera.project(self.world(points))[0], colour))

    def side(self, corners: Points, y: float, colour: Colour) -> None:
        """Add a face that stands along the road at `y`."""
        flat = np.empty((len(corners), 3))
        flat[:, 0], flat[:, 1], flat[:, 2] = corners[:, 0], y, corners[:, 1]
        self.face(flat, colour)


def draw_vehicle(vehicle: Vehicle, drive: Drive, camera: Camera) -> list[Shape]:
    """Give the shapes of a vehicle as the camera sees it, the farthest first."""
    shop = _Workshop(vehicle, drive, camera)
    paint = vehicle.paint
    _far_side(shop)
    _strips(shop, paint)
    _near_side(shop, paint)
    _ends(shop, paint)
    _wheels(shop)
    return shop.shapes


def _far_side(shop: _Workshop) -> None:
    """Fill what can be seen below the body: dark, and the far wheels."""
    body = shop.body
    half = body.length_m / 2 - 0.15
    under = np.array([(half, -0.7, 0.2), (-half, -0.7, 0.2), (-half, 0.7, 0.2), (half, 0.7, 0.2)])
    shop.face(under, rgb(0x17181A))


def _strips(shop: _Workshop, paint: Colour) -> None:
    """Add bonnet, windscreen, roof, rear window: strips across the body, from end to end."""
    body = shop.body
    half = body.width_m / 2
    lens = np.array([0.0, 0.0, HEIGHT_M])
    strips = []
    for number in range(len(body.top) - 1):
        (xa, za, wa), (xb, zb, wb) = body.top[number], body.top[number + 1]
        quad = np.array(
            [(xa, -half * wa, za), (xb, -half * wb, zb), (xb, half * wb, zb), (xa, half * wa, za)]
        )
        normal = np.array([(za - zb) * -1.0, 0.0, xa - xb])
        normal /= math.hypot(normal[0], normal[2])
        outward = np.array([normal[0] * shop.drive.way, 0.0, normal[2]])
        world = shop.world(quad)
        if float((lens - world.mean(axis=0)) @ outward) <= 0:
            continue
        up = outward[2]
        if number in body.glass:
            tone = mixed(_GLASS, _SKY, 0.18 + 0.22 * max(0.0, up))
        else:
            # Light from above and from the left.
            tone = shaded(paint, 0.72 + 0.36 * max(0.0, up) - 0.14 * outward[0])
            tone = mixed(tone, _SKY, 0.10 * max(0.0, up))
        strips.append((float(((world.mean(axis=0) - lens) ** 2).sum()), quad, tone, number))
    strips.sort(key=lambda strip: -strip[0])
    for _, quad, tone, number in strips:
        shop.face(quad, tone)
        if number in body.glass:
            inner = quad.mean(axis=0) + (quad - quad.mean(axis=0)) * np.array([0.86, 0.90, 0.86])
            shop.face(inner, mixed(tone, rgb(0x12171A), 0.35))
            gleam = inner.copy()
            gleam[2:, 1] = gleam[:2, 1] + (inner[2:, 1] - inner[:2, 1])[::-1] * 0.35
            shop.face(gleam, mixed(tone, _SKY, 0.18))


def _near_side(shop: _Workshop, paint: Colour) -> None:
    body = shop.body
    half = body.width_m / 2
    low = min(z for _, z, _ in body.top)
    outline = [(x, min(z, body.belt)) for x, z, _ in body.top]
    outline = [*outline, (outline[-1][0], low - 0.1), (outline[0][0], low - 0.1)]
    skin = shaded(paint, 0.86)
    shop.side(np.array(outline), -half * 0.97, skin)
    # The cabin leans in from the belt to the roof.
    cabin = [(x, z, w) for x, z, w in body.top if z >= body.belt - 0.02]
    front = [(x, -half * 0.97, body.belt) for x, z, w in (cabin[0], cabin[-1])]
    roof = np.array([front[0], *[(x, -half * w, z) for x, z, w in cabin], front[1]])
    shop.face(roof, shaded(paint, 0.80))
    top_z = max(z for _, z, _ in body.top)
    lean = next(w for _, z, w in body.top if z == top_z)

    def lean_in(x: float, z: float) -> tuple[float, float, float]:
        share = max(0.0, (z - body.belt) / (top_z - body.belt))
        return x, -half * (0.975 + (lean - 0.975) * share), z

    for pane in body.panes:
        glass = np.array([lean_in(x, z) for x, z in pane])
        shop.face(glass, mixed(_GLASS, _SKY, 0.10))
        upper = glass.copy()
        middle = (glass[:, 2].min() + glass[:, 2].max()) / 2
        upper[:, 2] = np.maximum(upper[:, 2], middle)
        upper[:, 1] = [lean_in(0.0, z)[1] for z in upper[:, 2]]
        if body.kind != "bus":
            shop.face(glass, mixed(_GLASS, _SKY, 0.16))
        else:
            shop.face(upper, mixed(_GLASS, _SKY, 0.24))
    x0, x1 = body.length_m / 2 - 0.1, -body.length_m / 2 + 0.1
    # A crease that catches the sky, a dark sill, doors, handles.
    crease = body.belt - 0.16
    shop.side(
        np.array([(x0 - 0.1, crease), (x1 + 0.1, crease), (x1 + 0.1, crease + 0.05),
                  (x0 - 0.1, crease + 0.05)]),
        -half * 0.98, mixed(skin, _SKY, 0.30),
    )  # fmt: skip
    shop.side(
        np.array([(x0, low - 0.1), (x1, low - 0.1), (x1, low + 0.06), (x0, low + 0.06)]),
        -half * 0.98, shaded(paint, 0.5),
    )  # fmt: skip
    seams = {"car": (0.12, -0.76), "van": (0.46, -0.7), "bus": (2.28, 1.32)}[body.kind]
    for seam in (*seams, seams[0] + (0.95 if body.kind == "car" else 1.2)):
        if abs(seam) < body.length_m / 2 - 0.5 and body.kind != "bus":
            shop.side(
                np.array([(seam, low + 0.08), (seam - 0.025, low + 0.08),
                          (seam - 0.025, body.belt), (seam, body.belt)]),
                -half * 0.985, shaded(paint, 0.6),
            )  # fmt: skip
            shop.side(
                np.array([(seam + 0.10, body.belt - 0.12), (seam + 0.26, body.belt - 0.12),
                          (seam + 0.26, body.belt - 0.085), (seam + 0.10, body.belt - 0.085)]),
                -half * 0.99, shaded(paint, 0.55),
            )  # fmt: skip
    if body.kind == "bus":
        shop.side(
            np.array([(3.12, 0.78), (-3.12, 0.78), (-3.12, 0.93), (3.12, 0.93)]),
            -half * 0.985, rgb(0xEDE6D6),
        )  # fmt: skip


def _ends(shop: _Workshop, paint: Colour) -> None:
    """Add lamps, plate and grille at the end that the camera sees."""
    body, drive = shop.body, shop.drive
    half, end = body.width_m / 2, body.length_m / 2
    low = body.top[0][1]
    lamp_z = {"car": (0.56, 0.70), "van": (0.68, 0.90), "bus": (0.56, 0.76)}[body.kind]
    front_seen = drive.x_m * drive.way + end < 0
    rear_seen = drive.x_m * drive.way - end > 0
    # Lamps reach round the corner: a piece of each shows on the near side.
    shop.side(
        np.array([(end - 0.02, lamp_z[0]), (end - 0.30, lamp_z[0] + 0.04),
                  (end - 0.26, lamp_z[1]), (end - 0.04, lamp_z[1] - 0.03)]),
        -half * 0.985, rgb(0xF4F1DF),
    )  # fmt: skip
    red = rgb(0xFF4A38) if drive.braking else rgb(0xA82A25)
    rear_z = (lamp_z[0] + 0.08, lamp_z[1] + 0.10)
    shop.side(
        np.array([(-end + 0.02, rear_z[0]), (-end + 0.20, rear_z[0]),
                  (-end + 0.16, rear_z[1]), (-end + 0.03, rear_z[1])]),
        -half * 0.985, red,
    )  # fmt: skip
    for seen, x, z0, z1, tone in (
        (front_seen, end + 0.005, *lamp_z, rgb(0xFFFBEA)),
        (rear_seen, -end - 0.005, *rear_z, red),
    ):
        if not seen:
            continue
        for side in (-1, 1):
            inner, outer = side * half * 0.50, side * half * 0.90
            shop.face(
                np.array([(x, inner, z0), (x, outer, z0), (x, outer, z1), (x, inner, z1)]), tone
            )
        shop.face(
            np.array([(x, -half * 0.45, low), (x, half * 0.45, low),
                      (x, half * 0.45, low + 0.16), (x, -half * 0.45, low + 0.16)]),
            shaded(paint, 0.35),
        )  # fmt: skip
        shop.face(
            np.array([(x, -0.26, low + 0.04), (x, 0.26, low + 0.04),
                      (x, 0.26, low + 0.15), (x, -0.26, low + 0.15)]),
            rgb(0xE8E6DA),
        )  # fmt: skip


def _wheels(shop: _Workshop) -> None:
    body = shop.body
    y = -body.width_m / 2
    turn = np.linspace(0, 2 * np.pi, 26, endpoint=False)
    circle = np.stack([np.cos(turn), np.sin(turn)], axis=1)
    spin = -shop.drive.driven_m / body.wheel_m
    for axle in body.wheels:
        hub = np.array([axle, body.wheel_m])
        arch = hub + circle * (body.wheel_m + 0.075)
        arch[:, 1] = np.maximum(arch[:, 1], 0.22)
        shop.side(arch, y * 0.99, rgb(0x141516))
        shop.side(hub + circle * body.wheel_m, y * 0.995, _TYRE)
        shop.side(hub + circle * body.wheel_m * 0.64, y * 1.0, shaded(_RIM, 0.55))
        for spoke in range(5):
            a = spin + spoke * 2 * math.pi / 5
            tip = hub + 0.60 * body.wheel_m * np.array([math.cos(a), math.sin(a)])
            across = 0.09 * body.wheel_m * np.array([-math.sin(a), math.cos(a)])
            shop.side(
                np.array([hub + across * 1.3, tip + across, tip - across, hub - across * 1.3]),
                y * 1.0, _RIM,
            )  # fmt: skip
        shop.side(hub + circle * body.wheel_m * 0.16, y * 1.0, _RIM)


def vehicle_shadow(vehicle: Vehicle, drive: Drive, camera: Camera) -> tuple[Points, Points]:
    """Give the points of the cast shadow (its hull is the shadow), and the dark right below."""
    body = vehicle.body
    half, end = body.width_m / 2, body.length_m / 2
    top = np.array(
        [
            (x * drive.way + z * SHADOW_M[0], side * half * w + z * SHADOW_M[1], 0.0)
            for x, z, w in body.top
            for side in (-1, 1)
        ]
    )
    foot = np.array([(sx * end * 0.97, sy * half, 0.0) for sx in (-1, 1) for sy in (-1, 1)])
    spot = np.array([drive.x_m, drive.y_m, 0.0])
    cast = camera.project(np.concatenate([top, foot]) + spot)[0]
    below = camera.project(foot[[0, 1, 3, 2]] * np.array([0.98, 0.92, 1]) + spot)[0]
    return cast, below
