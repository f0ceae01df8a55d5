"""The pictures to learn from: labels in lines of JSON, pixels decoded once into one flat file.

A line is `{"f": file, "w": width, "h": height, "b": [[x_min, y_min, x_max, y_max, score, class]]}`
in pixels; class 0 person, 1 vehicle, 2 bicycle (which nobody learns: a cell on one is excused).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from vedette.domain.errors import BadInput

Picture = npt.NDArray[np.uint8]
Boxes = npt.NDArray[np.float32]

PICTURE_FILES = {".jpg", ".jpeg", ".png", ".bmp", ".webp"}
LONG_SIDE = 384
# A picture with nothing on it teaches what is nothing, and less than one with somebody.
EMPTY_WEIGHT = 0.35
# From this score on a label is an object; from the lower one on it is doubtful.
OBJECT_FROM, DOUBTFUL_FROM = 0.30, 0.12


@dataclass(frozen=True, slots=True)
class Labelled:
    """One picture's labels.

    Attributes:
        file: Its name in the folder; what comes before the last `_` names its source.
        width, height: Pixels that the boxes mean.
        boxes: (N, 6) x_min, y_min, x_max, y_max, score, class.
    """

    file: str
    width: int
    height: int
    boxes: Boxes

    @property
    def source(self) -> str:
        """The key of the source it comes from."""
        return self.file.rsplit("_", 1)[0]


def read_labels(path: Path) -> list[Labelled]:
    """Read a file of labels, by name of the pictures.

    Raises:
        BadInput: there is no such file, or a line is none; names it.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise BadInput(f"labels {path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise BadInput(f"labels {path}: are no text") from error
    found = []
    for number, line in enumerate(lines, 1):
        try:
            one = json.loads(line)
            boxes = np.array(one["b"], np.float32).reshape(-1, 6)
            found.append(Labelled(str(one["f"]), int(one["w"]), int(one["h"]), boxes))
        except (ValueError, KeyError, TypeError) as error:
            raise BadInput(
                f"labels {path}, line {number}: is not one of Vedette's labels"
            ) from error
    return sorted(found, key=lambda one: one.file)


def label_line(one: Labelled) -> str:
    """Write the line that `read_labels` reads."""
    boxes = [
        [*(round(float(v), 1) for v in box[:4]), round(float(box[4]), 3), int(box[5])]
        for box in one.boxes
    ]
    return json.dumps({"f": one.file, "w": one.width, "h": one.height, "b": boxes}) + "\n"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a picture lies in the flat file, and what is on it (boxes in its own pixels)."""

    file: str
    start: int
    height: int
    width: int
    boxes: Boxes


class PictureSet:
    """Pictures in memory, drawn by chance with a weight for each source."""

    def __init__(
        self, pixels: npt.NDArray[np.uint8], places: Sequence[Place], weights: Sequence[float]
    ) -> None:
        self._pixels = pixels
        self.places = list(places)
        share = np.array(weights, np.float64)
        self._bounds = np.cumsum(share / share.sum())

    def __len__(self) -> int:
        return len(self.places)

    def picture(self, place: Place) -> Picture:
        """Give the pixels, (height, width, 3) BGR; a view, not to be written."""
        end = place.start + place.height * place.width * 3
        return self._pixels[place.start : end].reshape(place.height, place.width, 3)

    def draw(self, chance: np.random.Generator) -> Place:
        """Draw a picture."""
        number = int(np.searchsorted(self._bounds, chance.random()))
        return self.places[min(number, len(self.places) - 1)]


def load_pictures(
    folder: Path,
    labels: Sequence[Labelled],
    *,
    keep_in: Path,
    weights: Sequence[float] | None = None,
    tick: Callable[[int], object] = lambda _: None,
) -> PictureSet:
    """Decode all pictures once, at `LONG_SIDE` at most; a second call finds them decoded.

    Args:
        folder: Where the picture files lie.
        labels: Which, and what is on them.
        keep_in: Folder for the flat file.
        weights: How often each is drawn, against 1.
        tick: Called with the number of pictures done.

    Raises:
        BadInput: a picture cannot be read; names it.
    """
    names = "\n".join(f"{one.file} {_size(folder / one.file)}" for one in labels)
    key = hashlib.sha256(f"{LONG_SIDE}\n{names}".encode()).hexdigest()[:16]
    flat, index = keep_in / f"pictures-{key}.bin", keep_in / f"pictures-{key}.json"
    if not index.is_file():
        _decode_all(folder, labels, flat, index, tick)
    sizes = json.loads(index.read_text())
    places, shares, start = [], [], 0
    often = weights or [1.0] * len(labels)
    for one, (height, width), weight in zip(labels, sizes, often, strict=True):
        boxes = one.boxes.copy()
        boxes[:, [0, 2]] *= width / one.width
        boxes[:, [1, 3]] *= height / one.height
        places.append(Place(one.file, start, height, width, boxes))
        start += height * width * 3
        full = bool((boxes[:, 4] > OBJECT_FROM).any())
        shares.append(weight * (1.0 if full else EMPTY_WEIGHT))
    return PictureSet(np.memmap(flat, np.uint8, "r"), places, shares)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError as error:
        raise BadInput(f"picture {path}: cannot be read: {error.strerror}") from error


def _decode_all(
    folder: Path,
    labels: Sequence[Labelled],
    flat: Path,
    index: Path,
    tick: Callable[[int], object],
) -> None:
    flat.parent.mkdir(parents=True, exist_ok=True)
    sizes = []
    with flat.open("wb") as out:
        for number, one in enumerate(labels, 1):
            picture = read_picture(folder / one.file)
            out.write(picture.tobytes())
            sizes.append(picture.shape[:2])
            tick(number)
    draft = index.with_suffix(".draft")
    draft.write_text(json.dumps(sizes))
    draft.rename(index)  # Last: it says that the flat file is whole.


def read_picture(path: Path, long_side: int = LONG_SIDE) -> Picture:
    """Read a picture, shrunk where its long side is longer.

    Raises:
        BadInput: it is none.
    """
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if picture is None:
        raise BadInput(f"picture {path}: is no picture that can be read")
    scale = long_side / max(picture.shape[:2])
    if scale < 1:
        height, width = (max(1, round(side * scale)) for side in picture.shape[:2])
        picture = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(picture, np.uint8)
