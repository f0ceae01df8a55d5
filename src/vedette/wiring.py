"""Settings → engines → roles: the only file that names an engine.

Engines are imported where they are made, so that nobody pays for one that is not used.
"""

from __future__ import annotations

import dataclasses
import importlib
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Self

from vedette.clock import SystemClock
from vedette.domain.errors import BadInput, NotFound
from vedette.domain.tiles import Tiles, no_tiles_for
from vedette.domain.zone import ScenePlan
from vedette.settings import Settings

if TYPE_CHECKING:
    from vedette.analytics.scene import Analyzer
    from vedette.detectors.base import Detector
    from vedette.detectors.card import ModelCard
    from vedette.detectors.catalog import Catalog
    from vedette.detectors.choice import Choice
    from vedette.detectors.shelf import Shelf, ShelfModel
    from vedette.detectors.tiles import TileCost
    from vedette.domain.detection import State
    from vedette.domain.frame import Frame
    from vedette.domain.model_origin import ModelOrigin
    from vedette.domain.scene import Scene
    from vedette.domain.stream import Position, StreamFacts
    from vedette.runner.ahead import Stop
    from vedette.runner.analysis import RunReport
    from vedette.runner.crew import Crew
    from vedette.runner.ledger import Limit
    from vedette.runner.pacing import Pacer
    from vedette.runner.pipeline import Pipeline
    from vedette.sinks.base import Sink
    from vedette.sources.base import Source
    from vedette.sources.street import StreetTruth
    from vedette.training.imitation import Example
    from vedette.training.outcome import Rival
    from vedette.training.teacher import Teacher

RUN_SCENARIO_ID = "run"
# Weaker than this is nothing, whatever a card says.
CONFIDENCE_LEAST = 0.005


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalysisRequest:
    """What somebody asks of one analysis.

    Attributes:
        source: File or address.
        detector: `auto`, `motion`, a model's name or an ONNX file.
        classes: Labels to keep; None keeps all.
        confidence: From which a detection counts; None takes the detector's own.
        fps: Looks per second; None looks at all (finite) or as many as fit (live).
        tiles: Overlapping parts of each frame that are looked at besides the whole.
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
    tiles: Tiles | None = None
    plan: ScenePlan = field(default_factory=ScenePlan)
    annotated: Path | None = None
    predictions: str | None = None
    snapshots: Path | None = None
    limit: Limit | None = None


class Wiring:
    """Holds what all analyses of a process share, and makes each one its own parts.

    Use it as a context manager: leaving it ends its threads and frees its models.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._workers = settings.workers or len(os.sched_getaffinity(0))
        self._shared_crew: Crew | None = None
        self._shared: dict[
            tuple[str, tuple[str, ...] | None, float | None], tuple[Detector, ModelOrigin]
        ] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._shared_crew is not None:
            self._shared_crew.close()
        for shared in self._shared.values():
            shared[0].close()

    def analysis(
        self,
        request: AnalysisRequest,
        *,
        watch: Callable[[Frame, Scene], None] | None = None,
        stop: Stop | None = None,
        begins: Callable[[], None] = lambda: None,
        source: Source | None = None,
    ) -> Analysis:
        """Make all parts of one analysis; the source is not opened yet.

        Args:
            request: What is asked for.
            watch: Called after every frame.
            stop: Ends it, where it is not only `pipeline.stop` that does.
            begins: Called first of all in every other thread that touches the source.
            source: The one to read, where it is shared with others; None makes one.

        Raises:
            UsageError, ConfigError, DetectorError: something that was asked for cannot be had.
        """
        from vedette.runner.ahead import Stop
        from vedette.runner.pipeline import Pipeline

        source = source or make_source(request.source, self._settings)
        choice, detector, model = self._detector(request)
        stop = stop or Stop()
        sinks = make_sinks(request, source, self._settings, stopping=lambda: stop.is_set)
        pipeline = Pipeline(
            source=source,
            detector=detector,
            analyzer=_make_analyzer(request, detector),
            sinks=sinks,
            pacer_for=partial(make_pacer, fps=request.fps, settings=self._settings),
            crew=self._crew(),
            packets_ahead_max=self._settings.packets_ahead_max,
            limit=request.limit,
            watch=watch,
            stop=stop,
            begins=begins,
        )
        return Analysis(pipeline, sinks, model, choice, detector)

    def _crew(self) -> Crew:
        if self._shared_crew is None:
            import cv2

            from vedette.runner.crew import Crew

            # Work is split by frame over our own threads; OpenCV's would only compete with them.
            cv2.setNumThreads(1)
            self._shared_crew = Crew(self._workers)
        return self._shared_crew

    def _detector(self, request: AnalysisRequest) -> tuple[Choice, Detector, ModelOrigin]:
        from vedette.detectors.choice import MOTION, MOTION_ORIGIN

        choice = choose_detector(request, self._settings)
        if choice.name == MOTION:
            from vedette.detectors.motion import MotionDetector

            if request.classes is not None and "moving" not in request.classes:
                raise BadInput(
                    f"--classes {','.join(request.classes)}: the motion detector knows only "
                    "'moving'; name a model with --detector (see `vedette models list`)"
                )
            if request.tiles is not None:
                raise no_tiles_for(MOTION, request.tiles)
            return choice, MotionDetector(), MOTION_ORIGIN
        with self._lock:
            key = (choice.name, request.classes, request.confidence)
            if key not in self._shared:
                self._shared[key] = load_model(
                    choice.name,
                    self._settings,
                    classes=request.classes,
                    confidence=request.confidence,
                )
            detector, origin = self._shared[key]
        if request.tiles is not None:
            detector = self._tiled(detector, choice, request.tiles)
        return choice, detector, origin

    def _tiled(self, detector: Detector, choice: Choice, tiles: Tiles) -> Detector:
        from vedette.detectors.tiles import TiledDetector

        _, card = model_shelf(self._settings).resolve(choice.name)
        return TiledDetector(detector, card, tiles)


