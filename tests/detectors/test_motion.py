"""The motion detector on rendered pictures whose truth is known."""

from __future__ import annotations

from fractions import Fraction

import cv2
import numpy as np
import pytest

from vedette.detectors.motion import MotionDetector
from vedette.domain.frame import Frame, PixelFormat, Pixels

WIDTH, HEIGHT = 640, 360


class DrawnFrame(Frame):
    """A frame made of an array, scaled as a source scales."""

    __slots__ = ("_bgr",)

    def __init__(self, bgr: Pixels, number: int, fps: float) -> None:
        super().__init__(
            number=number, pts=round(number * 90_000 / fps), time_base=Fraction(1, 90_000),
            start_pts=0, captured_at=None, width=bgr.shape[1], height=bgr.shape[0],
        )  # fmt: skip
        self._bgr = bgr

    def pixels(self, width: int, height: int, pixel_format: PixelFormat) -> Pixels:
        assert pixel_format is PixelFormat.BGR24
        return cv2.resize(self._bgr, (width, height), interpolation=cv2.INTER_AREA)


def street(seed: int = 7) -> Pixels:
    """Draw a textured ground, the same for the same seed."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(70, 170, (HEIGHT // 20, WIDTH // 20, 3)).astype(np.uint8)
    return cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)


NOISE = np.random.default_rng(1).normal(0, 1, (HEIGHT, WIDTH, 3)).astype(np.float32)


def noisy(bgr: Pixels, number: int, sigma: float = 4.0) -> Pixels:
    """Add a camera's noise, another for every number."""
    rolled = np.roll(NOISE, 7919 * (number + 1))
    return np.clip(bgr + np.float32(sigma) * rolled, 0, 255).astype(np.uint8)


def with_box(bgr: Pixels, x: float, y: float, w: int = 40, h: int = 90) -> Pixels:
    """Draw a person-sized box with its corner at (x, y)."""
    picture = bgr.copy()
    cv2.rectangle(
        picture, (round(x), round(y)), (round(x) + w - 1, round(y) + h - 1), (30, 40, 200), -1
    )
    return picture


def found(detector: MotionDetector, bgr: Pixels, number: int, fps: float) -> np.ndarray:
    (detections,) = detector.detect([DrawnFrame(bgr, number, fps)])
    return detections.xyxy[detections.confidence >= detector.confidence]


def overlap(one: np.ndarray, two: np.ndarray) -> float:
    low, high = np.maximum(one[:2], two[:2]), np.minimum(one[2:], two[2:])
    common = float(np.prod(np.clip(high - low, 0, None)))
    return common / float(np.prod(one[2:] - one[:2]) + np.prod(two[2:] - two[:2]) - common)


def test_a_noisy_picture_without_motion_gives_nothing() -> None:
    detector, ground = MotionDetector(), street()

    counts = [len(found(detector, noisy(ground, n, 6.0), n, 15)) for n in range(90)]

    assert sum(counts) == 0


@pytest.mark.parametrize("fps", [2, 10, 30])
def test_a_moving_box_is_found_where_it_is_at_any_frame_rate(fps: float) -> None:
    detector, ground = MotionDetector(), street()
    overlaps = []
    for n in range(round(fps * 10)):
        second = n / fps
        x = 60 + (second - 3) * 60
        moving = second >= 3
        picture = with_box(ground, x, 200) if moving else ground
        boxes = found(detector, noisy(picture, n), n, fps)
        if moving:
            assert len(boxes) == 1
            overlaps.append(overlap(boxes[0], np.array([round(x), 200, round(x) + 40, 290])))
        else:
            assert len(boxes) == 0

    assert min(overlaps) >= 0.7


def test_going_on_from_a_saved_state_gives_the_same_bytes_at_every_frame() -> None:
    ground, straight = street(), MotionDetector()
    resumed = MotionDetector()
    for n in range(60):
        frame = DrawnFrame(noisy(with_box(ground, 20 + 6 * n, 150), n), n, 10)

        (expected,), (actual,) = straight.detect([frame]), resumed.detect([frame])

        assert expected.xyxy.tobytes() == actual.xyxy.tobytes()
        assert expected.confidence.tobytes() == actual.confidence.tobytes()
        state = resumed.export_state()
        assert all(
            array.tobytes() == state[name].tobytes()
            for name, array in straight.export_state().items()
        )
        resumed = MotionDetector()
        resumed.load_state(state)
