"""Pictures of the built-in street, with labels that are true, as one source among the others.

The seeds are far from those that examples and tests play.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from vedette.sources.street.film import Film
from vedette.sources.street.parameters import StreetParameters
from vedette.sources.street.truth import truth
from vedette.training.pictures import Labelled, Picture
from vedette.training.teacher import PERSON, VEHICLE

SOURCE = "street"
FIRST_SEED = 100_000
STREETS = 24
PICTURES_PER_STREET = 16
KINDS = {"person": PERSON, "vehicle": VEHICLE}
# An object of which less than this is to be seen beside what stands before it is doubtful.
SEEN_LEAST = 0.5


def rendered(streets: int = STREETS) -> Iterator[tuple[Labelled, Picture]]:
    """Give pictures of as many different streets, each with its labels."""
    chance = np.random.default_rng(FIRST_SEED)
    for number in range(streets):
        parameters = StreetParameters(
            people=int(chance.integers(3, 14)),
            vehicles=int(chance.integers(2, 8)),
            seed=FIRST_SEED + number,
            seconds=30,
            fps=2,
            width=1280 if number % 3 else 854,
            height=720 if number % 3 else 480,
        )
        yield from _of_street(number, parameters, chance)


def _of_street(
    street: int, parameters: StreetParameters, chance: np.random.Generator
) -> Iterator[tuple[Labelled, Picture]]:
    film, objects = Film(parameters), truth(parameters).objects
    for at in sorted(chance.choice(parameters.pictures, PICTURES_PER_STREET, replace=False)):
        boxes = [
            [*one.boxes[int(at)], 1.0, KINDS[one.kind]] for one in objects if int(at) in one.boxes
        ]
        picture = cv2.cvtColor(film.planes(int(at)), cv2.COLOR_YUV2BGR_I420)
        labelled = Labelled(
            f"{SOURCE}_{street:03d}-{int(at):04d}.jpg",
            parameters.width,
            parameters.height,
            _doubting_hidden(np.array(boxes, np.float32).reshape(-1, 6)),
        )
        yield labelled, np.asarray(picture, np.uint8)


def _doubting_hidden(boxes: np.ndarray) -> np.ndarray:
    """Make doubtful what stands mostly behind something nearer (whose feet are lower)."""
    boxes = boxes.copy()
    for one in boxes:
        for other in boxes:
            if other[3] > one[3]:
                start, end = np.maximum(one[:2], other[:2]), np.minimum(one[2:4], other[2:4])
                hidden = (end - start).clip(0).prod() / max(1e-9, (one[2:4] - one[:2]).prod())
                if hidden > 1 - SEEN_LEAST:
                    one[4] = 0.2
    return boxes


def write_picture(picture: Picture, path: Path) -> None:
    """Write a picture as JPEG, as cameras do."""
    written = cv2.imwrite(str(path), picture, [cv2.IMWRITE_JPEG_QUALITY, 80])
    assert written, path
