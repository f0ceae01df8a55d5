"""Small objects in tiles: what is gained on labelled pictures, and what it costs, in one run.

People count as small who are less than 32 pixels high once the picture is scaled to 416. Camera
pictures are larger than labelled ones, so these are also laid out in sheets of six, 1920 x 1280.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import numpy.typing as npt

from bench.report import Row, row_of
from vedette.detectors.base import Detector
from vedette.detectors.onnx import OnnxDetector
from vedette.detectors.tiles import TiledDetector
from vedette.domain.detection import Detections
from vedette.domain.errors import BadInput
from vedette.domain.frame import PixelFormat
from vedette.domain.tiles import Tiles
from vedette.settings import Settings
from vedette.sources.pixels import DecodedFrame, Scalers
from vedette.wiring import model_shelf

SCORE_MIN = 0.01
# Pixels of height, at 416, below which a person is small.
SMALL_PX, INPUT_PX = 32, 416
CELL_PX, SHEET = 640, Tiles(3, 2)
PIXEL_ROUNDS = 15
GRIDS = (None, Tiles(2, 2), Tiles(3, 3))
SHEET_GRIDS = (None, Tiles(2, 2), Tiles(3, 2), Tiles(4, 3))

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Labelled:
    """A picture, BGR, and what is in it: box and category id each."""

    picture: npt.NDArray[np.uint8]
    objects: tuple[tuple[Box, int], ...]


def tile_rows(data: Path) -> list[Row]:
    """Measure AP50 with and without tiles, and the ratio of CPU time."""
    logging.getLogger("vedette.detectors.tiles").setLevel(logging.ERROR)
    cv2.setNumThreads(1)
    path, card = model_shelf(Settings()).resolve(str(data / "models" / "yolox_nano.onnx"))
    table = json.loads((data / "annotations" / "coco.json").read_text())
    pictures = _labelled(table, data / "images" / "coco")
    rows = []
    with tempfile.TemporaryDirectory() as cache:
        plain = OnnxDetector(path, card, cache_dir=Path(cache), confidence_floor=SCORE_MIN)

        def detectors(grids: Sequence[Tiles | None]) -> dict[str, Detector]:
            return {
                "whole": plain,
                **{f"tiles {one}": TiledDetector(plain, card, one) for one in grids if one},
            }

        rows += _compared("pictures", pictures, detectors(GRIDS), table)
        rows += _compared("sheets", _sheets(pictures), detectors(SHEET_GRIDS), table)
    return rows + _pixel_rows()


def _compared(
    what: str, pictures: list[Labelled], detectors: dict[str, Detector], table: dict[str, Any]
) -> list[Row]:
    found: dict[str, list[Detections]] = {name: [] for name in detectors}
    cpu_s: dict[str, list[float]] = {name: [] for name in detectors}
    scalers = Scalers()
    for one in pictures:
        frame = _frame(_shown(one.picture), scalers)
        for name, detector in detectors.items():
            began_s = time.thread_time()
            try:
                (seen,) = detector.detect([frame])
            except BadInput:  # A few pictures are so small that tiles would show blur.
                (seen,) = detectors["whole"].detect([frame])
            cpu_s[name].append(time.thread_time() - began_s)
            found[name].append(seen)
    rows = []
    for name in detectors:
        scores = _judged(pictures, found[name], table)
        rows += [_row(f"{what}: {score}, {name}", value, "AP") for score, value in scores.items()]
        if name != "whole":
            ratios = [mine / bare for mine, bare in zip(cpu_s[name], cpu_s["whole"], strict=True)]
            rows.append(
                Row(f"{what}: CPU, {name} / whole", sum(cpu_s[name]) / sum(cpu_s["whole"]),
                    min(ratios), max(ratios), "ratio")
            )  # fmt: skip
    return rows


def _judged(
    pictures: list[Labelled], found: list[Detections], table: dict[str, Any]
) -> dict[str, float]:
    """Give AP50 over all labels, of people, of small objects and of small people."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):
        truth, answers = COCO(), None
        truth.dataset = _truth(pictures, table)
        truth.createIndex()
        categories = sorted(truth.getCatIds())
        answers = truth.loadRes(_answers(found, categories))
        # COCO sorts by area; here the height at the model's input decides, of what is found too.
        for one in answers.dataset["annotations"]:
            one["area"] = _height_416(pictures[one["image_id"]], one["bbox"][3]) ** 2
        judge = COCOeval(truth, answers, "bbox")
        judge.params.iouThrs = np.array([0.5])
        judge.params.areaRng = [[0, 1e10], [0, SMALL_PX**2]]
        judge.params.areaRngLbl = ["all", "small"]
        judge.params.maxDets = [300]
        judge.evaluate()
        judge.accumulate()
    precision = judge.eval["precision"][0, :, :, :, 0]
    person = categories.index(truth.getCatIds(catNms=["person"])[0])
    scores = {}
    for place, size in enumerate(("", "small ")):
        labelled = precision[:, precision[:, :, place].max(axis=0) > -1, place]
        scores[f"{size}objects mAP50"] = float(labelled.mean())
        scores[f"{size}people AP50"] = float(precision[:, person, place].mean())
    return scores


