"""Frames over a numpy picture, for tests that need pixels but no video."""

from __future__ import annotations

from datetime import datetime
from fractions import Fraction

import cv2
import numpy as np

from vedette.domain.frame import Frame, PixelFormat, Pixels

TICKS = Fraction(1, 90_000)  # The time base of RTP video: common, and no divisor of most rates.


class ArrayFrame(Frame):
    """A frame whose picture is an array: uint8 (height, width, 3), BGR."""

    __slots__ = ("_made", "picture")

    def __init__(
        self,
        picture: Pixels,
        *,
        number: int = 0,
        pts: int | None = None,
        time_base: Fraction = TICKS,
        start_pts: int = 0,
        captured_at: datetime | None = None,
        fps: int = 10,
    ) -> None:
        """Make a frame; without `pts` it is picture `number` of a stream of `fps`."""
        super().__init__(
            number=number,
            pts=start_pts + round(number / fps / time_base) if pts is None else pts,
            time_base=time_base,
            start_pts=start_pts,
            captured_at=captured_at,
            width=picture.shape[1],
            height=picture.shape[0],
        )
        self.picture = picture
        self._made: dict[tuple[int, int, PixelFormat], Pixels] = {}

    def pixels(self, width: int, height: int, pixel_format: PixelFormat) -> Pixels:
        key = (width, height, pixel_format)
        if key not in self._made:
            made = self.picture
            if (width, height) != (self.width, self.height):
                made = cv2.resize(made, (width, height), interpolation=cv2.INTER_AREA)
            if pixel_format is PixelFormat.RGB24:
                made = cv2.cvtColor(made, cv2.COLOR_BGR2RGB)
            elif pixel_format is PixelFormat.GRAY8:
                made = cv2.cvtColor(made, cv2.COLOR_BGR2GRAY)
            made = np.ascontiguousarray(made)
            made.flags.writeable = False
            self._made[key] = made
        return self._made[key]


def grey_picture(width: int, height: int, level: int = 90) -> Pixels:
    """Give a picture of one grey."""
    return np.full((height, width, 3), level, np.uint8)
