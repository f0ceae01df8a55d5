"""The filter on plain columns against a worked example and against the textbook's matrices."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.analytics import kalman
from vedette.analytics.table import Table


def begun(*boxes: tuple[float, float, float, float]) -> Table:
    table = Table(kalman.COLUMNS)
    table.append(len(boxes))
    kalman.start(table, slice(0, len(boxes)), np.array(boxes, np.float64))
    return table


def test_one_step_worked_by_hand() -> None:
    # A box of 100 × 100 at (0, 0): size 100, so measured to 5 px, speed unknown to 200 px/s.
    table = begun((0, 0, 100, 100))
    assert table["box_var"][0] == pytest.approx([25, 25, 25, 25])
    assert table["velocity_var"][0].tolist() == [40_000, 40_000, 0, 0]

    # After 0.1 s: 25 + 0.01·40000 + 10000·0.001/3 + 0.0729·0.1·10000; 0.1·40000 + 10000·0.01/2.
    kalman.predict(table, 0.1)
    variance, covariance = 25 + 400 + 10 / 3 + 72.9, 4000 + 50
    assert table["box_var"][0, 0] == pytest.approx(variance)
    assert table["box_velocity_cov"][0, 0] == pytest.approx(covariance)
    assert table["velocity_var"][0, 0] == pytest.approx(41_000)
    assert table["box_var"][0, 2] == pytest.approx(25 + 72.9)

    # Seen 10 px to the right: nearly all of it is believed, and so is 80 px/s.
    kalman.update(table, np.array([0]), np.array([[10.0, 0, 100, 100]]))
    gain = variance / (variance + 25)
    assert table["box_px"][0, 0] == pytest.approx(10 * gain)
    assert table["velocity_px"][0, 0] == pytest.approx(10 * covariance / (variance + 25))
    assert table["box_var"][0, 0] == pytest.approx((1 - gain) * variance)
    assert table["velocity_var"][0, 0] == pytest.approx(41_000 - covariance**2 / (variance + 25))


@given(st.integers(0, 2**32 - 1))
def test_columns_equal_the_filter_with_full_matrices(seed: int) -> None:
    rng = np.random.default_rng(seed)
    box = np.array([*rng.uniform(0, 500, 2), *rng.uniform(20, 200, 2)])
    table = begun((1, 2, 30, 40), tuple(box), (7, 7, 7, 7))
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
        motion = np.block([[np.eye(4), np.eye(4) * step_s], [np.zeros((4, 4)), np.eye(4)]])
        own = moves * jolt * step_s**3 / 3 + np.eye(4) * wander * step_s
        shared = moves * jolt * step_s**2 / 2
        noise = np.block([[own, shared], [shared, moves * jolt * step_s]])
        mean, covariance = motion @ mean, motion @ covariance @ motion.T + noise
        kalman.predict(table, step_s)
        if rng.uniform() < 0.7:
            seen = mean[:4] + rng.normal(0, 5, 4)
            looking = np.concatenate([np.eye(4), np.zeros((4, 4))], axis=1)
            scale2 = ((mean[2] + mean[3]) / 2) ** 2
            spread = looking @ covariance @ looking.T + np.eye(4) * kalman.MEASURED_STD**2 * scale2
            gain = covariance @ looking.T @ np.linalg.inv(spread)
            mean = mean + gain @ (seen - looking @ mean)
            covariance = covariance - gain @ looking @ covariance
            kalman.update(table, np.array([1]), seen[None])

    assert np.allclose(table["box_px"][1], mean[:4], rtol=1e-9, atol=1e-9)
    assert np.allclose(table["velocity_px"][1], mean[4:], rtol=1e-9, atol=1e-9)
    assert np.allclose(table["box_var"][1], np.diag(covariance)[:4], rtol=1e-9)
    assert np.allclose(
        table["box_velocity_cov"][1], np.diag(covariance[:4, 4:]), rtol=1e-9, atol=1e-6
    )
    assert np.allclose(table["velocity_var"][1], np.diag(covariance)[4:], rtol=1e-9, atol=1e-6)


def test_two_short_predictions_equal_a_long_one() -> None:
    twice, once = begun((0, 0, 50, 90)), begun((0, 0, 50, 90))
    for table in (twice, once):
        kalman.predict(table, 0.04)
        kalman.update(table, np.array([0]), np.array([[3.0, 1, 51, 88]]))

    kalman.predict(twice, 0.3)
    kalman.predict(twice, 0.7)
    kalman.predict(once, 1.0)

    for name in kalman.COLUMNS:
        assert np.allclose(twice[name], once[name], rtol=1e-12), name


def test_a_steady_walk_is_learned() -> None:
    table = begun((0, 0, 40, 100))
    for step in range(1, 40):
        kalman.predict(table, 0.04)
        kalman.update(table, np.array([0]), np.array([[step * 0.04 * 60, 0.0, 40, 100]]))

    assert table["velocity_px"][0] == pytest.approx([60, 0, 0, 0], abs=1)


def test_a_picture_of_twice_the_size_doubles_lengths() -> None:
    table = begun((10, 20, 40, 100))
    kalman.predict(table, 0.5)

    kalman.rescale(table, np.array([2.0, 2.0]))

    assert table["box_px"][0].tolist() == [20, 40, 80, 200]
    other = begun((20, 40, 80, 200))
    kalman.predict(other, 0.5)
    assert np.allclose(table["box_var"], other["box_var"])
