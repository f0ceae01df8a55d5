"""The end of a training: before and after, beside another model, the card, the page."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vedette.detectors.base import Detector
from vedette.detectors.card import ModelCard, card_toml
from vedette.training.cards import MODEL_CARD_FILE, Telling, model_card, with_thresholds
from vedette.training.comparison import Figure, figures, figures_of, time_ratio
from vedette.training.formats import read_any_labels
from vedette.training.judging import Judged
from vedette.training.pictures import read_picture
from vedette.training.recipe import JUDGE_FLOOR, Made, Recipe, card_of, judged_by
from vedette.training.sheet import contact_sheet
from vedette.training.weaknesses import weaker_than

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
    origin = f"trained with Vedette; labels: {telling.labelled_by}"
    card = with_thresholds(made, licence=telling.licence, source=origin)
    detector = recipe.make_detector(made.model, card, JUDGE_FLOOR)
    outcome: dict[str, Any] = {
        "name": recipe.name,
        "model": str(made.model),
        "size_bytes": made.model.stat().st_size,
        "card": str(recipe.out / MODEL_CARD_FILE),
        "curve": str(recipe.out / CURVE_FILE),
        "held_out": {"after": _figures(_judged(detector, recipe, made))},
        "pictures": {
            "learnt_from": sum(one[0] for one in made.learnt_from.values()),
            "held_out": len(made.held_out_labels),
            "left_out": made.left_out,
        },
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
            weaknesses=[*telling.weaknesses, *_behind(recipe.name, beside, found)],
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


def _behind(name: str, beside: Rival | None, found: Mapping[str, Sequence[Figure]]) -> list[str]:
    return [] if beside is None else weaker_than(beside.name, found[name], found[beside.name])


def _before_and_after(
    recipe: Recipe, made: Made, before: Path, detector: Detector, card: ModelCard
) -> dict[str, Any]:
    earlier = recipe.make_detector(before, card_of(before.stem), JUDGE_FLOOR)
    first, second = _judged(earlier, recipe, made), _judged(detector, recipe, made)
    pictures = [read_picture(recipe.pictures / one.file) for one in made.held_out_labels]
    sheet = recipe.out / SHEET_FILE
    differ = contact_sheet(pictures, first, second, sheet, count_from=card.confidence)
    found = {"before": _figures(first), "after": _figures(second)}
    told: dict[str, Any] = {"held_out": found, "gain": _gain(found["before"], found["after"])}
    if differ:
        told |= {"sheet": str(sheet), "differ_on": differ}
    return told


def _judged(detector: Detector, recipe: Recipe, made: Made) -> list[Judged]:
    pictures = [read_picture(recipe.pictures / one.file) for one in made.held_out_labels]
    return judged_by(detector, made.held_out_labels, pictures)


def _figures(judged: list[Judged]) -> dict[str, dict[str, Any]]:
    """Give by label what there is to say; a class with nothing to find has nothing."""
    return {
        one.label: {
            "ap50": round(one.ap50, 4), "uncertainty": round(one.uncertainty, 4),
            "objects": one.objects,
        }
        for one in figures_of(judged)
        if one.objects
    }  # fmt: skip


def _gain(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """Say in a word what the training brought: a change within both uncertainties is none."""
    signs = set()
    for label in after:
        change = after[label]["ap50"] - before[label]["ap50"]
        doubt = math.hypot(before[label]["uncertainty"], after[label]["uncertainty"])
        signs.add(0 if abs(change) <= doubt else math.copysign(1, change))
    if {-1, 1} <= signs:
        return "mixed"
    return "better" if 1 in signs else "worse" if -1 in signs else "unclear"
