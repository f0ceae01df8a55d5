"""The ONNX road on the built-in street, with a detector tuned to it and the scene's own truth."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import cv2
import numpy as np

from detectors.tiny import BYTES_MAX, guessed_card, iou
from pictures import ArrayFrame
from tiny_onnx import build_person_detector
from vedette.detectors.onnx import OnnxDetector
from vedette.sources.street.film import Film
from vedette.sources.street.parameters import StreetParameters
from vedette.sources.street.truth import truth


def test_most_people_and_vehicles_of_the_street_are_found(tmp_path: Path) -> None:
    street = StreetParameters(seed=3, seconds=20, width=640, height=360)
    empty = Film(dataclasses.replace(street, people=0, vehicles=0)).still(0)
    model = build_person_detector(tmp_path / "street.onnx", size=(256, 416), ground=empty)
    detector = OnnxDetector(
        model, guessed_card(model), cache_dir=tmp_path / "cache", bytes_max=BYTES_MAX
    )
    film, objects = Film(street), truth(street).objects

    there = found = right = 0
    for number in range(0, street.pictures, 20):
        planes = film.planes(number)
        frame = ArrayFrame(np.asarray(cv2.cvtColor(planes, cv2.COLOR_YUV2BGR_I420), np.uint8))
        (seen,) = detector.detect([frame])
        sure = seen.take(seen.confidence >= 0.5)
        boxes = [(one.kind, one.boxes[number]) for one in objects if number in one.boxes]
        there += len(boxes)
        found += len(sure)
        right += sum(
            any(
                sure.labels[label] == kind and iou(box, true) > 0.4
                for box, label in zip(sure.xyxy.tolist(), sure.class_id, strict=True)
            )
            for kind, true in boxes
        )

    assert there > 20
    assert right >= 0.5 * there
    assert found <= 1.5 * there
