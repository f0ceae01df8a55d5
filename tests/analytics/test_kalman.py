"""The filter on plain floats against a worked example and against the textbook's matrices."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.analytics import kalman
from vedette.analytics.kalman import Motion


def four(motion: Motion, name: str) -> list[float]:
    """Give one thing about the centre's x and y, the width and the height."""
    return [getattr(axis, name) for axis in motion.axes]


def test_one_step_worked_by_hand() -> None:
    # A box of 100 × 100 at (0, 0): size 100, so measured to 5 px, speed unknown to 200 px/s.
    box = kalman.started((0, 0, 100, 100))
    assert four(box, "var") == pytest.approx([25, 25, 25, 25])
    assert four(box, "speed_var") == [40_000, 40_000, 0, 0]

    # After 0.1 s: 25 + 0.01·40000 + 10000·0.001/3 + 0.0729·0.1·10000; 0.1·40000 + 10000·0.01/2.
    kalman.predict([box], 0.1)
    variance, covariance = 25 + 400 + 10 / 3 + 72.9, 4000 + 50
    assert box.x.var == pytest.approx(variance)
    assert box.x.cov == pytest.approx(covariance)
    assert box.x.speed_var == pytest.approx(41_000)
    assert box.width.var == pytest.approx(25 + 72.9)

    # Seen 10 px to the right: nearly all of it is believed, and so is 80 px/s.
    kalman.update(box, (10, 0, 100, 100))
    gain = variance / (variance + 25)
    assert box.x.at == pytest.approx(10 * gain)
    assert box.x.speed == pytest.approx(10 * covariance / (variance + 25))
    assert box.x.var == pytest.approx((1 - gain) * variance)
    assert box.x.speed_var == pytest.approx(41_000 - covariance**2 / (variance + 25))


@given(st.integers(0, 2**32 - 1))
def test_plain_floats_equal_the_filter_with_full_matrices(seed: int) -> None:
    rng = np.random.default_rng(seed)
    box = np.array([*rng.uniform(0, 500, 2), *rng.uniform(20, 200, 2)])
    motion = kalman.started(tuple(box.tolist()))
    scale2 = ((box[2] + box[3]) / 2) ** 2
    moves = np.diag([1.0, 1.0, 0.0, 0.0])
    mean = np.concatenate([box, np.zeros(4)])
    covariance = np.zeros((8, 8))
    covariance[:4, :4] = np.eye(4) * kalman.MEASURED_STD**2 * scale2
    covariance[4:, 4:] = moves * kalman.START_SPEED_STD**2 * scale2

    for _ in range(12):
        step_s = float(rng.uniform(0.01, 1.0))
        scale2 = ((mean[2] + mean[3]) / 2) ** 2
        jolt, wander = kalman.ACCELERATION_STD**2 * scale2, kalman.WANDER_STD**2 * scale2
        step = np.block([[np.eye(4), np.eye(4) * step_s], [np.zeros((4, 4)), np.eye(4)]])
        own = moves * jolt * step_s**3 / 3 + np.eye(4) * wander * step_s
        shared = moves * jolt * step_s**2 / 2
        noise = np.block([[own, shared], [shared, moves * jolt * step_s]])
        mean, covariance = step @ mean, step @ covariance @ step.T + noise
        kalman.predict([motion], step_s)
        if rng.uniform() < 0.7:
            seen = mean[:4] + rng.normal(0, 5, 4)
            looking = np.concatenate([np.eye(4), np.zeros((4, 4))], axis=1)
            scale2 = ((mean[2] + mean[3]) / 2) ** 2
            spread = looking @ covariance @ looking.T + np.eye(4) * kalman.MEASURED_STD**2 * scale2
            gain = covariance @ looking.T @ np.linalg.inv(spread)
            mean = mean + gain @ (seen - looking @ mean)
            covariance = covariance - gain @ looking @ covariance
            kalman.update(motion, tuple(seen.tolist()))

    assert np.allclose(four(motion, "at"), mean[:4], rtol=1e-9, atol=1e-9)
    assert np.allclose(four(motion, "speed"), mean[4:], rtol=1e-9, atol=1e-9)
    assert np.allclose(four(motion, "var"), np.diag(covariance)[:4], rtol=1e-9)
    assert np.allclose(four(motion, "cov"), np.diag(covariance[:4, 4:]), rtol=1e-9, atol=1e-6)
    assert np.allclose(four(motion, "speed_var"), np.diag(covariance)[4:], rtol=1e-9, atol=1e-6)


def test_two_short_predictions_equal_a_long_one() -> None:
    twice, once = kalman.started((0, 0, 50, 90)), kalman.started((0, 0, 50, 90))
    for box in (twice, once):
        kalman.predict([box], 0.04)
        kalman.update(box, (3, 1, 51, 88))

    kalman.predict([twice], 0.3)
    kalman.predict([twice], 0.7)
    kalman.predict([once], 1.0)

    for name in ("at", "var", "speed", "speed_var", "cov"):
        assert np.allclose(four(twice, name), four(once, name), rtol=1e-12), name


def test_a_steady_walk_is_learned() -> None:
    box = kalman.started((0, 0, 40, 100))
    for step in range(1, 40):
        kalman.predict([box], 0.04)
        kalman.update(box, (step * 0.04 * 60, 0, 40, 100))

    assert four(box, "speed") == pytest.approx([60, 0, 0, 0], abs=1)


def test_a_picture_of_twice_the_size_doubles_lengths() -> None:
    box = kalman.started((10, 20, 40, 100))
    kalman.predict([box], 0.5)

    kalman.rescale(box, (2.0, 2.0))

    assert four(box, "at") == [20, 40, 80, 200]
    other = kalman.started((20, 40, 80, 200))
    kalman.predict([other], 0.5)
    assert np.allclose(four(box, "var"), four(other, "var"))
