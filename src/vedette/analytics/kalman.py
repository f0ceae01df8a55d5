"""Where a box is and where it is going: a Kalman filter over many tracks at once, in seconds.

The centre moves with nearly constant velocity, the size wanders. Noise is independent per axis, so
the covariance of a track falls apart into a 2 × 2 block per axis of the centre and a number per
axis of the size; these are kept as plain columns and worked on element by element. That equals the
textbook filter with full matrices (tests/analytics/test_kalman.py), is many times faster in numpy
and gives the same bits whatever else is in the table.

Noise grows with *time*, not with steps: two predictions of 20 ms equal one of 40 ms. So thinning a
video, or a variable frame rate, changes nothing but what was seen. All noise is in units of the
object's own size, because detectors err and things move in proportion to it.

Source: constant-velocity model with white-noise acceleration, Bar-Shalom, Li, Kirubarajan,
"Estimation with Applications to Tracking and Navigation", 6.2; magnitudes after ByteTrack
(Zhang et al. 2022), whose noise per frame at 30 frames per second is turned into noise per second.
"""

from __future__ import annotations

import numpy as np

from vedette.analytics.boxes import Float
from vedette.analytics.table import Column, ColumnKind, Table

# Fractions of the object's size. ByteTrack: a box is wrong by 1/20 of its height.
MEASURED_STD = 0.05
# Sizes per second. ByteTrack: 10/160 heights per frame, 30 frames a second.
START_SPEED_STD = 2.0
# Sizes per second, per root second. ByteTrack: 1/160 per frame² at 30 frames a second.
ACCELERATION_STD = 1.0
# Sizes per root second. ByteTrack: 1/20 per frame at 30 frames a second.
WANDER_STD = 0.27
# A box thinner than this is taken as this thick when noise is scaled: px.
SIZE_MIN_PX = 2.0

# Of centre x, centre y, width, height: what moves on by itself. A size wanders but does not go on
# growing while nobody sees it.
_MOVES = np.array([1.0, 1.0, 0.0, 0.0])

COLUMNS = {
    "box_px": ColumnKind(np.float64, (4,)),  # Centre x, centre y, width, height.
    "velocity_px": ColumnKind(np.float64, (4,)),  # Per second.
    "box_var": ColumnKind(np.float64, (4,)),
    "box_velocity_cov": ColumnKind(np.float64, (4,)),
    "velocity_var": ColumnKind(np.float64, (4,)),
}


def start(table: Table, rows: slice, box_px: Float) -> None:
    """Begin at a first look: position as seen, velocity unknown.

    Args:
        table: Has the columns above, and zeros in `rows`.
        rows: New rows.
        box_px: (N, 4) centre x, centre y, width, height, one per row.
    """
    scale2 = _scale2(box_px)
    table["box_px"][rows] = box_px
    table["box_var"][rows] = MEASURED_STD**2 * scale2
    table["velocity_var"][rows] = START_SPEED_STD**2 * scale2 * _MOVES


def predict(table: Table, elapsed_s: float) -> None:
    """Move every track `elapsed_s` seconds on."""
    if not elapsed_s or not len(table):
        return
    box, velocity = table["box_px"], table["velocity_px"]
    covariance, velocity_var = table["box_velocity_cov"], table["velocity_var"]
    scale2 = _scale2(box)
    box += velocity * elapsed_s
    growth = 2 * covariance
    growth += elapsed_s * velocity_var
    growth *= elapsed_s
    table["box_var"][:] += growth + scale2 * _wander(elapsed_s)
    jolt = scale2 * (ACCELERATION_STD**2 * elapsed_s * _MOVES)
    covariance += elapsed_s * velocity_var
    covariance += jolt * (elapsed_s / 2)
    velocity_var += jolt


def update(table: Table, rows: Column, box_px: Float) -> None:
    """Correct the tracks in `rows` (each at most once) by what was seen of them, (N, 4)."""
    box, variance = table["box_px"][rows], table["box_var"][rows]
    covariance = table["box_velocity_cov"][rows]
    total = variance + MEASURED_STD**2 * _scale2(box)
    gain, velocity_gain = variance / total, covariance / total
    surprise = box_px - box
    table["box_px"][rows] = box + gain * surprise
    table["velocity_px"][rows] += velocity_gain * surprise
    rest = 1 - gain
    table["box_var"][rows] = rest * variance
    table["box_velocity_cov"][rows] = rest * covariance
    table["velocity_var"][rows] -= velocity_gain * covariance


def rescale(table: Table, factor: Float) -> None:
    """Carry every track over to a picture of another size; `factor` (2,): new by old pixels."""
    factor = np.concatenate([factor, factor])
    for name in ("box_px", "velocity_px"):
        table[name][:] *= factor
    for name in ("box_var", "box_velocity_cov", "velocity_var"):
        table[name][:] *= factor**2


def _wander(elapsed_s: float) -> Float:
    return WANDER_STD**2 * elapsed_s + ACCELERATION_STD**2 * elapsed_s**3 / 3 * _MOVES


def _scale2(box_px: Float) -> Float:
    """Give (N, 1): the square of the mean of width and height."""
    mean = np.maximum((box_px[:, 2:3] + box_px[:, 3:]) / 2, SIZE_MIN_PX)
    return np.asarray(mean * mean)