def _truth(pictures: list[Labelled], table: dict[str, Any]) -> dict[str, Any]:
    annotations: list[dict[str, Any]] = []
    for number, one in enumerate(pictures):
        for (x1, y1, x2, y2), category in one.objects:
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": category,
                    "bbox": [x1, y1, x2 - x1, y2 - y1],
                    "area": _height_416(one, y2 - y1) ** 2,
                    "iscrowd": 0,
                }
            )
    images = [{"id": number} for number in range(len(pictures))]
    return {"images": images, "annotations": annotations, "categories": table["categories"]}


def _answers(found: list[Detections], categories: list[int]) -> list[dict[str, Any]]:
    return [
        {
            "image_id": number,
            "category_id": categories[int(label)],
            "bbox": [float(x1), float(y1), float(x2 - x1), float(y2 - y1)],
            "score": float(score),
        }
        for number, one in enumerate(found)
        for (x1, y1, x2, y2), score, label in zip(
            one.xyxy, one.confidence, one.class_id, strict=True
        )
    ]


def _height_416(one: Labelled, height: float) -> float:
    return height * INPUT_PX / float(max(one.picture.shape[:2]))


def _labelled(table: dict[str, Any], folder: Path) -> list[Labelled]:
    objects: dict[int, list[tuple[Box, int]]] = {one["id"]: [] for one in table["images"]}
    for one in table["annotations"]:
        if not one.get("iscrowd"):
            x, y, width, height = one["bbox"]
            objects[one["image_id"]].append(((x, y, x + width, y + height), one["category_id"]))
    return [
        Labelled(
            np.asarray(cv2.imread(str(folder / one["file_name"])), np.uint8),
            tuple(objects[one["id"]]),
        )
        for one in table["images"]
    ]


def _sheets(pictures: list[Labelled]) -> list[Labelled]:
    """Lay pictures out six to a sheet, each at its own size, the rest grey."""
    cells = SHEET.columns * SHEET.rows
    sheets = []
    for first in range(0, len(pictures), cells):
        sheet = np.full((SHEET.rows * CELL_PX, SHEET.columns * CELL_PX, 3), 114, np.uint8)
        objects: list[tuple[Box, int]] = []
        for place, one in enumerate(pictures[first : first + cells]):
            height, width = one.picture.shape[:2]
            top, left = (side * CELL_PX for side in divmod(place, SHEET.columns))
            sheet[top : top + height, left : left + width] = one.picture
            objects += [
                ((x1 + left, y1 + top, x2 + left, y2 + top), category)
                for (x1, y1, x2, y2), category in one.objects
            ]
        sheets.append(Labelled(sheet, tuple(objects)))
    return sheets


def _pixel_rows() -> list[Row]:
    """Measure how the pixels of 2x2 tiles are best had from a decoded 1080p picture."""
    rng = np.random.default_rng(1)
    small = rng.integers(0, 256, (135, 240, 3)).astype(np.uint8)
    picture = np.asarray(cv2.resize(small, (1920, 1080), interpolation=cv2.INTER_CUBIC), np.uint8)
    decoded, scalers = _shown(picture).reformat(format="yuv420p"), Scalers()
    once, full = [], []
    for _ in range(PIXEL_ROUNDS):
        began_s = time.thread_time()
        _frame(decoded, scalers).pixels(770, 433, PixelFormat.BGR24)
        between_s = time.thread_time()
        whole = _frame(decoded, scalers).pixels(1920, 1080, PixelFormat.BGR24)
        for left, top in ((0, 0), (883, 0), (0, 496), (883, 496)):
            tile = whole[top : top + 584, left : left + 1037]
            cv2.resize(tile, (416, 234), interpolation=cv2.INTER_AREA)
        ended_s = time.thread_time()
        once.append((between_s - began_s) * 1000)
        full.append((ended_s - between_s) * 1000)
    ratio = statistics.median(full) / statistics.median(once)
    return [
        row_of("pixels of 2x2 tiles of 1080p: scaled once by swscale, then views", once, "ms CPU"),
        row_of("pixels of 2x2 tiles of 1080p: full BGR, crops, cv2.resize", full, "ms CPU"),
        Row("pixels: full BGR / scaled once", ratio, ratio, ratio, "ratio"),
    ]


def _shown(picture: npt.NDArray[np.uint8]) -> av.VideoFrame:
    return av.VideoFrame.from_ndarray(picture, format="bgr24")


def _frame(shown: av.VideoFrame, scalers: Scalers) -> DecodedFrame:
    """Give a picture as our road would, scaled by swscale."""
    return DecodedFrame(
        shown, scalers, number=0, pts=0, time_base=Fraction(1, 25), start_pts=0,
        captured_at=None, restart=None,
    )  # fmt: skip


def _row(name: str, value: float, unit: str) -> Row:
    return Row(name, value, value, value, unit)
