"""Real clips: who was counted, over the whole road, against what a person saw."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.report import Row
from vedette.domain.frame import Frame
from vedette.domain.scene import Scene
from vedette.settings import Settings
from vedette.wiring import AnalysisRequest, Wiring

TRUTH = Path(__file__).parent / "truth"
PEOPLE = ("person",)
VEHICLES = ("bicycle", "car", "motorcycle", "bus", "train", "truck")
MOVING = ("moving",)
ERROR_MAX = 0.10


@dataclass(frozen=True)
class Counted:
    """What was counted in a clip.

    Attributes:
        distinct: Different objects.
        now: Objects in each frame, with its time in seconds.
    """

    distinct: int
    now: dict[int, tuple[float, int]]


def clip_rows(data: Path) -> list[Row]:
    """Count people and vehicles in the clips, by YOLOX-nano and by motion."""
    model = str(data / "models" / "yolox_nano.onnx")
    rows = []
    for clip, kind, labels in (
        ("one-by-one-person-detection", "people", PEOPLE),
        ("car-detection", "vehicles", VEHICLES),
    ):
        truth = _truth(clip)
        by_model = count(data, clip, model, labels)
        by_motion = count(data, clip, "motion", MOVING)
        rows += _rows(f"{clip}: {kind}, YOLOX-nano", truth, by_model, goal=True)
        rows += _rows(f"{clip}: moving, motion", truth, by_motion, goal=False)
    bottles = count(data, "bottle-detection", model, (*PEOPLE, *VEHICLES))
    rows.append(_row("bottle-detection: people and vehicles counted", bottles.distinct, "", "<= 0"))
    return rows


def count(data: Path, clip: str, detector: str, labels: Sequence[str]) -> Counted:
    """Analyse a whole clip, every frame, as `vedette run` does."""
    now: dict[int, tuple[float, int]] = {}

    def watch(frame: Frame, scene: Scene) -> None:
        seen = sum(one.track_id is not None and one.label in labels for one in scene.objects)
        now[frame.number] = frame.pts_s, seen

    with Wiring(Settings()) as wiring:
        request = AnalysisRequest(
            source=str(data / "videos" / f"{clip}.mp4"), detector=detector, classes=tuple(labels)
        )
        report = wiring.analysis(request, watch=watch).carry_out()
    objects = report.counts.objects
    return Counted(sum(objects[label].distinct for label in labels if label in objects), now)


def _truth(clip: str) -> list[dict[str, Any]]:
    objects: list[dict[str, Any]] = json.loads((TRUTH / f"{clip}.json").read_text())["objects"]
    return objects


def _rows(name: str, truth: list[dict[str, Any]], counted: Counted, *, goal: bool) -> list[Row]:
    error = abs(counted.distinct - len(truth)) / len(truth)
    return [
        _row(f"{name}: distinct (truth {len(truth)})", counted.distinct, ""),
        _row(f"{name}: error of the total", error, "ratio", f"<= {ERROR_MAX}" if goal else ""),
        _row(f"{name}: MAE of the counts per second", _mae(truth, counted), "objects"),
        _row(f"{name}: MAE of saying the mean", _mae_of_mean(truth, counted), "objects"),
    ]


def _mae(truth: list[dict[str, Any]], counted: Counted) -> float:
    """Compare the mean count of every second with what a person saw."""
    errors = [abs(said - true) for said, true in _per_second(truth, counted)]
    return sum(errors) / len(errors)


def _mae_of_mean(truth: list[dict[str, Any]], counted: Counted) -> float:
    seconds = [true for _, true in _per_second(truth, counted)]
    mean = sum(seconds) / len(seconds)
    return sum(abs(true - mean) for true in seconds) / len(seconds)


def _per_second(truth: list[dict[str, Any]], counted: Counted) -> list[tuple[float, float]]:
    said: defaultdict[int, list[int]] = defaultdict(list)
    true: defaultdict[int, list[int]] = defaultdict(list)
    for number, (pts_s, seen) in counted.now.items():
        said[int(pts_s)].append(seen)
        true[int(pts_s)].append(sum(one["first"] <= number <= one["last"] for one in truth))
    return [
        (sum(said[second]) / len(said[second]), sum(true[second]) / len(true[second]))
        for second in sorted(said)
    ]


def _row(name: str, value: float, unit: str, goal: str = "") -> Row:
    return Row(name, value, value, value, unit, goal)
