"""From a folder of pictures to a model file with its card: every step, each taken up where it was.

pictures ─▶ labels by a teacher ─▶ no evaluation pictures, no twins ─▶ some held out
         ─▶ training (and the rendered street) ─▶ calibration and thresholds on what was held out
         ─▶ ONNX file ─▶ figures on labelled pictures ─▶ card
"""

from __future__ import annotations

import dataclasses
import json
import logging
import time
import zlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from vedette.detectors.base import Detector
from vedette.detectors.card import Colours, Family, LetterboxKind, ModelCard, Scaling
from vedette.domain.errors import BadInput
from vedette.training.curve import draw_curve
from vedette.training.export import INPUT, export
from vedette.training.judging import (
    Judged,
    Matches,
    Reliable,
    calibration,
    matches_of,
    reliability,
)
from vedette.training.likeness import Families, Known
from vedette.training.loop import Plan, Training
from vedette.training.network import CLASSES, Network, Shape
from vedette.training.pictures import (
    OBJECT_FROM,
    Labelled,
    Picture,
    label_line,
    load_pictures,
    read_labels,
    read_picture,
)
from vedette.training.rendered import rendered, write_picture
from vedette.training.teacher import Teacher, boxes_of

logger = logging.getLogger(__name__)

PICTURE_FILES = {".jpg", ".jpeg", ".png", ".bmp", ".webp"}
# Long side of the box a picture is fitted in, in pixels.
SIDE = 416
# One run of so many pictures in each so many runs is held out: neighbours are often one scene.
RUN, RUNS = 25, 20
# A detection that is likelier wrong than right is not counted.
COUNT_FROM_LEAST = 0.5
# Weaker detections are looked at when a curve of precision is drawn.
JUDGE_FLOOR = 0.02
# Fewer pictures, or fewer objects on those held out, and the figures would be luck.
PICTURES_LEAST, OBJECTS_LEAST = 60, 30
# Steps between two evaluations, and seconds between two times of keeping the state.
EVALUATE_EVERY = 500
KEEP_EVERY_S = 120.0
Say = Callable[[str, int, int], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What to make a model of.

    Attributes:
        name: Of the model.
        pictures: Folder of pictures; what comes before the last `_` of a file names its source.
        out: Folder for everything that is made; going on in it is going on with the training.
        teacher: Who labels; None where `labels` says all.
        labels: Labels given, instead of a teacher's.
        plan: How long and how fast.
        shape: Of the network.
        begin_with: A model to go on from; None begins with nothing.
        leave_out: Sources not to learn from.
        source_weights: How often a source is drawn, against 1.
        streets: Rendered streets among the pictures.
        keep_away: Pictures to judge by: nothing like them is learnt from.
        make_detector: Loads a model file, with a confidence floor.
    """

    name: str
    pictures: Path
    out: Path
    make_detector: Callable[[Path, ModelCard, float], Detector]
    teacher: Teacher | None = None
    labels: Path | None = None
    plan: Plan = field(default_factory=Plan)
    shape: Shape = field(default_factory=Shape)
    begin_with: Path | None = None
    leave_out: Collection[str] = ()
    source_weights: Mapping[str, float] = field(default_factory=dict)
    streets: int = 0
    keep_away: Sequence[Path] = ()


@dataclass(frozen=True, slots=True)
class Made:
    """What a recipe made.

    Attributes:
        model: The ONNX file.
        card: How to use it.
        held_out: Per class, what it finds on the held-out pictures (calibrated).
        held_out_labels: Those pictures' labels.
        learnt_from: Per source: pictures, people and vehicles.
        left_out: By reason: how many pictures.
        reliability: Per class.
        training: As it ended.
    """

    model: Path
    card: ModelCard
    held_out: dict[str, Matches]
    held_out_labels: list[Labelled]
    learnt_from: dict[str, tuple[int, int, int]]
    left_out: dict[str, int]
    reliability: dict[str, list[Reliable]]
    training: Training


def make(recipe: Recipe, *, say: Say = lambda *_: None) -> Made:
    """Carry out a recipe, or go on with it.

    Args:
        recipe: What to make.
        say: Called with the step, how much of it is done, and how much there is.

    Raises:
        BadInput: too few pictures, or unreadable ones.
    """
    recipe.out.mkdir(parents=True, exist_ok=True)
    labels = _labelled(recipe, say)
    chosen, left_out = _chosen(recipe, labels, say)
    learn, held_out = _parted(chosen)
    _check_enough(recipe, chosen, held_out)
    street = _streets(recipe, say)
    held_out_pictures = [read_picture(recipe.pictures / one.file) for one in held_out]
    training = _trained(recipe, [*learn, *street], held_out, held_out_pictures, say)
    network = training.averaged
    raw = _judged_network(recipe, network, [(1.0, 0.0)] * len(CLASSES), held_out, held_out_pictures)
    lines = [calibration(matches_of(raw, kind)) for kind in range(len(CLASSES))]
    model = recipe.out / f"{recipe.name}.onnx"
    export(network, model, lines)
    card = card_of(recipe.name)
    found = judged_by(recipe.make_detector(model, card, JUDGE_FLOOR), held_out, held_out_pictures)
    matches = {label: matches_of(found, kind) for kind, label in enumerate(CLASSES)}
    sources = sorted({one.source for one in [*learn, *street]})
    return Made(
        model,
        card,
        matches,
        held_out,
        {
            source: _counted(one for one in [*learn, *street] if one.source == source)
            for source in sources
        },
        left_out,
        {label: reliability(one) for label, one in matches.items()},
        training,
    )


def _check_enough(recipe: Recipe, chosen: Sequence[Labelled], held_out: Sequence[Labelled]) -> None:
    objects = sum(int((one.boxes[:, 4] > OBJECT_FROM).sum()) for one in held_out)
    if len(chosen) >= PICTURES_LEAST and objects >= OBJECTS_LEAST:
        return
    raise BadInput(
        f"pictures {recipe.pictures}: too few to judge a model by: {len(chosen)} that differ, of "
        f"which {len(held_out)} are held out with {objects} people and vehicles on them; it takes "
        f"{PICTURES_LEAST} pictures and {OBJECTS_LEAST} objects on those held out: gather more, "
        f"from busier hours"
    )


def card_of(name: str) -> ModelCard:
    """Give the card of a model this room makes, before its thresholds are known."""
    return ModelCard(
        name=name,
        family=Family.YOLOV8,
        input=INPUT,
        height=SIDE,
        width=SIDE,
        labels=CLASSES,
        dynamic=True,
        colours=Colours.BGR,
        scaling=Scaling.BYTES,
        letterbox=LetterboxKind.CENTER,
    )


def count_from(matches: Matches) -> float:
    """Give the confidence from which a class is counted: where F1 is best, but 0.5 at least."""
    return round(max(COUNT_FROM_LEAST, matches.best_threshold()[0]), 3)


def judged_by(
    detector: Detector, labels: Sequence[Labelled], pictures: Sequence[Picture]
) -> list[Judged]:
    """Let a detector look at labelled pictures."""
    judged = []
    for one, picture in zip(labels, pictures, strict=True):
        scale = np.array([picture.shape[1] / one.width, picture.shape[0] / one.height] * 2)
        boxes = one.boxes.copy()
        boxes[:, :4] *= scale
        sure = boxes[:, 4] > OBJECT_FROM
        judged.append(Judged(boxes_of(detector, picture), boxes[sure], boxes[~sure]))
    return judged


def _judged_network(
    recipe: Recipe,
    network: Network,
    lines: Sequence[tuple[float, float]],
    labels: Sequence[Labelled],
    pictures: Sequence[Picture],
) -> list[Judged]:
    path = recipe.out / "judged.onnx"
    export(network, path, lines)
    return judged_by(recipe.make_detector(path, card_of("judged"), JUDGE_FLOOR), labels, pictures)


def _labelled(recipe: Recipe, say: Say) -> list[Labelled]:
    """Give labels of all pictures; those a teacher gave are kept line by line."""
    if recipe.labels is not None:
        return read_labels(recipe.labels)
    assert recipe.teacher is not None
    files = sorted(one for one in recipe.pictures.iterdir() if one.suffix.lower() in PICTURE_FILES)
    if not files:
        raise BadInput(f"pictures {recipe.pictures}: no picture files there")
    kept = recipe.out / f"labels-{recipe.teacher.name}.jsonl"
    _drop_torn_line(kept)
    done = {one.file for one in read_labels(kept)} if kept.is_file() else set()
    with kept.open("a", encoding="utf-8") as lines:
        for number, path in enumerate(files, 1):
            if path.name not in done:
                one = recipe.teacher.labelled(path, read_picture(path))
                lines.write(label_line(one))
                lines.flush()
            say("labelling", number, len(files))
    return read_labels(kept)


def _drop_torn_line(path: Path) -> None:
    """Cut off a last line that a kill left half written."""
    if path.is_file():
        whole = path.read_bytes()
        if not whole.endswith(b"\n"):
            path.write_bytes(whole[: whole.rfind(b"\n") + 1])


def _chosen(
    recipe: Recipe, labels: Sequence[Labelled], say: Say
) -> tuple[list[Labelled], dict[str, int]]:
    """Leave out sources that are not to be used, likenesses of evaluation pictures, and twins."""
    key = zlib.crc32(
        json.dumps(
            [sorted(recipe.leave_out), [p.name for p in recipe.keep_away], [o.file for o in labels]]
        ).encode()
    )
    kept = recipe.out / f"chosen-{key:08x}.json"
    if kept.is_file():
        files, left_out = json.loads(kept.read_text())
        wanted = set(files)
        return [one for one in labels if one.file in wanted], left_out
    known = Known([read_picture(path) for path in recipe.keep_away])
    families = Families()
    left_out = {"source left out": 0, "like an evaluation picture": 0, "twin of another": 0}
    chosen = []
    for number, one in enumerate(labels, 1):
        say("comparing", number, len(labels))
        if one.source in recipe.leave_out:
            left_out["source left out"] += 1
            continue
        picture = read_picture(recipe.pictures / one.file)
        if known.has(picture):
            left_out["like an evaluation picture"] += 1
        elif not families.is_new(picture):
            left_out["twin of another"] += 1
        else:
            chosen.append(one)
    draft = kept.with_suffix(".draft")
    draft.write_text(json.dumps([[one.file for one in chosen], left_out]))
    draft.rename(kept)
    return chosen, left_out


def _parted(chosen: Sequence[Labelled]) -> tuple[list[Labelled], list[Labelled]]:
    """Part what is learnt from and what is held out, in runs: neighbours are often one scene."""
    learn: list[Labelled] = []
    held_out: list[Labelled] = []
    for source in sorted({one.source for one in chosen}):
        mine = [one for one in chosen if one.source == source]
        run = min(RUN, max(1, len(mine) // 4))
        for number, one in enumerate(mine):
            # The middle run of every so many, so that a small source gives some too.
            turn = (number // run) % max(2, min(RUNS, len(mine) // run))
            (held_out if turn == 1 else learn).append(one)
    return learn, held_out


def _streets(recipe: Recipe, say: Say) -> list[Labelled]:
    """Render the streets into a folder beside the pictures, once."""
    if not recipe.streets:
        return []
    folder = recipe.out / "street"
    kept = folder / "labels.jsonl"
    if not kept.is_file():
        folder.mkdir(exist_ok=True)
        lines = []
        for one, picture in rendered(recipe.streets):
            write_picture(picture, folder / one.file)
            lines.append(label_line(one))
            say("rendering", len(lines), recipe.streets * 16)
        draft = kept.with_suffix(".draft")
        draft.write_text("".join(lines), encoding="utf-8")
        draft.rename(kept)
    return read_labels(kept)


def _trained(
    recipe: Recipe,
    learn: Sequence[Labelled],
    held_out: Sequence[Labelled],
    held_out_pictures: Sequence[Picture],
    say: Say,
) -> Training:
    from vedette.training.export import network_in

    placed = [dataclasses.replace(one, file=str(_place(recipe, one))) for one in learn]
    pictures = load_pictures(
        Path("/"),
        placed,
        keep_in=recipe.out,
        weights=[recipe.source_weights.get(one.source, 1.0) for one in learn],
        tick=lambda number: say("decoding", number, len(placed)),
    )
    begin = network_in(recipe.begin_with) if recipe.begin_with else None
    training = Training(recipe.plan, recipe.shape, begin_with=begin)
    kept = recipe.out / "training.pt"
    if kept.is_file():
        training.go_on_from(kept)
        logger.info("going on at step %d of %d", training.step, recipe.plan.steps)

    def pause(now: Training) -> None:
        lines = [(1.0, 0.0)] * len(CLASSES)
        judged = _judged_network(recipe, now.averaged, lines, held_out, held_out_pictures)
        now.curve[-1].figures = {
            f"{label} AP50": matches_of(judged, kind).average_precision()
            for kind, label in enumerate(CLASSES)
        }
        now.keep(kept)
        draw_curve(now.curve, recipe.out / "curve.png", samples=recipe.plan.samples)
        logger.info("after %d pictures: %s", now.curve[-1].samples, now.curve[-1])

    kept_at_s = time.monotonic()

    def tick(now: Training) -> None:
        nonlocal kept_at_s
        say("training", now.step, recipe.plan.steps)
        if time.monotonic() - kept_at_s > KEEP_EVERY_S:
            now.keep(kept)
            kept_at_s = time.monotonic()

    training.run(
        pictures,
        every=max(1, min(EVALUATE_EVERY, recipe.plan.steps // 10)),
        pause=pause,
        tick=tick,
    )
    return training


def _place(recipe: Recipe, one: Labelled) -> Path:
    street = recipe.out / "street" / one.file
    return (street if street.is_file() else recipe.pictures / one.file).resolve()


def _counted(labels: Iterable[Labelled]) -> tuple[int, int, int]:
    pictures = people = vehicles = 0
    for one in labels:
        sure = one.boxes[one.boxes[:, 4] > OBJECT_FROM]
        pictures += 1
        people += int((sure[:, 5] == 0).sum())
        vehicles += int((sure[:, 5] == 1).sum())
    return pictures, people, vehicles
