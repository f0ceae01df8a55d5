"""Labels that others write and read: COCO's JSON, and YOLO's text file per picture."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from vedette.domain.errors import BadInput
from vedette.training.pictures import OBJECT_FROM, PICTURE_FILES, Labelled, read_labels
from vedette.training.teacher import CLASS_OF

# Files that name YOLO's classes, one a line.
NAMES_FILES = ("classes.txt", "obj.names", "labels.txt")
# What COCO's JSON is made of.
PARTS = ("categories", "images", "annotations")
# Our classes, by number.
NAMES = ("person", "vehicle", "bicycle")
# Corners this far outside a picture, as a share of it, are rounding; farther, a mistake.
OUTSIDE = 0.05


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
        BadInput: they are none; names the place.
    """
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadInput(f"labels {path}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise BadInput(f"labels {path}: are no JSON") from error
    if not isinstance(table, dict) or not all(isinstance(table.get(one), list) for one in PARTS):
        raise BadInput(f"labels {path}: are not COCO's, which has lists {', '.join(PARTS)}")
    found: dict[object, Labelled] = {}
    boxes: dict[object, list[list[float]]] = {}
    kinds: dict[object, int | None] = {}
    part, number = "", 0
    try:
        for part, number, one in ((p, n, one) for p in PARTS for n, one in enumerate(table[p])):  # noqa: B007 - told below.
            if part == "categories":
                kinds[one["id"]] = CLASS_OF.get(str(one["name"]).strip().lower())
                continue
            if part == "images":
                found[one["id"]], boxes[one["id"]] = _coco_picture(one), []
                continue
            kind, mine = kinds[one["category_id"]], boxes[one["image_id"]]
            if kind is not None and not one.get("iscrowd"):
                mine.append([*_coco_box(one["bbox"], found[one["image_id"]]), 1.0, kind])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadInput(
            f"labels {path}: entry {number} of '{part}' is not as COCO has it ({_wrong(error)})"
        ) from error
    if all(kind is None for kind in kinds.values()):
        raise BadInput(f"labels {path}: none of their categories is one of {', '.join(CLASS_OF)}")
    labels = [
        Labelled(one.file, one.width, one.height, np.array(boxes[key], np.float32).reshape(-1, 6))
        for key, one in found.items()
    ]
    return sorted(labels, key=lambda one: one.file)


def _coco_picture(image: Mapping[str, Any]) -> Labelled:
    width, height = int(image["width"]), int(image["height"])
    if width < 1 or height < 1:
        raise ValueError(f"a picture of {width} x {height}")
    return Labelled(Path(image["file_name"]).name, width, height, np.empty((0, 6), np.float32))


def _coco_box(box: Sequence[float], on: Labelled) -> list[float]:
    x, y, width, height = (float(side) for side in box)
    corners = [x / on.width, y / on.height, (x + width) / on.width, (y + height) / on.height]
    _check_box(corners, "bbox")
    return [x, y, x + width, y + height]


def _check_box(corners: Sequence[float], what: str) -> None:
    """Refuse a box that is none, given as shares of the picture."""
    inside = all(-OUTSIDE <= one <= 1 + OUTSIDE for one in corners)  # Not so for NaN either.
    if not inside or corners[2] <= corners[0] or corners[3] <= corners[1]:
        raise ValueError(f"{what} is empty or outside of the picture")


def _wrong(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"no {error.args[0]!r}"
    return str(error)


def coco_json(labels: Sequence[Labelled]) -> str:
    """Write labels as COCO's JSON, for a labelling tool; what is doubtful is left out."""
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number, one in enumerate(labels, 1):
        images.append(
            {"id": number, "file_name": one.file, "width": one.width, "height": one.height}
        )
        for x0, y0, x1, y1, score, kind in one.boxes[one.boxes[:, 4] > OBJECT_FROM].tolist():
            box = [round(side, 1) for side in (x0, y0, x1 - x0, y1 - y0)]
            annotations.append(
                {
                    "id": len(annotations) + 1, "image_id": number, "category_id": int(kind) + 1,
                    "bbox": box, "area": round(box[2] * box[3], 1), "iscrowd": 0,
                    "score": round(score, 3),
                }
            )  # fmt: skip
    categories = [{"id": number, "name": name} for number, name in enumerate(NAMES, 1)]
    return json.dumps({"images": images, "categories": categories, "annotations": annotations})


def read_yolo(folder: Path, pictures: Path) -> list[Labelled]:
    """Read YOLO's text files: a line is class, centre x, y, width, height, as shares.

    Classes are named by a `classes.txt` in the folder; without one, 0 is a person, 1 a vehicle.

    Raises:
        BadInput: a line is none, or a text has no picture; names it.
    """
    kinds = _yolo_kinds(folder)
    by_stem = {
        one.stem: one for one in sorted(pictures.iterdir()) if one.suffix.lower() in PICTURE_FILES
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
            for number, line in enumerate(_lines(path), 1)
            if line.strip()
        ]
        kept = [one for one in boxes if one is not None]
        found.append(
            Labelled(picture.name, width, height, np.array(kept, np.float32).reshape(-1, 6))
        )
    if not found:
        raise BadInput(f"labels {folder}: no .txt of YOLO's there")
    return found


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise BadInput(f"labels {path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise BadInput(f"labels {path}: are no text") from error


def _yolo_kinds(folder: Path) -> dict[int, int | None]:
    for name in NAMES_FILES:
        names = folder / name
        if names.is_file():
            words = [word.strip().lower() for word in _lines(names)]
            return {number: CLASS_OF.get(word) for number, word in enumerate(words) if word}
    return {0: 0, 1: 1}


def _yolo_box(
    origin: str, line: str, kinds: Mapping[int, int | None], size: tuple[int, int]
) -> list[float] | None:
    try:
        word, *sides = line.split()[:5]
        kind = int(word)
        x, y, w, h = (float(side) for side in sides)
        corners = [x - w / 2, y - h / 2, x + w / 2, y + h / 2]
        _check_box(corners, "the box")
    except ValueError as error:
        raise BadInput(
            f"{origin}: must be: class x y width height, as shares of the picture"
        ) from error
    if kind not in kinds:
        raise BadInput(
            f"{origin}: class {kind} has no name: write all names, one a line, into "
            f"{NAMES_FILES[0]} beside it"
        )
    ours = kinds[kind]
    if ours is None:
        return None
    scaled = [share * side for share, side in zip(corners, size * 2, strict=True)]
    return [*scaled, 1.0, ours]
