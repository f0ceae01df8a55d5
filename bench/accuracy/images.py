"""Labelled pictures: YOLOX-nano through our road against the independent reference."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import cv2

from bench.accuracy.average_precision import GroundTruth, Scored
from bench.accuracy.reference import SCORE_MIN, ReferenceYolox
from bench.report import Row
from vedette.detectors.onnx import OnnxDetector
from vedette.settings import Settings
from vedette.sources.pixels import DecodedFrame, Scalers
from vedette.wiring import model_shelf

LOSS_GOAL = "<= 0.005"


def image_rows(data: Path) -> list[Row]:
    """Measure AP50 on the labelled pictures."""
    folder = data / "images" / "coco"
    model = data / "models" / "yolox_nano.onnx"
    annotations = data / "annotations" / "coco.json"
    # The goals were measured with crowds left out; COCO's own custom stands beside it.
    plain, custom = (GroundTruth(annotations, crowds=crowds) for crowds in (False, True))
    with tempfile.TemporaryDirectory() as cache:
        found = {
            name: _found(plain, folder, detect)
            for name, detect in (
                ("reference", _reference(model)),
                ("ours, square, as published", _ours(model, None, rectangular=False)),
                ("ours, square, optimised", _ours(model, Path(cache), rectangular=False)),
                ("ours, rectangular, optimised", _ours(model, Path(cache), rectangular=True)),
            )
        }
    score = {name: plain.ap50(one) for name, one in found.items()}
    rows = []
    for place, what, goal in ((0, "mAP50", "0.468 ± 0.01"), (1, "person AP50", "0.673 ± 0.01")):
        rows += [
            _row(f"{what}, {name}", score[name][place], goal if name == "reference" else "")
            for name in found
        ]
        square = score["ours, square, as published"][place]
        rows += [
            _row(f"{what}, {name}: loss against square", square - score[name][place], LOSS_GOAL)
            for name in list(found)[2:]
        ]
        rows += [
            _row(f"{what}, {name}, crowds forgiven (COCO)", custom.ap50(found[name])[place], "")
            for name in ("reference", "ours, rectangular, optimised")
        ]
    return rows


def _reference(model: Path) -> Callable[[Path], Scored]:
    reference = ReferenceYolox(model)

    def detect(image: Path) -> Scored:
        found = reference.detect(cv2.imread(str(image)))
        return Scored(0, found.xyxy, found.score, found.class_id)

    return detect


def _ours(model: Path, cache_dir: Path | None, *, rectangular: bool) -> Callable[[Path], Scored]:
    path, card = model_shelf(Settings()).resolve(str(model))
    detector = OnnxDetector(
        path, card, cache_dir=cache_dir, confidence_floor=SCORE_MIN, rectangular=rectangular
    )
    scalers = Scalers()

    def detect(image: Path) -> Scored:
        (found,) = detector.detect([_frame(image, scalers)])
        return Scored(0, found.xyxy, found.confidence, found.class_id)

    return detect


def _frame(image: Path, scalers: Scalers) -> DecodedFrame:
    """Give a picture as our road would: decoded by FFmpeg, scaled by swscale."""
    with av.open(str(image)) as container:
        picture = next(container.decode(video=0))
    return DecodedFrame(
        picture, scalers, number=0, pts=0, time_base=Fraction(1, 25), start_pts=0,
        captured_at=None, restart=None,
    )  # fmt: skip


def _found(truth: GroundTruth, folder: Path, detect: Callable[[Path], Scored]) -> list[Scored]:
    return [
        replace(detect(folder / name), image_id=image_id) for image_id, name in truth.images.items()
    ]


def _row(name: str, value: float, goal: str) -> Row:
    return Row(name, value, value, value, "AP", goal)
