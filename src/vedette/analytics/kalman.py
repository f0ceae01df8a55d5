"""Where a box is and where it is going: a Kalman filter in seconds.

The centre moves with nearly constant velocity, the size wanders. Noise is independent per axis, so
the covariance falls apart into a 2 × 2 block per axis of the centre and a number per axis of the
size; these are plain floats, worked on one by one. That equals the textbook filter with full
matrices (tests/analytics/test_kalman.py), and gives the same bits whatever else is followed.

Noise grows with *time*, not with steps: two predictions of 20 ms equal one of 40 ms. So thinning a
video, or a variable frame rate, changes nothing but what was seen. All noise is in units of the
object's own size, because detectors err and things move in proportion to it.

Source: constant-velocity model with white-noise acceleration, Bar-Shalom, Li, Kirubarajan,
"Estimation with Applications to Tracking and Navigation", 6.2; magnitudes after ByteTrack
(Zhang et al. 2022), whose noise per frame at 30 frames per second is turned into noise per second.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from vedette.analytics.boxes import Corners

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

# Centre x, centre y, width, height.
Box = tuple[float, float, float, float]


# Not frozen: it is changed in place at every look.
@dataclass(slots=True)
class Axis:
    """One number of a box and, for a centre, its speed; with what is not known of both.

    Attributes:
        at: Where it is, px.
        var: Variance of that.
        speed: Per second. A size has none: it does not go on growing while nobody sees it.
        speed_var: Variance of that.
        cov: Covariance of both.
    """

    at: float
    var: float
    speed: float = 0.0
    speed_var: float = 0.0
    cov: float = 0.0


@dataclass(slots=True)
class Motion:
    """A box on its way."""

    x: Axis
    y: Axis
    width: Axis
    height: Axis

    @property
    def corners(self) -> Corners:
        """Where it is expected."""
        x, y = self.x.at, self.y.at
        half_width, half_height = self.width.at / 2, self.height.at / 2
        return x - half_width, y - half_height, x + half_width, y + half_height

    @property
    def axes(self) -> tuple[Axis, Axis, Axis, Axis]:
        """Centre x, centre y, width, height."""
        return self.x, self.y, self.width, self.height


def started(box_px: Box) -> Motion:
    """Begin at a first look: position as seen, velocity unknown."""
    x, y, width, height = box_px
    scale2 = _scale2(width, height)
    var, speed_var = MEASURED_STD**2 * scale2, START_SPEED_STD**2 * scale2
    return Motion(
        Axis(x, var, speed_var=speed_var), Axis(y, var, speed_var=speed_var),
        Axis(width, var), Axis(height, var),
    )  # fmt: skip


def predict(motions: Iterable[Motion], elapsed_s: float) -> None:
    """Move every box `elapsed_s` seconds on."""
    if not elapsed_s:
        return
    wander = WANDER_STD**2 * elapsed_s
    drift = wander + ACCELERATION_STD**2 * elapsed_s**3 / 3
    jolts = ACCELERATION_STD**2 * elapsed_s
    half_s = elapsed_s / 2
    for motion in motions:
        width, height = motion.width, motion.height
        scale2 = _scale2(width.at, height.at)
        jolt, drifted = scale2 * jolts, scale2 * drift
        for axis in (motion.x, motion.y):
            cov, speed_var = axis.cov, axis.speed_var
            axis.at += axis.speed * elapsed_s
            axis.var += (2 * cov + elapsed_s * speed_var) * elapsed_s + drifted
            axis.cov = cov + elapsed_s * speed_var + jolt * half_s
            axis.speed_var = speed_var + jolt
        wandered = scale2 * wander
        width.var += wandered
        height.var += wandered


def update(motion: Motion, box_px: Box) -> None:
    """Correct a box by what was seen of it."""
    x, y, width, height = box_px
    noise = MEASURED_STD**2 * _scale2(motion.width.at, motion.height.at)
    for axis, seen in ((motion.x, x), (motion.y, y)):
        var, cov = axis.var, axis.cov
        total = var + noise
        gain, speed_gain = var / total, cov / total
        surprise = seen - axis.at
        rest = 1 - gain
        axis.at += gain * surprise
        axis.speed += speed_gain * surprise
        axis.var = rest * var
        axis.cov = rest * cov
        axis.speed_var -= speed_gain * cov
    for axis, seen in ((motion.width, width), (motion.height, height)):
        var = axis.var
        gain = var / (var + noise)
        axis.at += gain * (seen - axis.at)
        axis.var = (1 - gain) * var


def rescale(motion: Motion, factor: tuple[float, float]) -> None:
    """Carry a box over to a picture of another size; `factor`: new by old pixels, x and y."""
    for axis, by in zip(motion.axes, (*factor, *factor), strict=True):
        axis.at *= by
        axis.speed *= by
        axis.var *= by * by
        axis.cov *= by * by
        axis.speed_var *= by * by


def _scale2(width: float, height: float) -> float:
    """Give the square of the mean of width and height."""
    mean = (width + height) / 2
    mean = max(mean, SIZE_MIN_PX)
    return mean * mean