@dataclass(frozen=True, slots=True)
class Analysis:
    """One analysis, ready to be carried out.

    Attributes:
        pipeline: Its road; `pipeline.stop()` ends it in order.
        sinks: Its outputs.
        model: The model in use.
        choice: How that came to be; its name is what to ask for to get the same model again.
        detector: What looks.
    """

    pipeline: Pipeline
    sinks: Sink
    model: ModelOrigin
    choice: Choice
    detector: Detector

    @property
    def tile_cost(self) -> TileCost | None:
        """What tiles cost so far; None without tiles."""
        from vedette.detectors.tiles import TiledDetector

        return self.detector.cost if isinstance(self.detector, TiledDetector) else None

    def carry_out(
        self,
        *,
        opened: Callable[[StreamFacts], None] | None = None,
        resume_from: State | None = None,
    ) -> RunReport:
        """Run it to its end; see `runner.analysis.carry_out`."""
        from vedette.runner.analysis import carry_out

        return carry_out(self.pipeline, self.sinks, opened=opened, resume_from=resume_from)


def make_source(address: str, settings: Settings) -> Source:
    """Make the source that an address or path names; it is not opened yet.

    Raises:
        BadInput: no such kind of source.
    """
    from vedette.sources.registry import FILE, WEBCAM, SourceRegistry

    return SourceRegistry(
        {
            FILE: partial(_make_engine, "file.FileSource", settings),
            "rtsp": partial(_make_engine, "rtsp.RTSPSource", settings),
            "rtsps": partial(_make_engine, "rtsp.RTSPSource", settings),
            "http": partial(_make_engine, "http.HTTPSource", settings),
            "https": partial(_make_engine, "http.HTTPSource", settings),
            "udp": partial(_make_engine, "udp.UDPSource", settings),
            WEBCAM: partial(_make_engine, "webcam.WebcamSource", settings),
            "synthetic": partial(_make_engine, "synthetic.SyntheticSource", settings),
        }
    ).source(address)


def _make_engine(engine: str, settings: Settings, address: str) -> Source:
    module, name = engine.split(".")
    constructor = getattr(importlib.import_module(f"vedette.sources.{module}"), name)
    made: Source = constructor(address, settings, SystemClock())
    return made


def make_pacer(
    facts: StreamFacts, resumed_at: Position | None, *, fps: Fraction | None, settings: Settings
) -> Pacer:
    """Make the pacer that fits the stream."""
    from vedette.runner.pacing import FinitePacer, LivePacer

    if facts.live:
        return LivePacer(fps, SystemClock(), lag_max_s=settings.live_lag_max_s)
    return FinitePacer(fps, resumed_at)


def _make_analyzer(request: AnalysisRequest, detector: Detector) -> Analyzer:
    """Make what follows and counts: by the user's threshold, else by the model's own ones."""
    from vedette.analytics.scene import Analyzer

    plan, classes = request.plan, request.classes
    if request.confidence is not None:
        return Analyzer(plan, confidence=request.confidence, classes=classes)
    return Analyzer(
        plan,
        confidence=detector.confidence,
        label_confidence=dict(zip(detector.labels, detector.label_confidence, strict=False)),
        classes=classes,
    )


