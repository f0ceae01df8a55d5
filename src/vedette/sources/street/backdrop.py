"""The empty street, painted once: what a camera sees before anybody comes."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from vedette.sources.street.camera import FOCAL_PX, Camera
from vedette.sources.street.facades import paint_facades
from vedette.sources.street.pavement import paint_ground
from vedette.sources.street.place import FACADE_Y_M, Place
from vedette.sources.street.props import Prop, paint_props
from vedette.sources.street.sheet import Picture, Sheet
from vedette.sources.street.sprite import lay

_DENSITY = 76.0  # Texture pixels per metre at 1280x720: finer than the picture nearly everywhere.
_VIGNETTE = 0.20  # A plain lens loses this much of its light in the corners.


@dataclass(frozen=True, slots=True, eq=False)
class Backdrop:
    """The empty street.

    Attributes:
        picture: uint8 (H, W, 3), BGR, as the lens sees it; without sensor noise.
        props: What can hide somebody, farthest first.
        lens: float32 (H, W): share of light that reaches each pixel.
    """

    picture: Picture
    props: tuple[Prop, ...]
    lens: npt.NDArray[np.float32]


def paint_backdrop(place: Place, camera: Camera, rng: np.random.Generator) -> Backdrop:
    """Paint the empty street as `camera` sees it."""
    density = _DENSITY * min(2.0, max(0.5, camera.focal_px / FOCAL_PX))
    zoom = 2
    ground = paint_ground(place, rng, density)
    walls = paint_facades(place, rng, density)
    picture, _ = ground.seen_by(camera, _lying(ground), zoom)
    front, mask = walls.seen_by(camera, _standing(walls), zoom)
    cv2.copyTo(front, mask, picture)
    size = (camera.width, camera.height)
    picture = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
    props = paint_props(place, camera, rng)
    for prop in props:
        lay(picture, prop.sprite)
    lens = _lens(camera)
    picture = np.clip(picture * lens[..., None], 0, 255).astype(np.uint8)
    return Backdrop(picture, tuple(props), lens)


def _lying(sheet: Sheet) -> npt.NDArray[np.float64]:
    return np.array([(x, y, 0.0) for x, y in sheet.corners_m()])


def _standing(sheet: Sheet) -> npt.NDArray[np.float64]:
    return np.array([(x, FACADE_Y_M, z) for x, z in sheet.corners_m()])


def _lens(camera: Camera) -> npt.NDArray[np.float32]:
    x = np.linspace(-1, 1, camera.width)[None, :]
    y = np.linspace(-1, 1, camera.height)[:, None]
    return (1.0 - _VIGNETTE * ((x**2 + y**2) / 2) ** 1.5).astype(np.float32)
