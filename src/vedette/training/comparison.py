"""A model beside another one: on the same labelled pictures, and by the clock on one core."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vedette.detectors.base import Detector
from vedette.training.judging import Judged, matches_of
from vedette.training.network import CLASSES
from vedette.training.pictures import Labelled, read_picture
from vedette.training.recipe import judged_by
from vedette.training.teacher import Still

TURNS = 60
# The picture both are timed on: 16:9, already of the size a model of 416 takes, so that it is the
# model's time and not the scaler's.
FRAME = (234, 416)


@dataclass(frozen=True, slots=True)
class Figure:
    """Average precision at overlap 0.5 of one class, and its standard deviation over pictures."""

    label: str
    ap50: float
    uncertainty: float
    objects: int


def figures(detector: Detector, labels: Sequence[Labelled], folder: Path) -> list[Figure]:
    """Judge a detector on labelled pictures (at their own size)."""
    pictures = [read_picture(folder / one.file, long_side=10_000) for one in labels]
    return figures_of(judged_by(detector, labels, pictures))


def figures_of(judged: Sequence[Judged]) -> list[Figure]:
    """Give the figures of each class."""
    found = []
    for kind, label in enumerate(CLASSES):
        matches = matches_of(judged, kind)
        found.append(
            Figure(
                label,
                matches.average_precision(),
                matches.uncertainty(),
                int(matches.objects.sum()),
            )
        )
    return found


def time_ratio(one: Detector, other: Detector) -> tuple[float, float, float]:
    """Give milliseconds of CPU per picture of both, and their ratio; medians, taken in turns.

    Both look at the same 16:9 picture: 256 x 416 for models whose input is 416 and open.
    """
    chance = np.random.default_rng(0)
    still = Still(chance.integers(0, 256, (*FRAME, 3), dtype=np.uint8))
    taken: tuple[list[float], list[float]] = ([], [])
    for _ in range(TURNS):
        for detector, times in zip((one, other), taken, strict=True):
            began = time.thread_time()
            detector.detect([still])
            times.append((time.thread_time() - began) * 1e3)
    mine, others = float(np.median(taken[0])), float(np.median(taken[1]))
    return mine, others, mine / others
