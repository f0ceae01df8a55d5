"""Clips for benchmarks: the rendered street with sensor noise, as a camera would send it.

H.264, no B-frames, a key frame every 2 s, at a camera's bit rate that is really spent (the noise
sees to that). Made once and kept in `bench/out/clips`.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from bench.report import OUT

FPS = 15
SECONDS = 20
GROUP_S = 2
# Luma levels; a small sensor by day.
NOISE_SIGMA = 3.0


@dataclass(frozen=True)
class ClipKind:
    """A camera's stream: its name, size and bit rate."""

    name: str
    width: int
    height: int
    bits_per_s: int


KINDS = (
    ClipKind("1080p", 1920, 1080, 4_000_000),
    ClipKind("720p", 1280, 720, 2_000_000),
    ClipKind("360p", 640, 360, 512_000),
)


def clip_path(kind: ClipKind) -> Path:
    """Give the clip, making it first where it is missing."""
    target = OUT / "clips" / f"{kind.name}.mp4"
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        print(f"making {target.name}: {SECONDS} s at {kind.width}x{kind.height}", flush=True)
        partial = target.with_suffix(".partial.mp4")
        _render(kind, partial)
        partial.replace(target)
    return target


def _render(kind: ClipKind, target: Path) -> None:
    address = (
        f"synthetic://street?people=8&vehicles=4&seed=7&seconds={SECONDS}&fps={FPS}"
        "&width=1280&height=720"
    )
    random = np.random.default_rng(7)
    # Noise is drawn once and shifted: drawing it anew costs more than encoding.
    noise = random.normal(0, NOISE_SIGMA, (kind.height + 64, kind.width + 64)).astype(np.float32)
    with av.open(str(target), "w") as container:
        stream = container.add_stream("libx264", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = kind.width, kind.height, "yuv420p"
        stream.bit_rate = kind.bits_per_s
        stream.codec_context.time_base = Fraction(1, FPS)
        stream.options = {
            "preset": "veryfast",
            "bf": "0",
            "g": str(FPS * GROUP_S),
            "sc_threshold": "0",
            "maxrate": str(kind.bits_per_s),
            "bufsize": str(kind.bits_per_s),
        }
        for number, picture in enumerate(_street(address, kind)):
            down, right = random.integers(0, 64, 2)
            grain = noise[down : down + kind.height, right : right + kind.width, None]
            noisy = np.clip(picture.astype(np.float32) + grain, 0, 255).astype(np.uint8)
            frame = av.VideoFrame.from_ndarray(noisy, format="bgr24")
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def _street(address: str, kind: ClipKind):  # type: ignore[no-untyped-def]
    from vedette.domain.frame import PixelFormat
    from vedette.domain.packet import LOOK_AT_ALL
    from vedette.settings import Settings
    from vedette.wiring import make_source

    source = make_source(address, Settings())
    source.open()
    decoder = source.decoder()
    try:
        for packet in source.packets():
            for frame in decoder.frames(packet, LOOK_AT_ALL):
                yield frame.pixels(kind.width, kind.height, PixelFormat.BGR24)
    finally:
        decoder.close()
        source.close()
