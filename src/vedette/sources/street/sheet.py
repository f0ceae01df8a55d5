"""A flat wall or ground, painted in metres and then seen through the camera."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from vedette.sources.street.camera import Camera, Points
from vedette.sources.street.colours import Colour

Picture = npt.NDArray[np.uint8]

_SHIFT = 4  # Fraction bits of OpenCV's drawing.


def blended(picture: Picture, other: Picture, share: Picture) -> Picture:
    """Mix two pictures, pixel by pixel; `share`, uint8 (H, W), is the part of the other one."""
    much = cv2.cvtColor(share, cv2.COLOR_GRAY2BGR)
    one = cv2.multiply(picture, cv2.bitwise_not(much), scale=1 / 255)
    return np.asarray(cv2.add(one, cv2.multiply(other, much, scale=1 / 255)), np.uint8)


class Sheet:
    """A picture with metre coordinates: `across` to the right, `up` upwards."""

    def __init__(
        self,
        across_m: tuple[float, float],
        up_m: tuple[float, float],
        density: float,
        colour: Colour,
    ) -> None:
        self.across_m = across_m
        self.up_m = up_m
        self.density = density
        width = round((across_m[1] - across_m[0]) * density)
        height = round((up_m[1] - up_m[0]) * density)
        self.picture: Picture = np.full((height, width, 3), colour, np.uint8)

    def rect(self, x0: float, z0: float, x1: float, z1: float, colour: Colour) -> None:
        """Fill a rectangle."""
        left, right = (round((x - self.across_m[0]) * self.density) for x in (x0, x1))
        top, bottom = (round((self.up_m[1] - z) * self.density) for z in (z1, z0))
        if right > left and bottom > top:
            cv2.rectangle(self.picture, (left, top), (right - 1, bottom - 1), colour, -1)

    def polygon(self, corners_m: Sequence[tuple[float, float]], colour: Colour) -> None:
        """Fill a polygon."""
        points = np.array(
            [
                ((x - self.across_m[0]) * self.density, (self.up_m[1] - z) * self.density)
                for x, z in corners_m
            ]
        )
        fixed = np.round(points * 2**_SHIFT - 2 ** (_SHIFT - 1)).astype(np.int32)
        cv2.fillPoly(self.picture, [fixed], colour, cv2.LINE_AA, _SHIFT)

    def circle(self, x: float, z: float, radius_m: float, colour: Colour) -> None:
        """Fill a circle."""
        turn = np.linspace(0, 2 * np.pi, 24, endpoint=False)
        self.polygon(
            [(x + radius_m * float(np.cos(a)), z + radius_m * float(np.sin(a))) for a in turn],
            colour,
        )

    def part(self, x0: float, z0: float, x1: float, z1: float) -> Picture:
        """Give the pixels of a rectangle, to be changed in place."""
        height, width = self.picture.shape[:2]
        left = min(width, max(0, round((x0 - self.across_m[0]) * self.density)))
        right = min(width, max(0, round((x1 - self.across_m[0]) * self.density)))
        top = min(height, max(0, round((self.up_m[1] - z1) * self.density)))
        bottom = min(height, max(0, round((self.up_m[1] - z0) * self.density)))
        return self.picture[top:bottom, left:right]

    def shade(
        self, x0: float, z0: float, x1: float, z1: float, *, bottom: float, top: float
    ) -> None:
        """Multiply a rectangle by a factor that runs from its bottom to its top."""
        part = self.part(x0, z0, x1, z1)
        if part.size:
            ramp = np.linspace(top, bottom, len(part))[:, None, None]
            part[:] = np.clip(part * ramp, 0, 255).astype(np.uint8)

    def text(self, x: float, z: float, height_m: float, words: str, colour: Colour) -> None:
        """Write words centred on a spot."""
        font, thickness = cv2.FONT_HERSHEY_DUPLEX, max(1, round(height_m * self.density / 9))
        (width, height), _ = cv2.getTextSize(words, font, 1.0, thickness)
        size = height_m * self.density / height
        left = round((x - self.across_m[0]) * self.density - width * size / 2)
        base = round((self.up_m[1] - z) * self.density + height * size / 2)
        cv2.putText(self.picture, words, (left, base), font, size, colour, thickness, cv2.LINE_AA)

    def corners_m(self) -> list[tuple[float, float]]:
        """Give the four corners, top left first, clockwise."""
        (x0, x1), (z0, z1) = self.across_m, self.up_m
        return [(x0, z1), (x1, z1), (x1, z0), (x0, z0)]

    def seen_by(
        self, camera: Camera, corners_world_m: Points, zoom: int
    ) -> tuple[Picture, Picture]:
        """Look at the sheet standing or lying in the world.

        Args:
            camera: Who looks.
            corners_world_m: World points (4, 3) of `corners_m`, in that order.
            zoom: The picture is made this many times larger, to be averaged down later.

        Returns:
            The picture, and a mask of where the sheet is, 0 or 255.
        """
        height, width = self.picture.shape[:2]
        flat = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float32)
        seen = camera.project(corners_world_m)[0].astype(np.float32) * zoom
        warp = cv2.getPerspectiveTransform(flat, seen)
        size = (camera.width * zoom, camera.height * zoom)
        picture = cv2.warpPerspective(
            self.picture, warp, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        mask = np.zeros((size[1], size[0]), np.uint8)
        cv2.fillPoly(mask, [np.round(seen).astype(np.int32)], 255)
        return np.asarray(picture, np.uint8), mask
