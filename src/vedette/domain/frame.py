"""A picture on its way through the rooms, and the door to its pixels."""

from __future__ import annotations

from abc import ABC, abstractmethod
from datetime import datetime
from enum import StrEnum
from fractions import Fraction

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]

# Microseconds: finer than any camera's clock, coarse enough to print the same everywhere.
PTS_S_DIGITS = 6


class PixelFormat(StrEnum):
    """How pixels lie in the array; FFmpeg's names."""

    BGR24 = "bgr24"
    """(H, W, 3)"""
    RGB24 = "rgb24"
    """(H, W, 3)"""
    GRAY8 = "gray8"
    """(H, W): luma alone"""


class Frame(ABC):
    """A decoded picture whose pixels are made only when somebody asks.

    Attributes:
        number: Finite source: the picture's number in presentation order, from 0. Live source:
            a counter of looks.
        pts: Presentation time in `time_base` units; media time, not wall time.
        time_base: Seconds per PTS unit.
        start_pts: PTS of the source's first picture: zero of `pts_s`.
        captured_at: Wall time (UTC) given to the picture, or None where nobody knows it.
        width: Pixels, as the picture is to be looked at (after any rotation).
        height: Pixels, likewise.
    """

    __slots__ = (
        "captured_at", "height", "number", "pts", "pts_s", "start_pts", "time_base", "width",
    )  # fmt: skip

    def __init__(
        self,
        *,
        number: int,
        pts: int,
        time_base: Fraction,
        start_pts: int,
        captured_at: datetime | None,
        width: int,
        height: int,
    ) -> None:
        self.number = number
        self.pts = pts
        self.time_base = time_base
        self.start_pts = start_pts
        self.captured_at = captured_at
        self.width = width
        self.height = height
        # As exact as by way of a Fraction, at a quarter of its cost.
        seconds = (pts - start_pts) * time_base.numerator / time_base.denominator
        self.pts_s = round(seconds, PTS_S_DIGITS)

    @abstractmethod
    def pixels(self, width: int, height: int, pixel_format: PixelFormat) -> Pixels:
        """Give the picture scaled to `width` × `height` (area-averaged when made smaller).

        Made once per size and format, then the same array again; may be called from any thread.

        Returns:
            uint8 (height, width, 3), or (height, width) for `GRAY8`. Read only: copy to draw.
        """
