"""A yard with people and vehicles of known boxes, as picture files with labels of each format."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import cv2
import numpy as np

from tiny_onnx import Box, people_picture

SIZE = (360, 640)
KINDS = {"person": 0, "vehicle": 1}
Picture = np.ndarray
Truth = dict[Box, str]


def yard_truth(number: int) -> Truth:
    """Give four objects, each in its own quarter of the picture."""
    chance = np.random.default_rng([7, number])
    truth: Truth = {}
    for left, top in itertools.product((0, 320), (0, 180)):
        label = "person" if chance.random() < 0.6 else "vehicle"
        width, height = (22, 56) if label == "person" else (70, 42)
        x = left + 30 + int(chance.integers(0, 260 - width))
        y = top + 24 + int(chance.integers(0, 132 - height))
        truth[x, y, x + width, y + height] = label
    return truth


def yard_picture(number: int) -> Picture:
    return people_picture(yard_truth(number), size=SIZE, seed=number)


def write_yard(folder: Path, count: int) -> list[str]:
    """Write that many pictures; give their names."""
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"yard_{number:04d}.png" for number in range(count)]
    for number, name in enumerate(names):
        assert cv2.imwrite(str(folder / name), yard_picture(number))
    return names


def write_yard_coco(path: Path, names: list[str]) -> Path:
    images, annotations = [], []
    for number, name in enumerate(names):
        images.append({"id": number, "file_name": name, "width": SIZE[1], "height": SIZE[0]})
        annotations += [
            {
                "id": len(annotations) + at, "image_id": number, "category_id": 1 + KINDS[label],
                "bbox": [x0, y0, x1 - x0, y1 - y0], "iscrowd": 0,
            }
            for at, ((x0, y0, x1, y1), label) in enumerate(yard_truth(number).items())
        ]  # fmt: skip
    categories = [{"id": 1, "name": "person"}, {"id": 2, "name": "vehicle"}]
    path.write_text(
        json.dumps({"images": images, "annotations": annotations, "categories": categories})
    )
    return path


def true_boxes(number: int) -> np.ndarray:
    """Give (4, 6): corners, score 1, class."""
    return np.array(
        [[*box, 1.0, KINDS[label]] for box, label in yard_truth(number).items()], np.float32
    )
