"""A learned background: what the picture looks like when nothing moves, pixel by pixel.

Every pixel remembers two colours. `mean` is what it shows at rest, with its noise and the seconds
of support behind it. `rival` is what it showed lately instead. A rival that was seen long enough
becomes the background, and the old one stays as a *known* rival: a car that leaves after an hour
uncovers a street that is still known.

All times are media seconds, so that 30, 10 and 2 looks per second learn alike. Everything is plain
arrays and element-wise arithmetic in a fixed order: a background saved and loaded goes on to the
last bit as if nothing had happened. (OpenCV's own subtractors keep their memory where nobody can
read it.)
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from vedette.domain.detection import State

Float32 = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
Uint8 = npt.NDArray[np.uint8]

# A thing that stands still is background once it was seen this long: a parked car should not stay
# "moving" for ever, a person at a counter should. Also the most support a pixel can gather.
ABSORB_S = 60.0
# While a background is young, a rival needs this many times its support: who stands in the
# picture when the camera starts is forgotten soon after leaving.
YOUNG_TIMES = 4.0
# A rival seen for less than this is a passer-by.
LEARN_S = 1.0
# How fast the background follows slow light (sun, clouds).
FOLLOW_S = 8.0
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
# Chroma has half the resolution of luma and less of its noise, so it counts more.
CHROMA_TIMES = 2
# Two looks at the same resting thing differ by less than this.
SAME_MAX = 14

# More of the picture changing than this, this suddenly, is the light or the camera.
JUMP_SHARE = 0.5
JUMP_RISE = 0.3

# A camera's exposure moves the whole picture by a factor: taken back between these, in such steps.
GAIN_MIN, GAIN_MAX, GAIN_STEP = 0.3, 3.0, 0.01
# Luma that tells the factor: neither black nor clipped.
GAIN_LUMA = (24, 230)

ARRAYS = ("mean", "noise", "support_s", "rival", "rival_s", "known", "before", "ages")


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
        self._mean = picture.astype(np.float32)
        self._noise = np.full(self.size, NOISE_START, np.float32)
        self._support_s = np.zeros(self.size, np.float32)
        self._rival = picture.copy()
        self._rival_s = np.zeros(self.size, np.float32)
        self._known = np.zeros(self.size, np.bool_)
        # Luma of the last look.
        self._before = picture[:, :, 0].copy()
        # Seconds learned so far, and the share of the picture that had changed in the last look.
        self._ages = np.zeros(2, np.float64)

    @property
    def learned_s(self) -> float:
        """Seconds it has watched."""
        return float(self._ages[0])

    def look(self, picture: Uint8, dt_s: float) -> Look:
        """Compare a picture with what is known."""
        background = _uint8(self._mean)
        gain = _exposure_gain(picture, background)
        picture = _exposure_taken_back(picture, gain)
        distance = _distance(picture, background, sway=True)
        # Who brightens a dark picture brightens its noise.
        least = min(round(LIMIT_MIN / min(gain, 1.0)), LIMIT_MAX)
        limit = np.clip(_uint8(self._noise * np.float32(NOISE_TIMES)), least, LIMIT_MAX)
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
        self._ages[0] += look.dt_s
        # A young background is the plain mean of what it saw, an old one follows slowly.
        rate = max(1 - math.exp(-look.dt_s / FOLLOW_S), look.dt_s / max(self.learned_s, 1e-6))
        _accumulate(look.picture, self._mean, rate, ~(look.beside | moving))
        off = cv2.absdiff(look.picture[:, :, 0], look.background[:, :, 0])
        # What merely stands there, however different from the background, is no noise.
        off = np.where(look.beside, np.minimum(off, look.flicker), off)
        _accumulate(
            np.minimum(off, LIMIT_MAX // 2).astype(np.uint8), self._noise,
            1 - math.exp(-look.dt_s / NOISE_S), ~moving,
        )  # fmt: skip
        self._support_s += np.float32(look.dt_s) * ~look.beside
        np.minimum(self._support_s, np.float32(ABSORB_S), out=self._support_s)
        self._learn_rival(look)
        if gone.any():
            self._mean[gone] = look.picture[gone]
            self._support_s[gone] = LEARN_S

    def _learn_rival(self, look: Look) -> None:
        dt = np.float32(look.dt_s)
        picture, mean = look.picture.reshape(-1, 3), self._mean.reshape(-1, 3)
        rival, rival_s = self._rival.reshape(-1, 3), self._rival_s.ravel()
        known, support_s = self._known.ravel(), self._support_s.ravel()
        rival_s -= dt * np.float32(DECAY)
        np.maximum(rival_s, np.float32(0), out=rival_s)
        seen = look.near_rival & look.beside
        again = np.flatnonzero(seen)
        longer_s = rival_s[again] + dt * np.float32(1 + DECAY)
        rival_s[again] = np.minimum(longer_s, np.float32(ABSORB_S))
        new = np.flatnonzero(look.beside & ~seen & (self._rival_s <= 0))
        rival[new] = picture[new]
        known[new] = False
        needed_s = np.clip(support_s[again] * np.float32(YOUNG_TIMES), LEARN_S, ABSORB_S)
        won = again[rival_s[again] >= needed_s]
        if len(won):
            was = _uint8(mean[won])
            mean[won], rival[won] = rival[won], was
            support_s[won], rival_s[won] = rival_s[won], np.maximum(support_s[won], LEARN_S)
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


def _uint8(levels: Float32) -> Uint8:
    result: Any = cv2.convertScaleAbs(levels)  # Rounds and saturates.
    return np.asarray(result, np.uint8).reshape(levels.shape)


def _accumulate(levels: Uint8, mean: Float32, rate: float, where: Mask) -> None:
    cv2.accumulateWeighted(levels, mean, rate, where.view(np.uint8))


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
