"""Pictures made worse as cameras and their coding make them: labels stay true, pixels suffer."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from vedette.training.pictures import Picture

# Share of pictures that are blurred, coarse, noisy or compressed; and of those in other hues.
WORN_SHARE, HUE_SHARE = 0.35, 0.3


def wear(pictures: npt.NDArray[np.uint8], chance: np.random.Generator) -> None:
    """Make some of the pictures (N, H, W, 3), in place, what cameras and their coding make."""
    for picture in pictures:
        if chance.random() < HUE_SHARE:
            picture[:] = in_other_hues(picture, chance)
        if chance.random() < WORN_SHARE:
            picture[:] = _worn(picture, chance)


def in_other_hues(picture: Picture, chance: np.random.Generator) -> Picture:
    """Give a picture whose colours are turned, and stronger or weaker."""
    colours = cv2.cvtColor(picture, cv2.COLOR_BGR2HSV)
    turn, more = int(chance.integers(180)), chance.uniform(0.4, 1.7)
    hue = ((np.arange(256) + turn) % 180).astype(np.uint8)
    strength = (np.arange(256) * more).clip(0, 255).astype(np.uint8)
    same = np.arange(256, dtype=np.uint8)
    changed = cv2.LUT(colours, np.stack([hue, strength, same], -1)[None])
    return np.asarray(cv2.cvtColor(changed, cv2.COLOR_HSV2BGR), np.uint8)


def _worn(picture: Picture, chance: np.random.Generator) -> Picture:
    height, width = picture.shape[:2]
    kind = chance.integers(5)
    if kind == 0:
        sigma = float(chance.uniform(0.4, 1.6))
        return np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma), np.uint8)
    if kind == 1:
        length = int(chance.integers(3, 8))
        moved = np.full((1, length) if chance.random() < 0.7 else (length, 1), 1 / length)
        return np.asarray(cv2.filter2D(picture, -1, moved), np.uint8)
    if kind == 2:
        by = chance.uniform(0.35, 0.8)
        small = cv2.resize(
            picture, (int(width * by), int(height * by)), interpolation=cv2.INTER_AREA
        )
        return np.asarray(cv2.resize(small, (width, height)), np.uint8)
    if kind == 3:
        noise = chance.standard_normal(picture.shape, np.float32) * chance.uniform(3, 16)
        return (picture + noise).clip(0, 255).astype(np.uint8)
    quality = int(chance.integers(12, 60))
    coded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.uint8)
