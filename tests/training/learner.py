"""A tiny training on few rendered pictures; run as a script it *is* one, to be killed.

`learner.py FOLDER`: trains, keeps its state in FOLDER/training.pt, prints a line per step.
"""

from __future__ import annotations

import dataclasses
import itertools
import sys
from pathlib import Path

import cv2
import numpy as np
import torch

from training.yard import true_boxes, yard_picture
from vedette.training.imitation import Example
from vedette.training.loop import Plan, Training
from vedette.training.network import Shape
from vedette.training.pictures import PictureSet, Place
from vedette.training.rendered import rendered

SHAPE = Shape(widths=(8, 8, 16, 16, 16), blocks=(0, 0, 1, 0), neck=16)
PLAN = Plan(
    samples=96, batch=4, sizes=((96, 160),), first_sizes=((64, 96),), first_share=0.5, rate=0.02,
    seed=5,
)  # fmt: skip
KEEP_EVERY = 4
WIDTH = 320


def street(count: int) -> PictureSet:
    """Give the first pictures of the rendered streets, small."""
    shown = itertools.islice(rendered(1), count)
    return _small([(labelled.boxes, picture) for labelled, picture in shown])


def yard(count: int) -> PictureSet:
    """Give pictures of the yard, small."""
    return _small([(true_boxes(number), yard_picture(number)) for number in range(count)])


def _small(shown: list[tuple[np.ndarray, np.ndarray]]) -> PictureSet:
    pixels, places, start = [], [], 0
    for number, (whole_boxes, picture) in enumerate(shown):
        share = WIDTH / picture.shape[1]
        small = cv2.resize(picture, None, fx=share, fy=share, interpolation=cv2.INTER_AREA)
        boxes = whole_boxes.copy()
        boxes[:, :4] *= share
        places.append(Place(str(number), start, *small.shape[:2], boxes))
        pixels.append(small.ravel())
        start += small.size
    return PictureSet(np.concatenate(pixels), places, [1.0] * len(places))


def new_training(example: Example | None = None, **changes: object) -> Training:
    # One thread adds in one order.
    torch.set_num_threads(1)
    plan = dataclasses.replace(PLAN, **changes)
    return Training(plan, SHAPE, device="cpu", example=example)


def carry_out(training: Training, folder: Path, pictures: PictureSet) -> Training:
    """Train to the end, or go on there."""
    kept = folder / "training.pt"
    if kept.is_file():
        training.go_on_from(kept)
    training.run(
        pictures,
        every=KEEP_EVERY,
        pause=lambda now: now.keep(kept),
        tick=lambda now: print("step", now.step, flush=True),
    )
    return training


if __name__ == "__main__":
    carry_out(new_training(), Path(sys.argv[1]), street(4))
