"""Settings → engines → roles: the only file that names an engine.

Engines are imported where they are made, so that nobody pays for one that is not used.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from vedette.clock import SystemClock
from vedette.domain.errors import BadInput
from vedette.domain.zone import ScenePlan
from vedette.settings import Settings

if TYPE_CHECKING:
    from vedette.detectors.base import Detector
    from vedette.detectors.catalog import Catalog
    from vedette.detectors.shelf import Shelf
    from vedette.domain.frame import Frame
    from vedette.domain.prediction import Origin
    from vedette.domain.scene import Scene
    from vedette.domain.stream import Position, StreamFacts
    from vedette.runner.ledger import Limit
    from vedette.runner.pacing import Pacer
    from vedette.runner.pipeline import Pipeline
    from vedette.sinks.base import Sink
    from vedette.sources.base import Source
    from vedette.sources.street import StreetTruth

RUN_SCENARIO_ID = "run"


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalysisRequest:
    """What somebody asks of one analysis.

    Attributes:
        source: File or address.
        detector: `auto`, `motion`, an installed model's name or an ONNX file.
        classes: Labels to keep; None keeps all.
        confidence: From which a detection counts; None takes the detector's own.
        fps: Looks per second; None looks at all (finite) or as many as fit (live).
        plan: Zones and lines.
        annotated: Where the annotated video goes.
        predictions: Where prediction rows go; `-` is standard output.
        snapshots: Folder for pictures of what was seen.
        limit: Where to stop.
    """

    source: str
    detector: str = "auto"
    classes: tuple[str, ...] | None = None
    confidence: float | None = None
    fps: Fraction | None = None
    plan: ScenePlan = field(default_factory=ScenePlan)
    annotated: Path | None = None
    predictions: str | None = None
    snapshots: Path | None = None
    limit: Limit | None = None


def worker_count(settings: Settings) -> int:
    """Frames in detection at once: the setting, or one per core this process may use."""
    return settings.workers or len(os.sched_getaffinity(0))


def make_executor(settings: Settings) -> Executor:
    """Make the threads that detect for all pipelines of the process."""
    import cv2

    # Work is split by frame over our own threads; OpenCV's would only compete with them.
    cv2.setNumThreads(1)
    return ThreadPoolExecutor(worker_count(settings), thread_name_prefix="detect")


def read_scene(path: Path | None) -> ScenePlan:
    """Read a scene file; no file means no zones and no lines.

    Raises:
        BadInput: it is missing or wrong; says which line.
    """
    if path is None:
        return ScenePlan()
    from vedette.analytics.scene_file import parse_scene

    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise BadInput(f"scene file {path}: this is no text") from error
    except OSError as error:
        raise BadInput(f"scene file {path}: {error.strerror}") from error
    return parse_scene(text, str(path))


def make_source(address: str, settings: Settings) -> Source:
    """Make the source that an address or path names."""
    from vedette.sources import registry

    return registry.SourceRegistry(
        {
        }
    ).source(address)


def make_pacer(
    facts: StreamFacts, resumed_at: Position | None, *, fps: Fraction | None, settings: Settings
) -> Pacer:
    """Make the pacer that fits the stream."""
    from vedette.runner import pacing

    raise NotImplementedError


def make_detector(request: AnalysisRequest, settings: Settings) -> tuple[Detector, list[str]]:
    """Make the detector a request names, and what a person should be told about the choice."""
    raise NotImplementedError


def known_truth(address: str) -> StreetTruth | None:
    """Give what the built-in scene holds; None for everything else. For the summary alone."""
    if not address.startswith("synthetic:"):
        return None
    from vedette.sources import synthetic

    return synthetic.truth(address)
