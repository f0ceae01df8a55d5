"""Small clips made to measure; every picture bears its number, so the truth is in the picture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

WIDTH, HEIGHT = 128, 96
FPS = 25
_BITS = 8
_CELL = WIDTH // _BITS
Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Clip:
    """How a clip is made.

    Attributes:
        file: Its name; the ending decides the container.
        codec: FFmpeg's encoder.
        options: Of the encoder.
        count: Pictures.
        pts_ms: When each picture is shown, milliseconds; default: evenly, 25 a second.
        first_pts_ms: Added to all; below zero makes an MP4 with an edit list that cuts the start.
        mux: Options of the container.
        audio: Add a silent track, longer than the video.
        rotation: Degrees to turn left when shown.
        restarts: The clip has pictures, beside the first, where decoding can begin.
    """

    file: str
    codec: str = "libx264"
    options: dict[str, str] = field(default_factory=dict)
    count: int = 60
    pts_ms: Callable[[int], int] = lambda index: index * 1000 // FPS
    first_pts_ms: int = 0
    mux: dict[str, str] = field(default_factory=dict)
    audio: bool = False
    rotation: int = 0
    restarts: bool = True
    pix_fmt: str = "yuv420p"
    size: tuple[int, int] = (WIDTH, HEIGHT)


def x264(**parameters: int) -> dict[str, str]:
    """Give options of libx264 with no choices of its own left."""
    chosen = {"scenecut": 0, "threads": 1, "open-gop": 0, **_dashed(parameters)}
    return {"x264-params": ":".join(f"{key}={value}" for key, value in chosen.items())}


def x265(**parameters: int) -> dict[str, str]:
    """Likewise of libx265, and without its chatter."""
    chosen = {
        "log-level": 0,
        "scenecut": 0,
        "pools": 1,
        "frame-threads": 1,
        "open-gop": 0,
        **_dashed(parameters),
    }
    return {"x265-params": ":".join(f"{key}={value}" for key, value in chosen.items())}


def _dashed(parameters: dict[str, int]) -> dict[str, int]:
    return {key.replace("_", "-"): value for key, value in parameters.items()}


def _uneven(index: int) -> int:
    """A camera that slows down in the dark: gaps of 20 to 380 ms, one of 2 s."""
    return sum((20, 40, 380, 60, 33)[step % 5] for step in range(index)) + 2000 * (index > 40)


B3 = x264(keyint=12, bframes=3, b_adapt=0, b_pyramid=2)

CLIPS = {
    clip.file: clip
    for clip in (
        Clip("plain.mp4", options=x264(keyint=12, bframes=0)),
        Clip("b-frames.mp4", options=B3),
        Clip("b-frames.mkv", options=B3),
        Clip("b-frames.ts", options=B3),
        Clip("b-frames.avi", options=B3),
        Clip("b-frames.h264", options=B3),
        Clip("fragmented.mp4", options=B3, mux={"movflags": "frag_keyframe+empty_moov"}),
        Clip("gop-250.mp4", options=x264(keyint=250, bframes=2), count=130, restarts=False),
        Clip("open-gop.mp4", options=x264(keyint=12, bframes=3, open_gop=1), restarts=False),
        Clip("open-gop.ts", options=x264(keyint=12, bframes=3, open_gop=1), restarts=False),
        Clip("intra-refresh.mp4", options=x264(keyint=15, intra_refresh=1), restarts=False),
        Clip("interlaced.mp4", options=x264(keyint=12, bframes=2, interlaced=1)),
        Clip("uneven.mp4", options=B3, pts_ms=_uneven),
        Clip("uneven.mkv", options=B3, pts_ms=_uneven),
        Clip("edit-list.mp4", options=B3, first_pts_ms=-7 * 40),
        Clip("late-start.ts", options=B3, first_pts_ms=95_000_000),
        Clip("with-audio.mp4", options=B3, audio=True),
        Clip("rotated.mp4", options=B3, rotation=-90),
        Clip("hevc.mp4", codec="libx265", options=x265(keyint=12, bframes=3)),
        Clip("hevc-radl.mkv", codec="libx265", options=x265(keyint=12, bframes=3, radl=2)),
        Clip(
            "hevc-open-gop.mkv",
            codec="libx265",
            options=x265(keyint=12, min_keyint=12, bframes=3, open_gop=1),
            restarts=False,
        ),
        Clip("mpeg4.avi", codec="mpeg4", options={"bf": "2", "g": "12"}, restarts=False),
        Clip("mpeg2.ts", codec="mpeg2video", options={"bf": "2", "g": "12"}, restarts=False),
        Clip("motion-jpeg.avi", codec="mjpeg", pix_fmt="yuvj420p"),
        Clip("vp8.webm", codec="libvpx", options={"g": "12", "auto-alt-ref": "1",
                                                  "lag-in-frames": "10", "deadline": "good"}),
        Clip("vp9.webm", codec="libvpx-vp9", options={"g": "12", "cpu-used": "8",
                                                      "deadline": "realtime"}),
    )
}  # fmt: skip


def make(clip: Clip, folder: Path) -> Path:
    """Encode a clip into `folder`, once."""
    path = folder / clip.file
    if path.exists():
        return path
    with av.open(path, "w", options={"avoid_negative_ts": "disabled", **clip.mux}) as container:
        stream = container.add_stream(clip.codec, rate=FPS, options=clip.options)
        stream.width, stream.height = clip.size
        stream.pix_fmt = clip.pix_fmt
        stream.codec_context.time_base = Fraction(1, FPS if clip.file.endswith("avi") else 1000)
        if clip.codec in {"mpeg2video", "mpeg4"}:
            stream.codec_context.time_base = Fraction(1, FPS)
        if clip.rotation:
            stream.set_display_rotation(clip.rotation)
        sound = container.add_stream("aac", rate=8000) if clip.audio else None
        for index in range(clip.count):
            frame = av.VideoFrame.from_ndarray(picture(index, clip.size), format="bgr24")
            frame.pts = round(Fraction(clip.pts_ms(index), 1000) / stream.codec_context.time_base)
            frame.time_base = stream.codec_context.time_base
            _mux(container, stream.encode(frame), clip.first_pts_ms)
        _mux(container, stream.encode(None), clip.first_pts_ms)
        if sound is not None:
            add_silence(container, sound, clip.count / FPS + 3)
    return path


def picture(number: int, size: tuple[int, int] = (WIDTH, HEIGHT)) -> Pixels:
    """Draw picture `number`: something that moves over something grainy, and the number in bits."""
    width, height = size
    grain = np.random.default_rng(7).integers(60, 180, (height, width, 3), np.uint8)
    drawn = np.roll(grain, number * 2, axis=1)
    x = number * 5 % (width - 20)
    drawn[10:40, x : x + 20] = (200, 40, 90)
    cell = width // _BITS
    for bit in range(_BITS):
        drawn[-24:, bit * cell : (bit + 1) * cell] = 235 if number >> bit & 1 else 16
    return drawn


def number_in(gray: Pixels) -> int:
    """Read the number off a picture of any size (luma)."""
    height, width = gray.shape
    row = gray[height - height // 8]
    cells = [row[int((bit + 0.5) * width / _BITS)] for bit in range(_BITS)]
    return sum(1 << bit for bit, luma in enumerate(cells) if luma > 125)


def _mux(container: av.container.OutputContainer, packets: list[av.Packet], shift_ms: int) -> None:
    for packet in packets:
        shift = round(Fraction(shift_ms, 1000) / packet.time_base)
        if packet.pts is not None:
            packet.pts += shift
        if packet.dts is not None:
            packet.dts += shift
        container.mux(packet)


def add_silence(
    container: av.container.OutputContainer, stream: av.AudioStream, seconds: float
) -> None:
    for start in range(0, int(seconds * 8000), 1024):
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        frame.sample_rate, frame.pts, frame.time_base = 8000, start, Fraction(1, 8000)
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))