def choose_detector(request: AnalysisRequest, settings: Settings) -> Choice:
    """Turn what was asked for into a detector's name; see `detectors.choice.choose`.

    Raises:
        BadInput: the shipped model does not know a label that is asked for.
    """
    from vedette.detectors.choice import check_labels, choose

    shelf = model_shelf(settings)
    choice = choose(request.detector, shelf=shelf)
    shipped = shelf.shipped()
    if shipped is not None and choice.name == shipped.name and request.classes is not None:
        check_labels(request.classes, shipped, model_catalog(settings))
    return choice


def model_catalog(settings: Settings) -> Catalog:  # noqa: ARG001  (a site's own catalog, one day)
    """Give the models that can be pulled by name."""
    from vedette.detectors.catalog import BUILT_IN

    return BUILT_IN


def model_shelf(settings: Settings) -> Shelf:
    """Give the installed models, and the one that comes with Vedette."""
    from vedette.detectors.catalog import SHIPPED
    from vedette.detectors.shelf import Shelf

    def trial(path: Path, card: ModelCard) -> object:
        from vedette.detectors.onnx import OnnxDetector

        return OnnxDetector(
            path, card, cache_dir=settings.cache_dir, bytes_max=settings.model_bytes_max
        )

    return Shelf(
        settings.cache_dir,
        model_catalog(settings),
        bytes_max=settings.model_bytes_max,
        shipped=SHIPPED,
        trial=trial,
    )


def pull_model(
    name: str, settings: Settings, *, progress: Callable[[int, int], None] | None = None
) -> ShelfModel:
    """Fetch a model of the catalog and install it; see `detectors.pull.pull`."""
    from vedette.detectors.pull import pull

    return pull(
        model_catalog(settings).model(name),
        model_shelf(settings),
        timeout_s=settings.pull_timeout_s,
        models_url=settings.models_url,
        progress=progress,
    )


def load_model(
    name_or_file: str,
    settings: Settings,
    *,
    classes: tuple[str, ...] | None = None,
    confidence: float | None = None,
) -> tuple[Detector, ModelOrigin]:
    """Load an installed or shipped model or a file, to be shared by all sources.

    Args:
        name_or_file: What to load.
        settings: Where models and their rewritten graphs lie.
        classes: Labels to keep; None keeps all.
        confidence: From which a detection will count, where it is not the model's own: the tracker
            follows with detections down to half of it.

    Raises:
        NotFound: no such model or file.
        ModelUnreadable: the file is no model we can use.
    """
    from vedette.detectors.onnx import CONFIDENCE_FLOOR, OnnxDetector

    shelf = model_shelf(settings)
    path, card = shelf.resolve(name_or_file)
    own = min(card.label_confidence or (card.confidence,))
    least = (own if confidence is None else confidence) / 2
    floor = min(CONFIDENCE_FLOOR, max(least, CONFIDENCE_LEAST))
    detector = OnnxDetector(
        path,
        card,
        cache_dir=settings.cache_dir,
        bytes_max=settings.model_bytes_max,
        confidence_floor=floor,
        classes=classes,
    )
    return detector, shelf.origin(name_or_file, card)


def judging_detector(path: Path, card: ModelCard, floor: float) -> Detector:
    """Load a model file to be judged: with very weak detections too, nothing kept on disk."""
    from vedette.detectors.onnx import OnnxDetector

    return OnnxDetector(path, card, cache_dir=None, confidence_floor=floor)


def make_teacher(asked: str, settings: Settings) -> Teacher:
    """Make who labels pictures: the model of that name or file, or the best installed one.

    Raises:
        NotFound, ModelUnreadable: no such model.
        BadInput: it knows neither people nor vehicles.
    """
    from vedette.detectors.cache import faster_graph
    from vedette.training.teacher import FIRST_LOOK, FLOOR, SECOND_LOOK, Teacher

    shelf = model_shelf(settings)
    name = shelf.best() if asked == "auto" else asked
    if name is None:
        raise NotFound(
            "there is no model to label pictures with; get one: vedette models pull yolox-s; or "
            "give --labels"
        )
    path, card = shelf.resolve(name)
    model = path
    open_graph = faster_graph(
        path, card, cache_dir=settings.cache_dir, bytes_max=settings.model_bytes_max
    )
    if open_graph is not None:
        path, card = open_graph, dataclasses.replace(card, dynamic=True)

    def at(side: int) -> Detector:
        sized = dataclasses.replace(card, width=side, height=side) if card.dynamic else card
        return judging_detector(path, sized, FLOOR)

    return Teacher(at(FIRST_LOOK), at(SECOND_LOOK), card.name, model)


