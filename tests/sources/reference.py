"""What a plain full decode with bare PyAV gives: the truth that our road is held against."""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import ColorRange, Interpolation, VideoReformatter

from clips import HEIGHT, WIDTH
from vedette.domain.frame import PixelFormat, Pixels
from vedette.domain.stream import Position
from vedette.runner.pacing import FinitePacer
from vedette.settings import Settings
from vedette.sources.decode import PacketDecoder
from vedette.sources.file import FileSource

# As it is, in colour and luma; smaller, in odd numbers; larger one way, smaller the other.
SHAPES = [
    (WIDTH, HEIGHT, PixelFormat.BGR24),
    (WIDTH, HEIGHT, PixelFormat.GRAY8),
    (51, 37, PixelFormat.RGB24),
    (160, 48, PixelFormat.GRAY8),
]


@dataclass(frozen=True)
class Look:
    """A picture that was handed out, as far as it can be compared."""

    number: int
    pts: int
    pixels: str


@dataclass(frozen=True)
class Run:
    """All that a run over a file gave."""

    looks: list[Look]
    positions: list[Position]
    decoder: PacketDecoder
    time_base: Fraction


def run(
    path: Path,
    fps: Fraction | None = None,
    *,
    resume_at: Position | None = None,
    settings: Settings | None = None,
) -> Run:
    """Take a file along the real road."""
    source = FileSource(str(path), settings or Settings())
    facts = source.open(resume_at)
    decoder = source.decoder()
    pacer = FinitePacer(fps, resume_at)
    looks, positions = [], []
    for packet in source.packets():
        for frame in decoder.frames(packet, pacer.judge(packet)):
            made = [frame.pixels(*shape) for shape in SHAPES]
            looks.append(Look(frame.number, frame.pts, digest(made)))
            positions.append(decoder.position(frame))
    decoder.close()
    source.close()
    return Run(looks, positions, decoder, facts.time_base)


@functools.cache
def truth(path: Path) -> list[Look]:
    """Decode a file plainly; the n-th picture out has number n."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        timed = container.format.name != "avi" and stream.start_time is not None
        tick = 1 if container.format.name == "avi" else round(1 / (25 * stream.time_base))
        return [
            Look(number, picture.pts if timed else number * tick, digest(_plain(picture)))
            for number, picture in enumerate(container.decode(stream))
        ]


def wished(looks: list[Look], fps: Fraction, time_base: Fraction) -> list[Look]:
    """Choose by the definition, word by word: wish k is the first picture at or after k / fps."""
    chosen: list[Look] = []
    wish = 0
    for look in looks:
        at = (look.pts - looks[0].pts) * time_base
        if at >= wish / fps:
            chosen.append(look)
            while at >= wish / fps:
                wish += 1
    return chosen


def digest(arrays: list[Pixels]) -> str:
    state = hashlib.blake2b(digest_size=16)
    for array in arrays:
        state.update(repr(array.shape).encode())
        state.update(array.tobytes())
    return state.hexdigest()


def _plain(picture: av.VideoFrame) -> list[Pixels]:
    return [_scaled(picture, *shape) for shape in SHAPES]


def _scaled(picture: av.VideoFrame, width: int, height: int, pixel_format: PixelFormat) -> Pixels:
    turned = picture.rotation % 180 != 0
    wide, high = (height, width) if turned else (width, height)
    smaller = wide < picture.width or high < picture.height
    gray = pixel_format is PixelFormat.GRAY8
    scaled = VideoReformatter().reformat(
        picture,
        wide,
        high,
        pixel_format.value,
        interpolation=Interpolation.AREA if smaller else Interpolation.BICUBIC,
        src_color_range=ColorRange.JPEG if gray else None,
        dst_color_range=ColorRange.JPEG if gray else None,
    )
    array = scaled.to_ndarray()
    return np.rot90(array, picture.rotation // 90) if picture.rotation else array
