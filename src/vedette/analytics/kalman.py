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
from vedette.analytics.table import ColumnKind, Table

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

COLUMNS = {
    "centre_px": ColumnKind(np.float64, (2,)),
    "velocity_px": ColumnKind(np.float64, (2,)),
    "size_px": ColumnKind(np.float64, (2,)),
    "centre_var": ColumnKind(np.float64, (2,)),
    "centre_velocity_cov": ColumnKind(np.float64, (2,)),
    "velocity_var": ColumnKind(np.float64, (2,)),
    "size_var": ColumnKind(np.float64, (2,)),
}


def start(table: Table, rows: slice, centre_px: Float, size_px: Float) -> None:
    """Begin at a first look: position as seen, velocity unknown."""
    scale2 = _scale2(size_px)
    table["centre_px"][rows] = centre_px
    table["velocity_px"][rows] = 0.0
    table["size_px"][rows] = size_px
    table["centre_var"][rows] = MEASURED_STD**2 * scale2
    table["centre_velocity_cov"][rows] = 0.0
    table["velocity_var"][rows] = START_SPEED_STD**2 * scale2
    table["size_var"][rows] = MEASURED_STD**2 * scale2


def predict(table: Table, elapsed_s: float) -> None:
    """Move every track `elapsed_s` seconds on."""
    if not elapsed_s or not len(table):
        return
    velocity_var = table["velocity_var"]
    covariance = table["centre_velocity_cov"]
    scale2 = _scale2(table["size_px"])
    jolt = ACCELERATION_STD**2 * scale2
    wander = WANDER_STD**2 * elapsed_s * scale2
    table["centre_px"][:] += table["velocity_px"] * elapsed_s
    table["centre_var"][:] += (
        elapsed_s * (2 * covariance + elapsed_s * velocity_var) + jolt * elapsed_s**3 / 3 + wander
    )
    covariance += elapsed_s * velocity_var + jolt * elapsed_s**2 / 2
    velocity_var += jolt * elapsed_s
    table["size_var"][:] += wander


def update(table: Table, rows: np.ndarray, centre_px: Float, size_px: Float) -> None:
    """Correct the tracks in `rows` (each at most once) by what was seen of them."""
    measured_var = MEASURED_STD**2 * _scale2(table["size_px"][rows])
    centre, size = table["centre_px"][rows], table["size_px"][rows]
    variance, covariance = table["centre_var"][rows], table["centre_velocity_cov"][rows]
    total = variance + measured_var
    gain, velocity_gain = variance / total, covariance / total
    surprise = centre_px - centre
    table["centre_px"][rows] = centre + gain * surprise
    table["velocity_px"][rows] += velocity_gain * surprise
    table["centre_var"][rows] = (1 - gain) * variance
    table["centre_velocity_cov"][rows] = (1 - gain) * covariance
    table["velocity_var"][rows] -= velocity_gain * covariance
    size_var = table["size_var"][rows]
    size_gain = size_var / (size_var + measured_var)
    table["size_px"][rows] = size + size_gain * (size_px - size)
    table["size_var"][rows] = (1 - size_gain) * size_var


def rescale(table: Table, factor: Float) -> None:
    """Carry every track over to a picture of another size; `factor` (2,): new by old pixels."""
    for name in ("centre_px", "velocity_px", "size_px"):
        table[name][:] *= factor
    for name in ("centre_var", "centre_velocity_cov", "velocity_var", "size_var"):
        table[name][:] *= factor**2


def _scale2(size_px: Float) -> Float:
    """Give (N, 1): the square of the mean of width and height."""
    mean = np.maximum((size_px[:, :1] + size_px[:, 1:]) / 2, SIZE_MIN_PX)
    return np.asarray(mean * mean)
