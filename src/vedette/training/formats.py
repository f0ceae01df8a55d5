"""Labels that others wrote: COCO's JSON, and YOLO's text file per picture."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from vedette.domain.errors import BadInput
from vedette.training.pictures import Labelled, read_labels
from vedette.training.teacher import CLASS_OF

# Files that name YOLO's classes, one a line.
NAMES_FILES = ("classes.txt", "obj.names", "labels.txt")


def read_any_labels(path: Path, pictures: Path) -> list[Labelled]:
    """Read labels of any of the formats; a label that is no person or vehicle is left out.

    Args:
        path: A `.jsonl` of ours, COCO's `.json`, or a folder of YOLO's `.txt`.
        pictures: Folder of the pictures.

    Raises:
        BadInput: it is none of them, or damaged; names the file and the place.
    """
    if path.is_dir():
        return read_yolo(path, pictures)
    if path.suffix == ".jsonl":
        return read_labels(path)
    if path.suffix == ".json":
        return read_coco(path)
    raise BadInput(
        f"labels {path}: neither COCO's .json, nor a folder of YOLO's .txt, nor .jsonl of Vedette's"
    )


def read_coco(path: Path) -> list[Labelled]:
    """Read COCO's annotations by name of the pictures; crowds are left out.

    Raises:
        BadInput: they are none.
    """
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
        kinds = {one["id"]: CLASS_OF.get(one["name"]) for one in table["categories"]}
        boxes: dict[int, list[list[float]]] = {one["id"]: [] for one in table["images"]}
        for one in table["annotations"]:
            kind = kinds[one["category_id"]]
            if kind is not None and not one.get("iscrowd"):
                x, y, width, height = one["bbox"]
                boxes[one["image_id"]].append([x, y, x + width, y + height, 1.0, kind])
        found = [_of_coco(one, boxes[one["id"]]) for one in table["images"]]
    except OSError as error:
        raise BadInput(f"labels {path}: cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise BadInput(f"labels {path}: are not COCO's: {error!r}") from error
    return sorted(found, key=lambda one: one.file)


def _of_coco(image: Mapping[str, Any], boxes: Sequence[Sequence[float]]) -> Labelled:
    return Labelled(
        Path(image["file_name"]).name,
        int(image["width"]),
        int(image["height"]),
        np.array(boxes, np.float32).reshape(-1, 6),
    )


def read_yolo(folder: Path, pictures: Path) -> list[Labelled]:
    """Read YOLO's text files: a line is class, centre x, y, width, height, as shares.

    Classes are named by a `classes.txt` in the folder; without one, 0 is a person, 1 a vehicle.

    Raises:
        BadInput: a line is none, or a text has no picture; names it.
    """
    kinds = _yolo_kinds(folder)
    by_stem = {
        one.stem: one for one in pictures.iterdir() if one.is_file() and one.suffix != ".txt"
    }
    found = []
    for path in sorted(folder.glob("*.txt")):
        if path.name in NAMES_FILES:
            continue
        picture = by_stem.get(path.stem)
        whole = None if picture is None else cv2.imread(str(picture))
        if picture is None or whole is None:
            raise BadInput(f"labels {path}: no picture of that name in {pictures}")
        height, width = whole.shape[:2]
        boxes = [
            _yolo_box(f"labels {path}, line {number}", line, kinds, (width, height))
            for number, line in enumerate(path.read_text().splitlines(), 1)
            if line.strip()
        ]
        kept = [one for one in boxes if one is not None]
        found.append(
            Labelled(picture.name, width, height, np.array(kept, np.float32).reshape(-1, 6))
        )
    if not found:
        raise BadInput(f"labels {folder}: no .txt of YOLO's there")
    return found


def _yolo_kinds(folder: Path) -> dict[int, int | None]:
    for name in NAMES_FILES:
        names = folder / name
        if names.is_file():
            words = names.read_text().split("\n")
            return {number: CLASS_OF.get(word.strip()) for number, word in enumerate(words)}
    return {0: 0, 1: 1}


def _yolo_box(
    origin: str, line: str, kinds: Mapping[int, int | None], size: tuple[int, int]
) -> list[float] | None:
    try:
        kind, x, y, w, h = line.split()[:5]
        centre_x, centre_y = float(x) * size[0], float(y) * size[1]
        half_w, half_h = float(w) * size[0] / 2, float(h) * size[1] / 2
        ours = kinds.get(int(kind))
    except ValueError as error:
        raise BadInput(
            f"{origin}: must be: class x y width height (shares of the picture)"
        ) from error
    if ours is None:
        return None
    return [
        centre_x - half_w, centre_y - half_h, centre_x + half_w, centre_y + half_h, 1.0, ours,
    ]  # fmt: skip
