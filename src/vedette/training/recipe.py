"""From a folder of pictures to a model file with its card: every step, each taken up where it was.

pictures ─▶ labels by a teacher ─▶ no evaluation pictures, no twins ─▶ some held out
         ─▶ training (and the rendered street) ─▶ calibration and thresholds on what was held out
         ─▶ ONNX file ─▶ figures on labelled pictures ─▶ card
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from vedette.detectors.base import Detector
from vedette.detectors.card import Colours, Family, LetterboxKind, ModelCard, Scaling
from vedette.domain.errors import BadInput
from vedette.training.choosing import check_enough, choose_pictures, part
from vedette.training.curve import draw_curve
from vedette.training.export import INPUT, export, network_in
from vedette.training.imitation import Example
from vedette.training.judging import (
    Judged,
    Matches,
    Reliable,
    calibration,
    matches_of,
    reliability,
)
from vedette.training.labelling import Say, counted, given_labels, taught_labels
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

# Long side of the box a picture is fitted in, in pixels.
SIDE = 416
# A detection that is likelier wrong than right is not counted.
COUNT_FROM_LEAST = 0.5
# Who is missed in one picture is found in the next; a thing taken for somebody stays so for as long
# as it stands there. So recall counts half against precision where things are counted.
COUNT_RECALL_WEIGHT = 0.5
# More sources than these are not told one by one.
SOURCES_TOLD = 40
# Weaker detections are looked at when a curve of precision is drawn.
JUDGE_FLOOR = 0.02
# Steps between two evaluations at most and at least, and seconds between two times of keeping the
# state.
EVALUATE_EVERY, EVALUATE_LEAST = 500, 20
KEEP_EVERY_S = 120.0
# What a training in a folder learns from, and the training so far.
OF_FILE, TRAINING_FILE = "training.json", "training.pt"


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
        began_with: What to call it.
        leave_out: Sources not to learn from.
        source_weights: How often a source is drawn, against 1.
        streets: Rendered streets among the pictures.
        keep_away: Pictures to judge by: nothing like them is learnt from.
        example: A detector whose every cell is learnt from too.
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
    began_with: str = ""
    leave_out: Collection[str] = ()
    source_weights: Mapping[str, float] = field(default_factory=dict)
    streets: int = 0
    keep_away: Sequence[Path] = ()
    example: Example | None = None


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

    @property
    def labelled_by_machine(self) -> bool:
        """Whether a machine labelled what it is judged by: people are certain of every box."""
        return any((one.boxes[:, 4] < 1).any() for one in self.held_out_labels)


def make(recipe: Recipe, *, say: Say = lambda *_: None) -> Made:
    """Carry out a recipe, or go on with it.

    Args:
        recipe: What to make.
        say: Called with the step, how much of it is done, and how much there is.

    Raises:
        BadInput: too few pictures, or unreadable ones; or `out` holds another training.
        ModelUnreadable: the model to begin with cannot be trained on.
    """
    recipe.out.mkdir(parents=True, exist_ok=True)
    labels = labels_of(recipe, say=say)
    chosen, left_out = choose_pictures(
        recipe.pictures, labels, leave_out=recipe.leave_out, keep_away=recipe.keep_away,
        keep_in=recipe.out, say=say,
    )  # fmt: skip
    learn, held_out = part(chosen)
    check_enough(recipe.pictures, chosen, held_out)
    street = _streets(recipe, say)
    held_out_pictures = [read_picture(recipe.pictures / one.file) for one in held_out]
    training, raw = _trained(recipe, [*learn, *street], held_out, held_out_pictures, say)
    lines = [calibration(matches_of(raw, kind)) for kind in range(len(CLASSES))]
    model = recipe.out / f"{recipe.name}.onnx"
    export(training.averaged, model, lines)
    card = card_of(recipe.name)
    found = judged_by(recipe.make_detector(model, card, JUDGE_FLOOR), held_out, held_out_pictures)
    matches = {label: matches_of(found, kind) for kind, label in enumerate(CLASSES)}
    return Made(
        model,
        card,
        matches,
        held_out,
        _learnt_from([*learn, *street]),
        left_out,
        {label: reliability(one) for label, one in matches.items()},
        training,
    )


def labels_of(recipe: Recipe, *, say: Say = lambda *_: None) -> list[Labelled]:
    """Give the labels of a recipe's pictures: the given ones, or its teacher's.

    Raises:
        BadInput: they or their pictures cannot be read.
    """
    if recipe.labels is not None:
        return given_labels(recipe.labels, recipe.pictures)
    assert recipe.teacher is not None
    return taught_labels(recipe.pictures, recipe.teacher, keep_in=recipe.out, say=say)


def _learnt_from(labels: Sequence[Labelled]) -> dict[str, tuple[int, int, int]]:
    """Count by source; where pictures have names of no source, together."""
    sources = sorted({one.source for one in labels})
    if len(sources) > SOURCES_TOLD:
        return {"all": counted(labels, OBJECT_FROM)}
    return {
        source: counted([one for one in labels if one.source == source], OBJECT_FROM)
        for source in sources
    }


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
    """Give the confidence from which a class is counted: where F0.5 is best, but 0.5 at least."""
    return round(max(COUNT_FROM_LEAST, matches.best_threshold(COUNT_RECALL_WEIGHT)[0]), 3)


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
    recipe: Recipe, network: Network, labels: Sequence[Labelled], pictures: Sequence[Picture]
) -> list[Judged]:
    """Let a network as it is, not calibrated, look at labelled pictures."""
    path = recipe.out / "judged.onnx"
    export(network, path, [(1.0, 0.0)] * len(CLASSES))
    return judged_by(recipe.make_detector(path, card_of("judged"), JUDGE_FLOOR), labels, pictures)


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
) -> tuple[Training, list[Judged]]:
    """Train, or go on; give the training as it ended and what its network found at the end."""
    placed = [dataclasses.replace(one, file=str(_place(recipe, one))) for one in learn]
    _check_same(recipe, placed)
    pictures = load_pictures(
        Path("/"),
        placed,
        keep_in=recipe.out,
        weights=[recipe.source_weights.get(one.source, 1.0) for one in learn],
        tick=lambda number: say("decoding", number, len(placed)),
    )
    begin = network_in(recipe.begin_with) if recipe.begin_with else None
    training = Training(recipe.plan, recipe.shape, begin_with=begin, example=recipe.example)
    kept = recipe.out / TRAINING_FILE
    if kept.is_file():
        training.go_on_from(kept)
        logger.info("going on at step %d of %d", training.step, recipe.plan.steps)

    judged: list[Judged] = []

    def pause(now: Training) -> None:
        nonlocal judged
        judged = _judged_network(recipe, now.averaged, held_out, held_out_pictures)
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
        every=max(EVALUATE_LEAST, min(EVALUATE_EVERY, recipe.plan.steps // 10)),
        pause=pause,
        tick=tick,
    )
    if not judged:
        judged = _judged_network(recipe, training.averaged, held_out, held_out_pictures)
    return training, judged


def _check_same(recipe: Recipe, learn: Sequence[Labelled]) -> None:
    """Refuse to go on with a training that learns from something else."""
    began = recipe.begin_with.read_bytes() if recipe.begin_with else b""
    key = hashlib.sha256(began)
    key.update(json.dumps([recipe.plan.seed, dataclasses.asdict(recipe.shape)]).encode())
    key.update((recipe.example.name if recipe.example else "").encode())
    for one in learn:
        key.update(label_line(dataclasses.replace(one, file=Path(one.file).name)).encode())
    now, of = {"learns_from": key.hexdigest()}, recipe.out / OF_FILE
    if not (recipe.out / TRAINING_FILE).is_file():
        draft = of.with_suffix(".draft")
        draft.write_text(json.dumps(now))
        draft.rename(of)
    elif of.is_file() and json.loads(of.read_text()) != now:
        raise BadInput(
            f"folder {recipe.out}: holds a training on other pictures or labels, or from another "
            f"model; name another with --out, or remove it"
        )


def _place(recipe: Recipe, one: Labelled) -> Path:
    street = recipe.out / "street" / one.file
    return (street if street.is_file() else recipe.pictures / one.file).resolve()
