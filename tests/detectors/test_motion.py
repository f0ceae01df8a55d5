"""The motion detector on rendered pictures whose truth is known."""

from __future__ import annotations

import functools
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


@functools.cache
def noise_fields(sigma: float) -> list[np.ndarray]:
    rng = np.random.default_rng(1)
    return [rng.normal(0, sigma, (HEIGHT, WIDTH, 3)).astype(np.int16) for _ in range(8)]


def noisy(bgr: Pixels, number: int, sigma: float = 4.0) -> Pixels:
    """Add a camera's noise, another from picture to picture."""
    fields = noise_fields(sigma)
    return cv2.add(bgr, fields[number % len(fields)], dtype=cv2.CV_8U)


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


def test_light_switched_on_is_learned_anew_and_reported_as_nothing() -> None:
    detector, ground = MotionDetector(), street()
    lamp = np.linspace(1.0, 1.9, WIDTH, dtype=np.float32)[None, :, None]
    lit = np.clip(ground * lamp + 30, 0, 255).astype(np.uint8)

    dark = [len(found(detector, noisy(ground, n), n, 10)) for n in range(40)]
    bright = [len(found(detector, noisy(lit, n), n, 10)) for n in range(40, 80)]
    after = found(detector, noisy(with_box(lit, 300, 150), 80), 80, 10)

    assert sum(dark) == 0
    assert sum(bright) == 0
    assert len(after) == 1


def test_a_camera_that_changes_its_exposure_reports_no_more_and_no_less_than_before() -> None:
    detector, ground = MotionDetector(), street()
    for n in range(80):
        picture = ground if n < 30 else with_box(ground, 300, 150)
        gain = 1.0 if n < 40 else 0.7

        boxes = found(detector, noisy((picture * gain).astype(np.uint8), n), n, 10)

        assert len(boxes) == (n >= 30)


def test_a_trembling_camera_reports_nothing() -> None:
    detector, ground = MotionDetector(), street()

    for n in range(60):
        shaken = np.roll(ground, (n % 3 - 1, n % 2), axis=(0, 1))
        assert len(found(detector, noisy(shaken, n), n, 10)) == 0


@pytest.mark.parametrize("fps", [2, 5])
def test_a_thing_that_stops_is_reported_for_half_a_minute_and_forgotten_after_minutes(
    fps: float,
) -> None:
    detector, ground = MotionDetector(), street()
    parked = with_box(ground, 250, 120)
    seen_at_s = []
    for n in range(round(110 * fps)):
        second = n / fps
        picture = parked if second >= 20 else ground
        if len(found(detector, noisy(picture, n), n, fps)):
            seen_at_s.append(second)

    assert [20 + n / fps for n in range(round(30 * fps))] == seen_at_s[: round(30 * fps)]
    assert seen_at_s[-1] < 20 + 75


def test_a_street_that_a_parked_car_uncovers_is_known_at_once() -> None:
    detector, ground = MotionDetector(), street()
    parked = with_box(ground, 250, 120, 120, 60)
    for n in range(2 * 100):
        found(detector, noisy(parked if 40 <= n < 190 else ground, n), n, 2)

    assert len(found(detector, noisy(ground, 201), 201, 2)) == 0


def test_who_stood_there_when_the_camera_started_leaves_no_ghost() -> None:
    detector, ground = MotionDetector(), street()
    occupied = with_box(ground, 250, 120)
    boxes = [found(detector, noisy(occupied if n < 100 else ground, n), n, 10) for n in range(120)]

    assert all(len(at_rest) == 0 for at_rest in boxes[:100])
    assert all(len(gone) == 0 for gone in boxes[110:])


def test_a_shadow_stays_out_of_the_box() -> None:
    detector, ground = MotionDetector(), street()
    overlaps = []
    for n in range(80):
        picture = ground.copy()
        x = 100 + 4 * (n - 40)
        if n >= 40:
            picture[270:290, x - 70 : x] = (picture[270:290, x - 70 : x] * 0.65).astype(np.uint8)
            picture = with_box(picture, x, 200)
        boxes = found(detector, noisy(picture, n), n, 10)
        if n >= 40:
            assert len(boxes) == 1
            overlaps.append(overlap(boxes[0], np.array([x, 200, x + 40, 290])))

    assert np.median(overlaps) >= 0.7


def test_a_picture_of_another_size_begins_anew() -> None:
    detector = MotionDetector()
    for n in range(40):
        found(detector, noisy(street(), n), n, 10)
    smaller = np.ascontiguousarray(street()[:240, :320])

    counts = [len(found(detector, smaller, n, 10)) for n in range(40, 60)]

    assert sum(counts) == 0
