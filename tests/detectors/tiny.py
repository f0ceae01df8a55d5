"""The small person detector as a loaded detector, and a picture whose truth is known."""

from __future__ import annotations

from pathlib import Path

from pictures import ArrayFrame
from tiny_onnx import Box, build_person_detector, people_picture
from vedette.detectors.card import ModelCard
from vedette.detectors.guess import card_for
from vedette.detectors.onnx import OnnxDetector
from vedette.detectors.session import Session
from vedette.domain.detection import Detections

BYTES_MAX = 100_000_000
# 16:9, people and vehicles far enough from one another that each is seen alone.
SIZE = (360, 640)
TRUTH: dict[Box, str] = {
    (60, 60, 90, 140): "person",
    (240, 20, 270, 96): "person",
    (420, 40, 520, 100): "vehicle",
    (330, 220, 390, 350): "person",
    (560, 250, 580, 295): "person",
}


def guessed_card(path: Path) -> ModelCard:
    facts = Session(path, bytes_max=BYTES_MAX, optimise=False).facts
    return card_for(facts, name="tiny", given={}, origin=str(path))


def tiny_detector(folder: Path, **options: object) -> OnnxDetector:
    path = folder / "tiny.onnx"
    if not path.exists():
        build_person_detector(path)
    settings: dict[str, object] = {"cache_dir": folder / "cache", "bytes_max": BYTES_MAX}
    return OnnxDetector(path, guessed_card(path), **(settings | options))


def people_frame(seed: int = 0, number: int = 0) -> ArrayFrame:
    return ArrayFrame(people_picture(TRUTH, size=SIZE, seed=seed), number=number)


def assert_finds_the_truth(found: Detections, confidence: float = 0.5) -> None:
    sure = found.take(found.confidence >= confidence)
    seen = {
        tuple(box): found.labels[number]
        for box, number in zip(sure.xyxy.tolist(), sure.class_id, strict=True)
    }
    assert len(seen) == len(TRUTH), seen
    for box, label in TRUTH.items():
        best = max(seen, key=lambda one: iou(one, box))
        assert iou(best, box) > 0.8, (box, best)
        assert seen[best] == label


def iou(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    width = max(0.0, min(one[2], other[2]) - max(one[0], other[0]))
    height = max(0.0, min(one[3], other[3]) - max(one[1], other[1]))
    areas = [(b[2] - b[0]) * (b[3] - b[1]) for b in (one, other)]
    return width * height / (sum(areas) - width * height)
