"""The published YOLOX-nano and real pictures, where `VEDETTE_DATA` has them."""

from __future__ import annotations

import json
import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from detectors.tiny import BYTES_MAX, guessed_card, iou
from parts import need
from pictures import ArrayFrame
from vedette.detectors.card import Family
from vedette.detectors.coco import COCO_80
from vedette.detectors.graph import rewrite
from vedette.detectors.onnx import OnnxDetector
from vedette.detectors.session import Session


@pytest.fixture
def data() -> Path:
    folder = Path(os.environ.get("VEDETTE_DATA", "/nowhere"))
    need("data", (folder / "models").is_dir(), "VEDETTE_DATA names no folder of models and images")
    return folder


@pytest.fixture
def nano(data: Path) -> Path:
    return data / "models" / "yolox_nano.onnx"


@pytest.fixture
def crowd(data: Path) -> tuple[ArrayFrame, list[list[float]]]:
    """Give the labelled picture with the most large people, and their boxes."""
    truth = json.loads((data / "annotations" / "coco.json").read_text())
    person = next(one["id"] for one in truth["categories"] if one["name"] == "person")
    boxes: dict[int, list[list[float]]] = {}
    for one in truth["annotations"]:
        x, y, w, h = one["bbox"]
        if one["category_id"] == person and not one["iscrowd"] and w * h > 64 * 64:
            boxes.setdefault(one["image_id"], []).append([x, y, x + w, y + h])
    image = max(boxes, key=lambda number: (len(boxes[number]), number))
    name = next(one["file_name"] for one in truth["images"] if one["id"] == image)
    picture = cv2.imread(str(data / "images" / "coco" / name))
    return ArrayFrame(np.asarray(picture, np.uint8)), boxes[image]


def test_its_card_is_guessed_from_its_graph(nano: Path) -> None:
    card = guessed_card(nano)

    assert card.family is Family.YOLOX
    assert card.labels == COCO_80
    assert (card.input, card.height, card.width) == ("images", 416, 416)


def test_its_graph_is_rewritten_and_loses_nothing(nano: Path, tmp_path: Path) -> None:
    card = guessed_card(nano)

    assert rewrite(nano, card, to=tmp_path / "new.onnx", bytes_max=BYTES_MAX) is None

    picture = np.random.default_rng(3).integers(0, 256, (1, 3, 416, 416)).astype(np.float32)
    (before,) = Session(nano, bytes_max=BYTES_MAX).run({"images": picture})
    (after,) = Session(tmp_path / "new.onnx", bytes_max=BYTES_MAX).run({"images": picture})
    assert np.abs(before - after).max() < 1e-3


@pytest.mark.parametrize("rectangular", [False, True])
def test_people_are_found_on_a_photograph(
    nano: Path,
    crowd: tuple[ArrayFrame, list[list[float]]],
    tmp_path: Path,
    rectangular: bool,
) -> None:
    frame, people = crowd
    detector = OnnxDetector(
        nano, guessed_card(nano), cache_dir=tmp_path / "cache", classes=["person"],
        rectangular=rectangular,
    )  # fmt: skip

    (found,) = detector.detect([frame])

    sure = found.take(found.confidence > 0.3).xyxy.tolist()
    hits = [person for person in people if any(iou(box, person) > 0.5 for box in sure)]
    assert len(people) >= 5  # A crowd: even a large model misses some of it.
    assert len(hits) >= 0.6 * len(people)


def test_the_rewritten_graph_finds_what_the_original_finds(
    nano: Path, crowd: tuple[ArrayFrame, list[list[float]]], tmp_path: Path
) -> None:
    frame, _ = crowd
    card = guessed_card(nano)
    original = OnnxDetector(nano, card, cache_dir=None)
    square = OnnxDetector(nano, card, cache_dir=tmp_path / "cache", rectangular=False)

    (one,), (other,) = original.detect([frame]), square.detect([frame])

    assert one.class_id.tolist() == other.class_id.tolist()
    assert np.allclose(one.xyxy, other.xyxy, atol=0.05)
    assert np.allclose(one.confidence, other.confidence, atol=1e-4)


def test_a_model_of_an_unknown_family_is_refused_with_what_to_write(data: Path) -> None:
    from vedette.domain.errors import ModelUnreadable

    with pytest.raises(ModelUnreadable, match="does not tell family and labels"):
        guessed_card(data / "models" / "FastestDet.onnx")
