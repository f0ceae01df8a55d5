"""The end of a training: before and after, beside another model, the card, the page."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

from vedette.detectors.base import Detector
from vedette.detectors.card import ModelCard, card_toml
from vedette.training.cards import MODEL_CARD_FILE, Telling, model_card, with_thresholds
from vedette.training.comparison import figures, time_ratio
from vedette.training.formats import read_any_labels
from vedette.training.judging import Judged, matches_of
from vedette.training.network import CLASSES
from vedette.training.pictures import read_picture
from vedette.training.recipe import JUDGE_FLOOR, Made, Recipe, card_of, judged_by
from vedette.training.sheet import contact_sheet

LICENCE = "Apache-2.0"
SHEET_FILE, CURVE_FILE = "changes.png", "curve.png"


@dataclasses.dataclass(frozen=True, slots=True)
class Rival:
    """A model to compare with."""

    name: str
    detector: Detector


def finish(
    recipe: Recipe,
    made: Made,
    telling: Telling,
    *,
    before: Path | None,
    judge: Path | None,
    judge_pictures: Path | None,
    beside: Rival | None,
) -> dict[str, Any]:
    """Judge what was made, write its card and its page, and tell.

    Args:
        recipe: What was to be made.
        made: What was.
        telling: What people say of it.
        before: The model it was trained on from, or None.
        judge: Labels of other pictures.
        judge_pictures: Their folder.
        beside: A model to compare with there.
    """
    card = with_thresholds(made, licence=LICENCE, source=f"trained by {telling.labelled_by}")
    detector = recipe.make_detector(made.model, card, JUDGE_FLOOR)
    outcome: dict[str, Any] = {
        "name": recipe.name,
        "model": str(made.model),
        "size_bytes": made.model.stat().st_size,
        "card": str(recipe.out / MODEL_CARD_FILE),
        "curve": str(recipe.out / CURVE_FILE),
        "held_out": {"after": _ap50(_judged(detector, recipe, made))},
        "judged": {},
    }
    if before is not None:
        outcome |= _before_and_after(recipe, made, before, detector, card)
    if judge is not None and judge_pictures is not None:
        labels = read_any_labels(judge, judge_pictures)
        rivals = [Rival(recipe.name, detector), *([beside] if beside else [])]
        found = {one.name: figures(one.detector, labels, judge_pictures) for one in rivals}
        telling = dataclasses.replace(
            telling,
            figures=found,
            judged_on=f"{len(labels)} labelled pictures it never saw ({judge.name})",
            times=time_ratio(detector, beside.detector) if beside else None,
            beside=beside.name if beside else "",
        )
        outcome["judged"] = {
            name: {one.label: dataclasses.asdict(one) for one in some}
            for name, some in found.items()
        }
        outcome["times"] = telling.times
    made.model.with_suffix(".toml").write_text(card_toml(card), encoding="utf-8")
    page = model_card(recipe, made, telling)
    (recipe.out / MODEL_CARD_FILE).write_text(page, encoding="utf-8")
    return outcome


def _before_and_after(
    recipe: Recipe, made: Made, before: Path, detector: Detector, card: ModelCard
) -> dict[str, Any]:
    earlier = recipe.make_detector(before, card_of(before.stem), JUDGE_FLOOR)
    first, second = _judged(earlier, recipe, made), _judged(detector, recipe, made)
    pictures = [read_picture(recipe.pictures / one.file) for one in made.held_out_labels]
    sheet = recipe.out / SHEET_FILE
    differ = contact_sheet(pictures, first, second, sheet, count_from=card.confidence)
    told: dict[str, Any] = {"held_out": {"before": _ap50(first), "after": _ap50(second)}}
    if differ:
        told |= {"sheet": str(sheet), "differ_on": differ}
    return told


def _judged(detector: Detector, recipe: Recipe, made: Made) -> list[Judged]:
    pictures = [read_picture(recipe.pictures / one.file) for one in made.held_out_labels]
    return judged_by(detector, made.held_out_labels, pictures)


def _ap50(judged: list[Judged]) -> dict[str, float]:
    found = {
        label: matches_of(judged, kind).average_precision() for kind, label in enumerate(CLASSES)
    }
    return {label: round(value, 4) for label, value in found.items() if not math.isnan(value)}
