"""A decoded picture, and how it becomes an array of the wished size."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from fractions import Fraction

import av
import numpy as np
from av.video.reformatter import ColorRange, Interpolation, VideoReformatter

from vedette.domain.frame import Frame, PixelFormat, Pixels

# FFmpeg's formats whose first plane is 8-bit luma.
_LUMA_FIRST = {
    *("gray", "yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "yuv444p", "yuvj444p", "nv12", "nv21"),
}

_Shape = tuple[int, int, PixelFormat]


class Scalers:
    """A pool of swscale contexts, so that any thread may scale any frame.

    One context serves one thread at a time; one built per call would leak and grow.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # By target: a context set up for another size would be set up anew each time.
        self._free: defaultdict[_Shape, list[VideoReformatter]] = defaultdict(list)

    @contextmanager
    def borrow(self, shape: _Shape) -> Iterator[VideoReformatter]:
        """Lend a context that made `shape` before, or a new one."""
        with self._lock:
            free = self._free[shape]
            scaler = free.pop() if free else VideoReformatter()
        try:
            yield scaler
        finally:
            with self._lock:
                free.append(scaler)


class DecodedFrame(Frame):
    """A picture as the decoder made it; scaled straight from its planes, once per size.

    Attributes:
        restart: PTS and number of the last picture up to this one where decoding can begin.
    """

    __slots__ = ("_lock", "_made", "_picture", "_quarter_turns", "_scalers", "restart")

    def __init__(
        self,
        picture: av.VideoFrame,
        scalers: Scalers,
        *,
        number: int,
        pts: int,
        time_base: Fraction,
        start_pts: int,
        captured_at: datetime | None,
        restart: tuple[int, int] | None,
    ) -> None:
        turns = quarter_turns(picture)
        width, height = picture.width, picture.height
        super().__init__(
            number=number,
            pts=pts,
            time_base=time_base,
            start_pts=start_pts,
            captured_at=captured_at,
            width=height if turns % 2 else width,
            height=width if turns % 2 else height,
        )
        self.restart = restart
        self._picture = picture
        self._quarter_turns = turns
        self._scalers = scalers
        self._made: dict[_Shape, Pixels] = {}
        # Scaling touches the picture's colour tags for a moment: one thread at a time per picture.
        self._lock = threading.Lock()

    def pixels(self, width: int, height: int, pixel_format: PixelFormat) -> Pixels:
        shape = (width, height, pixel_format)
        with self._lock:
            made = self._made.get(shape)
            if made is None:
                made = self._made[shape] = self._make(shape)
        return made

    def _make(self, shape: _Shape) -> Pixels:
        width, height, pixel_format = shape
        if self._quarter_turns % 2:
            width, height = height, width
        array = self._scaled(width, height, pixel_format)
        if self._quarter_turns:
            array = np.ascontiguousarray(np.rot90(array, self._quarter_turns))
        array.flags.writeable = False
        return array

    def _scaled(self, width: int, height: int, pixel_format: PixelFormat) -> Pixels:
        picture = self._picture
        gray = pixel_format is PixelFormat.GRAY8
        if gray and (width, height) == (picture.width, picture.height):
            luma = _luma(picture)
            if luma is not None:
                return luma
        smaller = width < picture.width or height < picture.height
        # Luma is taken as it is: saying that both sides are of one range keeps it so.
        luma_range = ColorRange.JPEG if gray else None
        with self._scalers.borrow((width, height, pixel_format)) as scaler:
            scaled = scaler.reformat(
                picture,
                width,
                height,
                str(pixel_format),
                interpolation=Interpolation.AREA if smaller else Interpolation.BICUBIC,
                src_color_range=luma_range,
                dst_color_range=luma_range,
                threads=1,  # Frames are spread over the cores, not slices of a frame.
            )
        return np.asarray(scaled.to_ndarray(), np.uint8)


def quarter_turns(picture: av.VideoFrame) -> int:
    """Give how often a picture has to be turned left by 90° to stand upright, 0 to 3."""
    return round(picture.rotation / 90) % 4


def _luma(picture: av.VideoFrame) -> Pixels | None:
    if picture.format.name not in _LUMA_FIRST:
        return None
    plane = picture.planes[0]
    rows = np.frombuffer(memoryview(plane), np.uint8, plane.line_size * picture.height)
    return rows.reshape(picture.height, plane.line_size)[:, : picture.width].copy()
