"""The model that comes with Vedette beside YOLOX-nano: pictures, clips, and time on one core."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from bench.accuracy.average_precision import GroundTruth, Scored
from bench.accuracy.clips import PEOPLE, VEHICLES, count
from bench.report import Row, row_of
from vedette.detectors.onnx import OnnxDetector
from vedette.domain.frame import Frame
from vedette.domain.scene import Scene
from vedette.settings import Settings
from vedette.training.judging import Judged, matches_of
from vedette.training.pictures import Labelled
from vedette.training.teacher import CLASS_OF, Still, boxes_of
from vedette.wiring import AnalysisRequest, Wiring, model_shelf

TRUTH = Path(__file__).parent / "truth"
LABELS = ("person", "vehicle")
AP50_GOALS = {"person": ">= 0.35", "vehicle": ">= 0.33"}
TIME_GOAL = "<= 0.65"
TURNS, TIMED_FRAME = 150, (234, 416)
SCORE_MIN = 0.02


def own_rows(data: Path, model: str) -> list[Row]:
    """Measure the model of that name or file beside YOLOX-nano, in one run.

    Args:
        data: The folder that VEDETTE_DATA names.
        model: What `--detector` takes.
    """
    nano = str(data / "models" / "yolox_nano.onnx")
    detectors = {"own": _load(model), "YOLOX-nano": _load(nano)}
    rows = _picture_rows(data, detectors)
    rows.append(_time_row(detectors["own"], detectors["YOLOX-nano"]))
    for clip, labels, own_labels in (
        ("one-by-one-person-detection", PEOPLE, ("person",)),
        ("car-detection", VEHICLES, ("vehicle",)),
    ):
        true = len(json.loads((TRUTH / f"{clip}.json").read_text())["objects"])
        nanos = count(data, clip, nano, labels)
        ours = count(data, clip, model, own_labels)
        goal = f"<= {abs(nanos.distinct - true)}"
        rows += [
            _row(f"{clip}: error of the total, own (counts {ours.distinct} of {true})",
                 abs(ours.distinct - true), "objects", goal),
            _row(f"{clip}: error of the total, YOLOX-nano (counts {nanos.distinct} of {true})",
                 abs(nanos.distinct - true), "objects"),
        ]  # fmt: skip
    rows += [
        _row("bottle-detection: longest false person, own", _longest_s(data, model), "s", "<= 1.0"),
        _row("bottle-detection: longest false person, YOLOX-nano", _longest_s(data, nano), "s"),
    ]
    return rows


def _load(model: str) -> OnnxDetector:
    settings = Settings()
    path, card = model_shelf(settings).resolve(model)
    return OnnxDetector(path, card, cache_dir=settings.cache_dir, confidence_floor=SCORE_MIN)


def _picture_rows(data: Path, detectors: dict[str, OnnxDetector]) -> list[Row]:
    truth = TwoClasses(data / "annotations" / "coco.json")
    folder = data / "images" / "coco"
    pictures = [cv2.imread(str(folder / one.file)) for one in truth.labels]
    rows = []
    for name, detector in detectors.items():
        found = [boxes_of(detector, picture) for picture in pictures]
        judged = [
            Judged(
                boxes[boxes[:, 5] < 2], one.boxes[one.boxes[:, 5] < 2], np.empty((0, 6), np.float32)
            )
            for boxes, one in zip(found, truth.labels, strict=True)
        ]
        for kind, label in enumerate(LABELS):
            spread = matches_of(judged, kind).uncertainty()
            score = truth.ap50(found, kind)
            goal = AP50_GOALS[label] if name == "own" else ""
            rows.append(
                Row(f"{label} AP50, {name}", score, score - spread, score + spread, "", goal)
            )
    return rows


class TwoClasses:
    """COCO's labels as people and vehicles, judged by pycocotools."""

    def __init__(self, annotations: Path) -> None:
        table = json.loads(annotations.read_text())
        kinds = {one["id"]: CLASS_OF.get(one["name"]) for one in table["categories"]}
        kept = [
            {**one, "category_id": kinds[one["category_id"]] + 1}
            for one in table["annotations"]
            if kinds[one["category_id"]] in (0, 1)
        ]
        table["categories"] = [{"id": 1 + n, "name": label} for n, label in enumerate(LABELS)]
        table["annotations"] = kept
        self._table = table
        self._truth = GroundTruth(table, crowds=False)
        boxes: defaultdict[int, list[list[float]]] = defaultdict(list)
        for one in kept:
            if not one.get("iscrowd"):
                x, y, width, height = one["bbox"]
                kind = one["category_id"] - 1
                boxes[one["image_id"]].append([x, y, x + width, y + height, 1.0, kind])
        self._ids = sorted(one["id"] for one in table["images"])
        files = {one["id"]: one for one in table["images"]}
        self.labels = [
            Labelled(
                files[number]["file_name"],
                files[number]["width"],
                files[number]["height"],
                np.array(boxes[number], np.float32).reshape(-1, 6),
            )
            for number in self._ids
        ]

    def ap50(self, found: Sequence[npt.NDArray[np.float32]], kind: int) -> float:
        """Give the AP50 of one class; `found` is in the order of `labels`."""
        scored = [
            Scored(number, boxes[:, :4], boxes[:, 4], boxes[:, 5].astype(int))
            for number, boxes in zip(self._ids, (one[one[:, 5] < 2] for one in found), strict=True)
        ]
        return self._truth.ap50_of(scored, LABELS[kind])


def _time_row(own: OnnxDetector, nano: OnnxDetector) -> Row:
    pixels = np.random.default_rng(0).integers(0, 256, (*TIMED_FRAME, 3), dtype=np.uint8)
    still = Still(pixels)
    ratios = []
    for _ in range(TURNS):
        times = []
        for detector in (own, nano):
            began = time.thread_time()
            detector.detect([still])
            times.append(time.thread_time() - began)
        ratios.append(times[0] / times[1])
    return row_of("time per 256 x 416 frame, own / YOLOX-nano (416)", ratios, "ratio", TIME_GOAL)


def _longest_s(data: Path, model: str) -> float:
    """Give how long the longest track of a person lasts in a clip without people, in seconds."""
    seen: dict[int, list[float]] = defaultdict(list)

    def watch(frame: Frame, scene: Scene) -> None:
        for one in scene.objects:
            if one.track_id is not None and one.label == "person":
                seen[one.track_id].append(frame.pts_s)

    with Wiring(Settings()) as wiring:
        source = str(data / "videos" / "bottle-detection.mp4")
        request = AnalysisRequest(source=source, detector=model, classes=("person",))
        wiring.analysis(request, watch=watch).carry_out()
    return max((times[-1] - times[0] for times in seen.values()), default=0.0)


def _row(name: str, value: float, unit: str, goal: str = "") -> Row:
    return Row(name, value, value, value, unit, goal)
