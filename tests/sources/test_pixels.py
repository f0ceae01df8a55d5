"""Pixels of a decoded frame: scaled well, once, from any thread."""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from clips import HEIGHT, WIDTH, picture
from sources.reference import SHAPES, digest
from vedette.domain.frame import Frame, PixelFormat
from vedette.domain.packet import LOOK_AT_ALL
from vedette.settings import Settings
from vedette.sources.file import FileSource

ClipPath = Callable[[str], Path]


def frames(path: Path) -> Iterator[Frame]:
    source = FileSource(str(path), Settings())
    source.open()
    decoder = source.decoder()
    for packet in source.packets():
        yield from decoder.frames(packet, LOOK_AT_ALL)
    source.close()


def test_a_size_is_made_once_and_may_not_be_written_to(clip_path: ClipPath) -> None:
    frame = next(frames(clip_path("plain.mp4")))

    first = frame.pixels(64, 48, PixelFormat.RGB24)

    assert frame.pixels(64, 48, PixelFormat.RGB24) is first
    assert (first.shape, first.dtype) == ((48, 64, 3), np.uint8)
    with pytest.raises(ValueError, match="read-only"):
        first[0, 0] = 0


def test_colours_come_in_the_order_that_was_asked_for(clip_path: ClipPath) -> None:
    frame = next(frames(clip_path("plain.mp4")))

    bgr = frame.pixels(WIDTH, HEIGHT, PixelFormat.BGR24)
    rgb = frame.pixels(WIDTH, HEIGHT, PixelFormat.RGB24)

    np.testing.assert_array_equal(bgr, rgb[:, :, ::-1])
    # The block of one colour in the drawing survives the codec.
    assert np.abs(bgr[20:30, 5:15].mean((0, 1)) - picture(0)[25, 10]).max() < 12


def test_a_smaller_picture_is_the_average_of_the_area(clip_path: ClipPath) -> None:
    frame = next(frames(clip_path("plain.mp4")))
    whole = frame.pixels(WIDTH, HEIGHT, PixelFormat.GRAY8).astype(float)

    half = frame.pixels(WIDTH // 2, HEIGHT // 2, PixelFormat.GRAY8)

    averaged = whole.reshape(HEIGHT // 2, 2, WIDTH // 2, 2).mean((1, 3))
    assert np.abs(averaged - half).max() <= 1.5


def test_a_phone_video_stands_upright(clip_path: ClipPath) -> None:
    lying = next(frames(clip_path("b-frames.mp4")))

    upright = next(frames(clip_path("rotated.mp4")))

    assert (upright.width, upright.height) == (HEIGHT, WIDTH)
    # Its container says: turn right by 90 degrees.
    np.testing.assert_array_equal(
        np.rot90(lying.pixels(WIDTH, HEIGHT, PixelFormat.BGR24), -1),
        upright.pixels(HEIGHT, WIDTH, PixelFormat.BGR24),
    )


def test_many_threads_get_what_one_thread_gets(clip_path: ClipPath) -> None:
    path = clip_path("b-frames.mp4")
    expected = [digest([frame.pixels(*shape) for shape in SHAPES]) for frame in frames(path)]
    together = list(frames(path))

    def scaled(task: int) -> str:
        # Four threads at once on every frame, each with other sizes first.
        frame, turn = together[task // 4], task % 4
        for shape in [*SHAPES[turn:], *SHAPES[:turn]]:
            frame.pixels(*shape)
        return digest([frame.pixels(*shape) for shape in SHAPES])

    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(scaled, range(4 * len(together))))

    assert [one for one in expected for _ in range(4)] == made


def test_scaling_thousands_of_frames_does_not_grow_memory(clip_path: ClipPath) -> None:
    path = clip_path("plain.mp4")

    def scale_all(rounds: int) -> int:
        for _ in range(rounds):
            for frame in frames(path):
                frame.pixels(64, 48, PixelFormat.BGR24)
                frame.pixels(416, 320, PixelFormat.RGB24)
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    before_kib = scale_all(2)
    after_kib = scale_all(8)

    assert after_kib - before_kib < 8_000
