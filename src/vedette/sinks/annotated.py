"""The annotated video: what was looked at, with what was found drawn in, as H.264 in MP4.

Every picture keeps its PTS, so the video runs at the pace of the source however many pictures were
looked at. The encoder is FFmpeg's libx264 through PyAV.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import av.error
import cv2
import numpy as np
from av.video.reformatter import ColorPrimaries, ColorRange, ColorTrc

from vedette.domain.errors import SinkRefused
from vedette.domain.frame import Frame, PixelFormat, Pixels
from vedette.domain.scene import Scene
from vedette.domain.stream import StreamFacts
from vedette.domain.zone import ScenePlan
from vedette.sinks.base import Sink
from vedette.sinks.draw import Painter
from vedette.sinks.whole import WholeFile, refusal

SUFFIXES = (".mp4", ".m4v")
# H.264 wants room for a macroblock, and 4:2:0 colour wants even sides.
SIDE_PX_MIN = 16
# FFmpeg's AVCOL_SPC_SMPTE170M; PyAV's enum of that name counts as swscale does.
COLORSPACE_BT601 = 6
# Finer time bases overflow MP4's 32 bits; this one is RTP's, and MPEG's.
FALLBACK_TIME_BASE = Fraction(1, 90_000)
TIME_BASE_DEN_MAX = 1_000_000
# A live clock that jumps further than this was set anew; the video goes on without a hole.
LIVE_GAP_S_MAX = 10.0
# A key frame at least so often lets a player seek, even at a few pictures a second.
KEY_FRAME_PICTURES_MAX = 60


class AnnotatedSink(Sink):
    """Draws every frame and encodes it.

    A finite source's video begins with its index (plays while it loads); a live one's ends with
    it, since moving it would mean copying a recording of any length when somebody wants to stop.
    """

    name = "annotated video"
    slow = True

    def __init__(
        self,
        path: Path,
        plan: ScenePlan,
        *,
        title: str | None = None,
        long_side_px_max: int = 1280,
        crf: int = 23,
        threads: int = 2,
    ) -> None:
        """Plan a video; nothing is touched before `open`.

        Args:
            path: Where it shall appear; `.mp4`.
            plan: Zones and lines to draw.
            title: Stands in the header; the source's name if None.
            long_side_px_max: Bigger pictures are made smaller.
            crf: x264's constant rate factor: 0 (exact) to 51 (ruined).
            threads: Encoder threads.
        """
        self.target = str(path)
        self._path = path
        self._plan = plan
        self._title = title
        self._long_side_px_max = long_side_px_max
        # Without pictures that refer forwards, and looking less far ahead: a fifth less work.
        self._options = {"crf": str(crf), "preset": "veryfast", "bf": "0", "rc-lookahead": "10"}
        self._threads = threads
        self._whole = WholeFile(path)
        self._container: av.container.OutputContainer | None = None

    def open(self, facts: StreamFacts) -> None:
        if self._path.suffix.lower() not in SUFFIXES:
            raise SinkRefused(f"{self._path}: an annotated video is an MP4; end its name in .mp4")
        self._width, self._height = video_size(facts.width, facts.height, self._long_side_px_max)
        self._painter = Painter(
            self._width, self._height, self._plan, title=self._title or facts.name
        )
        self._time_base = (
            facts.time_base
            if facts.time_base.denominator <= TIME_BASE_DEN_MAX
            else FALLBACK_TIME_BASE
        )
        self._timeline = _Timeline(self._time_base, live=facts.live, frame_rate=facts.frame_rate)
        self._written = 0
        self._whole.open()
        try:
            self._open_encoder(live=facts.live, frame_rate=facts.frame_rate)
        except BaseException:
            self.discard()
            raise

    def write(self, frame: Frame, scene: Scene) -> None:
        picture = frame.pixels(self._width, self._height, PixelFormat.BGR24).copy()
        self._painter.draw(picture, frame, scene)
        self._encode(picture, self._timeline.place(frame))

    def finish(self) -> None:
        try:
            if not self._written:
                # A video without pictures is no video; this one says why it is so short.
                self._encode(self._painter.card("no picture was looked at"), 0)
            with self._place():
                self._drain(None)
                self._close_container()
            self._whole.appear()
        finally:
            self.discard()

    def discard(self) -> None:
        # A place that is full or gone was told of when it was first seen.
        with contextlib.suppress(av.error.FFmpegError, OSError):
            self._close_container()
        self._whole.close()

    def _open_encoder(self, *, live: bool, frame_rate: float | None) -> None:
        with self._place():
            self._container = av.open(
                str(self._whole.part),
                "w",
                format="mp4",
                options={} if live else {"movflags": "faststart"},
            )
            rate = Fraction(frame_rate or 25).limit_denominator(1001)
            stream = self._container.add_stream("libx264", rate=rate, options=self._options)
            stream.width, stream.height, stream.pix_fmt = self._width, self._height, "yuv420p"
            stream.time_base = self._time_base
            context = stream.codec_context
            context.time_base = self._time_base
            context.gop_size = KEY_FRAME_PICTURES_MAX
            context.thread_count = self._threads
            context.colorspace = COLORSPACE_BT601
            context.color_range = ColorRange.MPEG
            context.color_primaries = ColorPrimaries.BT709
            context.color_trc = ColorTrc.BT709
            self._stream = stream
            self._container.start_encoding()

    def _encode(self, picture: Pixels, pts: int) -> None:
        with self._place():
            # OpenCV converts five times faster than swscale, by the matrix of BT.601.
            planes: Pixels = cv2.cvtColor(picture, cv2.COLOR_BGR2YUV_I420).astype(
                np.uint8, copy=False
            )
            made = av.VideoFrame.from_ndarray(planes, format="yuv420p")
            made.colorspace, made.color_range = COLORSPACE_BT601, ColorRange.MPEG
            made.pts, made.time_base = pts, self._time_base
            self._drain(made)
        self._written += 1

    def _drain(self, frame: av.VideoFrame | None) -> None:
        assert self._container is not None, "write() before open()"
        for packet in self._stream.encode(frame):
            self._container.mux(packet)

    def _close_container(self) -> None:
        container, self._container = self._container, None
        if container is not None:
            container.close()

    @contextlib.contextmanager
    def _place(self) -> Iterator[None]:
        try:
            yield
        except (av.error.FFmpegError, OSError) as error:
            raise refusal(self._path, error) from error


def video_size(width: int, height: int, long_side_px_max: int) -> tuple[int, int]:
    """Give the size of the video for pictures of a size: bounded, even, of almost the same shape.

    Returns:
        Width and height, pixels.
    """
    shrink = min(1.0, long_side_px_max / max(width, height))
    return _even(width * shrink), _even(height * shrink)


def _even(side: float) -> int:
    return max(SIDE_PX_MIN, round(side) // 2 * 2)


class _Timeline:
    """Places frames in the video's time: growing, and without the holes of a clock set anew."""

    def __init__(self, time_base: Fraction, *, live: bool, frame_rate: float | None) -> None:
        self._time_base = time_base
        self._live = live
        self._step = max(1, round(1 / (frame_rate or 25) / time_base))
        self._shift: int | None = None
        self._last: int | None = None

    def place(self, frame: Frame) -> int:
        raw = round((frame.pts - frame.start_pts) * (frame.time_base / self._time_base))
        if self._shift is None:
            # A live stream's video begins with its first picture.
            self._shift = raw if self._live else min(0, raw)
        placed = raw - self._shift
        if self._last is not None:
            gap = placed - self._last
            jumped = gap <= 0 or (self._live and gap * self._time_base > LIVE_GAP_S_MAX)
            if jumped:
                placed = self._last + self._step
                self._shift = raw - placed
            else:
                self._step = gap
        self._last = placed
        return placed
