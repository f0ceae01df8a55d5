"""A learned background: what the picture looks like when nothing moves, pixel by pixel.

Every pixel remembers two colours. `mean` is what it shows at rest, with its noise and the seconds
of support behind it. `rival` is what it showed lately instead. A rival that was seen long enough
becomes the background, and the old one stays as a *known* rival: a car that leaves after an hour
uncovers a street that is still known.

All times are media time, so that 30, 10 and 2 looks per second learn alike. Everything is plain
arrays and element-wise arithmetic in a fixed order: a background saved and loaded goes on to the
last bit as if nothing had happened. (OpenCV's own subtractors keep their memory where nobody can
read it.) Levels and times are kept in 16 bits, as finely as the picture needs them: all of it is
written down at every commit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from vedette.domain.detection import State

Mask = npt.NDArray[np.bool_]
Uint8 = npt.NDArray[np.uint8]
Uint16 = npt.NDArray[np.uint16]

# A thing that stands still is background once it was seen this long: a parked car should not stay
# "moving" for ever, a person at a counter should. Also the most support a pixel can gather.
ABSORB_MS = 60_000
# While a background is young, a rival needs this many times its support: who stands in the
# picture when the camera starts is forgotten soon after leaving.
YOUNG_TIMES = 4
# A rival seen for less than this is a passer-by.
LEARN_MS = 1000
# How fast the background follows slow light (sun, clouds), and how often: a step between two
# looks of 60 a second would be smaller than what 16 bits can hold.
FOLLOW_S = 8.0
FOLLOW_STEP_S = 0.19
# While it is younger than this, every look counts.
YOUNG_S = 2.0
# What is not seen is forgotten this much slower than it was learned: a pedestrian in front of a
# parked car does not make it new.
DECAY = 0.25

# Differences in levels of 0..255. Below `LIMIT_MIN` lies what cameras and codecs add by
# themselves; a pixel's own noise raises its limit (leaves, flicker, water) up to `LIMIT_MAX`.
LIMIT_MIN = 9
LIMIT_MAX = 30
NOISE_TIMES = 4.0
NOISE_START = 1.0
NOISE_S = 4.0
# Parts of a level that `mean` and `noise` can tell apart; the latter is at most LIMIT_MAX / 2.
MEAN_PARTS = 256
NOISE_PARTS = 4096
# Two looks at the same resting thing differ by less than this.
SAME_MAX = 14

# More of the picture changing than this, this suddenly, is the light or the camera.
JUMP_SHARE = 0.5
JUMP_RISE = 0.3

# A camera's exposure moves the whole picture by a factor: taken back between these, in such steps.
GAIN_MIN, GAIN_MAX, GAIN_STEP = 0.3, 3.0, 0.01
# Luma that tells the factor: neither black nor clipped.
GAIN_LUMA = (24, 230)

ARRAYS = ("mean", "noise", "support_ms", "rival", "rival_ms", "known", "before", "ages")


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """One picture beside the background, which it does not change.

    Attributes:
        picture: uint8 (H, W, 3): Y, Cr, Cb, the camera's exposure taken back.
        background: uint8 (H, W, 3): what was expected.
        distance: uint8 (H, W): how far apart they are, in levels.
        limit: uint8 (H, W): the distance from which a pixel is beside its background.
        beside: bool (H, W): shows something else than the background.
        changed: bool (H, W): likewise, and not one of the things that stood there before.
        near_rival: bool (H, W): looks like the rival.
        flicker: uint8 (H, W): by how much luma differs from the look before.
        dt_s: Media seconds since the look before.
        jumped: The whole picture changed at once.
    """

    picture: Uint8
    background: Uint8
    distance: Uint8
    limit: Uint8
    beside: Mask
    changed: Mask
    near_rival: Mask
    flicker: Uint8
    dt_s: float
    jumped: bool


class Background:
    """What a picture of one size looks like at rest; begins with its first look. For one thread."""

    def __init__(self, picture: Uint8) -> None:
        height, width, _ = picture.shape
        self.size = (height, width)
        self._mean = _mean_of(picture)
        self._noise = np.full(self.size, NOISE_START * NOISE_PARTS, np.uint16)
        self._support_ms = np.zeros(self.size, np.uint16)
        self._rival = picture.copy()
        self._rival_ms = np.zeros(self.size, np.uint16)
        self._known = np.zeros(self.size, np.bool_)
        # Luma of the last look.
        self._before = picture[:, :, 0].copy()
        # Seconds learned so far, the share of the picture that had changed in the last look, and
        # seconds since the levels last followed.
        self._ages = np.zeros(3, np.float64)

    @property
    def learned_s(self) -> float:
        """Seconds it has watched."""
        return float(self._ages[0])

    def look(self, picture: Uint8, dt_s: float) -> Look:
        """Compare a picture with what is known."""
        background = _levels(self._mean, 1 / MEAN_PARTS)
        gain = _exposure_gain(picture, background)
        picture = _exposure_taken_back(picture, gain)
        distance = _distance(picture, background, sway=True)
        # Who brightens a dark picture brightens its noise.
        least = min(round(LIMIT_MIN / min(gain, 1.0)), LIMIT_MAX)
        limit = np.clip(_levels(self._noise, NOISE_TIMES / NOISE_PARTS), least, LIMIT_MAX)
        beside = distance > limit
        near_rival = _distance(picture, self._rival) < SAME_MAX
        share = int(np.count_nonzero(beside)) / beside.size
        jumped = bool(share > JUMP_SHARE and share - float(self._ages[1]) > JUMP_RISE)
        self._ages[1] = share
        changed = beside & ~(near_rival & self._known)
        luma = np.ascontiguousarray(picture[:, :, 0])
        flicker = np.asarray(cv2.absdiff(luma, self._before), np.uint8)
        self._before = luma
        return Look(
            picture, background, distance, limit, beside, changed, near_rival, flicker, dt_s, jumped
        )

    def learn(self, look: Look, moving: Mask, gone: Mask) -> None:
        """Take a look into the memory.

        Args:
            look: What `look` gave for the newest picture.
            moving: bool (H, W): pixels of things. Other changes are taken for noise.
            gone: Likewise: pixels whose background shows a thing that has left.
        """
        before_ms = round(self.learned_s * 1000)
        self._ages[0] += look.dt_s
        # No look's rounding adds to another's.
        dt_ms = np.uint16(min(round(self.learned_s * 1000) - before_ms, ABSORB_MS))
        self._ages[2] += look.dt_s
        if self._ages[2] >= FOLLOW_STEP_S or self.learned_s < YOUNG_S:
            self._follow(look, moving, float(self._ages[2]))
            self._ages[2] = 0.0
        self._support_ms += np.minimum(ABSORB_MS - self._support_ms, dt_ms) * ~look.beside
        self._learn_rival(look, int(dt_ms))
        if gone.any():
            self._mean[gone] = _mean_of(look.picture[gone])
            self._support_ms[gone] = LEARN_MS

    def _follow(self, look: Look, moving: Mask, dt_s: float) -> None:
        """Move what the picture shows at rest, and its noise, towards what it shows now."""
        # A young background is the plain mean of what it saw, an old one follows slowly.
        rate = max(1 - math.exp(-dt_s / FOLLOW_S), dt_s / max(self.learned_s, 1e-6))
        _approach(self._mean, _mean_of(look.picture), rate, ~(look.beside | moving))
        off = cv2.absdiff(look.picture[:, :, 0], look.background[:, :, 0])
        # What merely stands there, however different from the background, is no noise.
        off = np.where(look.beside, np.minimum(off, look.flicker), off)
        noise = np.minimum(off, LIMIT_MAX // 2).astype(np.uint16) * np.uint16(NOISE_PARTS)
        _approach(self._noise, noise, 1 - math.exp(-dt_s / NOISE_S), ~moving)

    def _learn_rival(self, look: Look, dt_ms: int) -> None:
        picture, mean = look.picture.reshape(-1, 3), self._mean.reshape(-1, 3)
        rival, rival_ms = self._rival.reshape(-1, 3), self._rival_ms.ravel()
        known, support_ms = self._known.ravel(), self._support_ms.ravel()
        decay_ms = round(dt_ms * DECAY)
        self._rival_ms -= np.minimum(self._rival_ms, np.uint16(decay_ms))
        seen = look.near_rival & look.beside
        again = np.flatnonzero(seen)
        longer_ms = rival_ms[again].astype(np.int32) + (dt_ms + decay_ms)
        rival_ms[again] = np.minimum(longer_ms, ABSORB_MS)
        new = np.flatnonzero(look.beside & ~seen & (self._rival_ms == 0))
        rival[new] = picture[new]
        known[new] = False
        young_ms = support_ms[again].astype(np.int32) * YOUNG_TIMES
        won = again[rival_ms[again] >= np.clip(young_ms, LEARN_MS, ABSORB_MS)]
        if len(won):
            was = _levels(mean[won], 1 / MEAN_PARTS)
            mean[won], rival[won] = _mean_of(rival[won]), was
            rival_before_ms = rival_ms[won]
            rival_ms[won] = np.maximum(support_ms[won], LEARN_MS)
            support_ms[won] = rival_before_ms
            known[won] = True

    def export_state(self) -> State:
        """Give everything it remembers, copied."""
        return {name: getattr(self, f"_{name}").copy() for name in ARRAYS}

    @classmethod
    def from_state(cls, state: State) -> Background:
        """Give the background that `export_state` described."""
        background = cls(state["rival"])
        for name in ARRAYS:
            setattr(background, f"_{name}", np.array(state[name], order="C"))
        return background


def _mean_of(levels: Uint8) -> Uint16:
    return levels.astype(np.uint16) * np.uint16(MEAN_PARTS)


def _levels(parts: Uint16, level: float) -> Uint8:
    result: Any = cv2.convertScaleAbs(parts, alpha=level)  # Rounds and saturates.
    return np.asarray(result, np.uint8).reshape(parts.shape)


def _approach(old: Uint16, new: Uint16, rate: float, where: Mask) -> None:
    """Move `old` by a share of the way to `new`, in place."""
    between = cv2.addWeighted(new, rate, old, 1 - rate, 0)
    cv2.copyTo(between, where.view(np.uint8), old)


def _distance(one: Uint8, two: Uint8, *, sway: bool = False) -> Uint8:
    """Give how far apart two pictures are: the larger of luma and weighted chroma, (H, W).

    With `sway` a pixel of one may look like any of its neighbours in two: cameras tremble, and
    their focus breathes.
    """
    if sway:
        around = np.ones((3, 3), np.uint8)
        above, below = (
            cv2.subtract(one, cv2.dilate(two, around)),
            cv2.subtract(cv2.erode(two, around), one),
        )
        apart = cv2.split(cv2.max(above, below))
    else:
        apart = cv2.split(cv2.absdiff(one, two))
    chroma: Any = cv2.max(apart[1], apart[2])
    # Chroma has half the resolution of luma and less of its noise, so it counts twice.
    return np.asarray(cv2.max(apart[0], cv2.add(chroma, chroma)), np.uint8)


def _exposure_gain(picture: Uint8, background: Uint8) -> float:
    """Give the factor by which the camera's exposure changed most of the picture, in steps."""
    now = picture[3::8, 3::8, 0].ravel().astype(np.float32)
    then = background[3::8, 3::8, 0].ravel().astype(np.float32)
    low, high = GAIN_LUMA
    fit = (then > low) & (then < high) & (now > low) & (now < high)
    if np.count_nonzero(fit) * 4 < fit.size:
        return 1.0
    gain = round(float(np.median(now[fit] / then[fit])) / GAIN_STEP) * GAIN_STEP
    return gain if GAIN_MIN < gain < GAIN_MAX else 1.0


def _exposure_taken_back(picture: Uint8, gain: float) -> Uint8:
    if gain == 1.0:
        return picture
    levels = np.arange(256, dtype=np.float32)
    luma, chroma = levels / gain, (levels - 128) / gain + 128
    table = np.stack([luma, chroma, chroma], axis=1).clip(0, 255).round().astype(np.uint8)
    result: Any = cv2.LUT(picture, table[:, None])
    return np.asarray(result, np.uint8)