def make_example(asked: str, settings: Settings) -> Example:
    """Load a model to imitate while training.

    Raises:
        NotFound, ModelUnreadable: no such model, or none of the YOLOX family.
        BadInput: it does not know people and vehicles.
    """
    from vedette.detectors.cache import faster_graph
    from vedette.training.imitation import Example

    path, card = model_shelf(settings).resolve(asked)
    open_graph = faster_graph(
        path, card, cache_dir=settings.cache_dir, bytes_max=settings.model_bytes_max
    )
    return Example(open_graph or path, card)


def resolve_training_start(asked: str, settings: Settings) -> Path:
    """Give the model file to train on from: the shipped one, or that of a name or path.

    Raises:
        NotFound: no such model, or none is shipped.
    """
    shelf = model_shelf(settings)
    if asked != "shipped":
        return shelf.resolve(asked)[0]
    shipped = shelf.shipped()
    if shipped is None or shipped.card is None:
        raise NotFound("no model comes with this Vedette; begin anew: --begin-with nothing")
    return shipped.path


def resolve_rival(asked: str, settings: Settings) -> Rival:
    """Load a model to compare with, as it is used in an analysis.

    Raises:
        NotFound, ModelUnreadable: no such model.
    """
    from vedette.detectors.onnx import OnnxDetector
    from vedette.training.outcome import Rival
    from vedette.training.recipe import JUDGE_FLOOR

    path, card = model_shelf(settings).resolve(asked)
    detector = OnnxDetector(path, card, cache_dir=settings.cache_dir, confidence_floor=JUDGE_FLOOR)
    return Rival(card.name, detector)


def make_sinks(
    request: AnalysisRequest,
    source: Source,
    settings: Settings,
    *,
    stopping: Callable[[], bool] = lambda: False,
) -> Sink:
    """Make the outputs a request names, as one; `stopping` tells that nobody should wait more."""
    from vedette.sinks.fanout import Fanout

    _check_not_the_source(request)
    sinks: list[Sink] = []
    if request.predictions is not None:
        from vedette.domain.prediction import Origin
        from vedette.sinks.text import prediction_sink

        sinks.append(prediction_sink(request.predictions, Origin(RUN_SCENARIO_ID, source.name)))
    if request.snapshots is not None:
        from vedette.sinks.snapshots import SnapshotSink

        sinks.append(SnapshotSink(request.snapshots))
    if request.annotated is not None:
        from vedette.sinks.annotated import AnnotatedSink

        sinks.append(AnnotatedSink(request.annotated, request.plan))
    return Fanout(sinks, queue_frames_max=settings.sink_queue_frames_max, stopping=stopping)


def _check_not_the_source(request: AnalysisRequest) -> None:
    from vedette.sources.address import local_path

    source = local_path(request.source)
    if source is None or not source.is_file():
        return
    targets = [Path(target) for target in (request.annotated, request.predictions) if target]
    if any(one.exists() and source.samefile(one) for one in targets):
        raise BadInput(f"{source}: an output would replace the source itself; name another")


def read_scene(path: Path | None) -> ScenePlan:
    """Read a scene file; no file means no zones and no lines.

    Raises:
        BadInput: it is missing or wrong; says which line.
    """
    if path is None:
        return ScenePlan()
    from vedette.analytics.scene_file import BYTES_MAX, parse_scene

    try:
        with path.open("rb") as file:  # However long it is; the parser refuses what is too much.
            text = file.read(BYTES_MAX + 1).decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadInput(f"scene file {path}: this is no text") from error
    except OSError as error:
        raise BadInput(f"scene file {path}: {error.strerror}") from error
    return parse_scene(text, str(path))


def known_truth(address: str, plan: ScenePlan) -> StreetTruth | None:
    """Give what the built-in scene holds; None for everything else. For the summary alone.

    What happens in its places is told only where `plan` is the scene's own.
    """
    if not address.startswith("synthetic:"):
        return None
    from vedette.analytics.scene_file import parse_scene
    from vedette.sources import synthetic
    from vedette.sources.street.plan import scene_plan_text

    known = synthetic.truth(address)
    if plan != parse_scene(scene_plan_text(), "the built-in scene"):
        return dataclasses.replace(known, zones={}, lines={})
    return known
