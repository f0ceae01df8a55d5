"""The fixed camera over the street: metres in, pixels out.

World: x along the street to the right, y away from the camera, z up, metres; the camera stands
above the origin.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

Points = npt.NDArray[np.float64]

HEIGHT_M = 7.5
PITCH_RAD = math.radians(20.0)  # Downwards.
YAW_RAD = math.radians(11.0)  # To the right: the street runs away a little on that side.
FOCAL_PX = 1160.0  # At 1280x720: 58 degrees wide, an ordinary surveillance lens.

_RIGHT = np.array([math.cos(YAW_RAD), -math.sin(YAW_RAD), 0.0])
_FORWARD = np.array(
    [
        math.sin(YAW_RAD) * math.cos(PITCH_RAD),
        math.cos(YAW_RAD) * math.cos(PITCH_RAD),
        -math.sin(PITCH_RAD),
    ]
)
_DOWN = np.cross(_FORWARD, _RIGHT)
# Columns: right, down, forward of a point relative to the lens.
_AXES = np.stack([_RIGHT, _DOWN, _FORWARD], axis=1)
_LENS = np.array([0.0, 0.0, HEIGHT_M])


class Camera:
    """Projects points of the world into a picture of a given size."""

    def __init__(self, width: int, height: int) -> None:
        self.width = width
        self.height = height
        self.focal_px = FOCAL_PX * max(width / 1280, height / 720)

    def project(self, points_m: Points) -> tuple[Points, Points]:
        """Give pixels (…, 2) and pixels per metre there (…) of world points (…, 3)."""
        seen = (points_m - _LENS) @ _AXES
        scale = self.focal_px / seen[..., 2]
        pixels = seen[..., :2] * scale[..., None]
        pixels += (self.width / 2, self.height / 2)
        return pixels, scale

    def depth_m(self, x_m: float, y_m: float) -> float:
        """Give the distance of a spot on the ground along the line of sight; for who hides whom."""
        return float((np.array([x_m, y_m, 0.0]) - _LENS) @ _FORWARD)

    def visible_x_m(self, y_m: float) -> tuple[float, float]:
        """Give the leftmost and rightmost x that can be seen on the ground at `y_m`."""
        (x0, _, z0), (xs, _, zs) = (np.array([0.0, y_m, 0.0]) - _LENS) @ _AXES, _AXES[0]
        # Sideways over forward, both linear in x, is the same all along a picture's edge.
        edges = [share * self.width / 2 / self.focal_px for share in (-1, 1)]
        left, right = sorted(float((edge * z0 - x0) / (xs - edge * zs)) for edge in edges)
        return left, right
