"""The model card: a page that says what a model is for, what it learnt from, and where it fails."""

from __future__ import annotations

import dataclasses
import platform
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import torch

from vedette.detectors.card import ModelCard
from vedette.training.comparison import Figure
from vedette.training.judging import calibration_error
from vedette.training.recipe import Made, Recipe, count_from
from vedette.training.rendered import SOURCE as STREET

MODEL_CARD_FILE = "MODEL_CARD.md"
STREET_ORIGIN = "Vedette's own rendered street, labels exact (Apache-2.0)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """What people say of a model, beside what was measured.

    Attributes:
        purpose: What it is for.
        weaknesses: What it is bad at, a sentence each.
        labelled_by: Who labelled the pictures.
        origins: By source: where its pictures come from and under which licence.
        made_on: The day.
        licence: Of the weights, as their maker states it.
        figures: By name of the detector: how it does on labelled pictures.
        judged_on: Which pictures those are.
        times: Milliseconds per picture of this model and of `beside`, and their ratio.
        beside: The model it is compared with.
    """

    purpose: str
    weaknesses: Sequence[str]
    labelled_by: str
    origins: dict[str, str] = field(default_factory=dict)
    made_on: date
    licence: str = "unknown"
    figures: Mapping[str, Sequence[Figure]] = field(default_factory=dict)
    judged_on: str = ""
    times: tuple[float, float, float] | None = None
    beside: str = ""


def with_thresholds(made: Made, *, licence: str, source: str) -> ModelCard:
    """Give the card of a model with what was found on the held-out pictures."""
    per_label = tuple(count_from(made.held_out[label]) for label in made.card.labels)
    return dataclasses.replace(
        made.card,
        confidence=min(per_label),
        label_confidence=per_label,
        licence=licence,
        source=source,
    )


def model_card(recipe: Recipe, made: Made, telling: Telling) -> str:
    """Write the page."""
    size = made.model.stat().st_size
    parts = [
        f"# {recipe.name}",
        telling.purpose,
        _facts(recipe, made, telling, size),
        _judged(made, telling),
        _trust(made),
        "## Known weaknesses\n\n" + "\n".join(f"- {one}" for one in telling.weaknesses),
        _learnt(recipe, made, telling),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _facts(recipe: Recipe, made: Made, telling: Telling, size: int) -> str:
    plan, training = recipe.plan, made.training
    counts = sum(parameter.numel() for parameter in training.averaged.parameters())
    again = "nothing" if recipe.begin_with is None else recipe.began_with
    began = "random weights" if recipe.begin_with is None else f"`{recipe.began_with}`"
    return "\n".join(
        [
            "## How it was made",
            "",
            (
                f"- Labels: {', '.join(made.card.labels)}. File: {size / 1e6:.2f} MB, "
                f"{counts / 1e6:.2f} million weights; input any multiple of 32, decoding inside."
            ),
            f"- Labelled by: {telling.labelled_by}.{_imitated(recipe)}",
            (
                f"- Trained on {telling.made_on.isoformat()} from {began}: "
                f"{training.step * plan.batch:,} pictures drawn (each as often as it came), "
                f"batches of {plan.batch}, at {_sizes(plan.first_sizes)}, at last "
                f"{_sizes(plan.sizes)}, seed {plan.seed}."
            ),
            (
                f"- With PyTorch {torch.__version__}, Python {platform.python_version()}, "
                f"on {training.device.type}. Again, with the same pictures and labels: "
                f"`vedette train --name {recipe.name} --begin-with {again} --samples "
                f"{plan.samples}`; the curve is in `curve.png`."
            ),
        ]
    )


def _imitated(recipe: Recipe) -> str:
    if recipe.example is None:
        return ""
    return f" While it learnt, it also imitated {recipe.example.name}, cell by cell."


def _sizes(sizes: Sequence[tuple[int, int]]) -> str:
    return ", ".join(f"{width} x {height}" for height, width in sizes)


def _judged(made: Made, telling: Telling) -> str:
    lines = ["## How good it is", ""]
    if telling.figures:
        lines += [
            (
                f"On {telling.judged_on}; average precision at overlap 0.5, plus or minus the "
                "standard deviation over pictures drawn again:"
            ),
            "",
            "| detector | " + " | ".join(made.card.labels) + " |",
            "|---" * (1 + len(made.card.labels)) + "|",
        ]
        lines += [
            f"| {name} | "
            + " | ".join(f"{one.ap50:.3f} ± {one.uncertainty:.3f} ({one.objects})" for one in found)
            + " |"
            for name, found in telling.figures.items()
        ]
        lines.append("")
    if telling.times is not None:
        mine, other, ratio = telling.times
        lines += [
            (
                f"Time per 256 x 416 picture on one core, in turns: {mine:.1f} ms, "
                f"{telling.beside} {other:.1f} ms: **{ratio:.2f}** of its time."
            ),
            "",
        ]
    lines.append(
        f"On {len(made.held_out_labels)} held-out pictures of its own sources"
        + (
            " (labels by machine, so agreement with its teacher rather than truth): "
            if made.labelled_by_machine
            else ": "
        )
        + ", ".join(
            f"{label} {one.average_precision():.3f}" for label, one in made.held_out.items()
        )
        + "."
    )
    return "\n".join(lines)


def _trust(made: Made) -> str:
    lines = [
        "## What its confidence means",
        "",
        (
            "Calibrated on the held-out pictures: of the detections with a confidence in each "
            "tenth, the share that was right."
        ),
        "",
        "| label | confidence | detections | said | was |",
        "|---|---|---|---|---|",
    ]
    for label, rows in made.reliability.items():
        lines += [
            f"| {label} | {one.least:.1f} to {one.most:.1f} | {one.count} | {one.said:.2f} | "
            f"{one.was:.2f} |"
            for one in rows
        ]
    errors = ", ".join(
        f"{label} {calibration_error(rows):.3f}" if rows else f"{label} unknown"
        for label, rows in made.reliability.items()
    )
    counted = ", ".join(f"{label} from {count_from(one)}" for label, one in made.held_out.items())
    lines += [
        "",
        (
            f"Mean distance between said and was: {errors}. Counted are: {counted} (where "
            "precision and recall together are best, recall counting half, but never what is "
            "likelier wrong than right)."
        ),
    ]
    return "\n".join(lines)


def _learnt(recipe: Recipe, made: Made, telling: Telling) -> str:
    lines = [
        "## What it learnt from",
        "",
        "| source | pictures | people | vehicles | origin and licence, as its uploader states it |",
        "|---|---|---|---|---|",
    ]
    for source, (pictures, people, vehicles) in made.learnt_from.items():
        ours = recipe.streets and source == STREET
        origin = STREET_ORIGIN if ours else telling.origins.get(source, "")
        lines.append(f"| {source} | {pictures} | {people} | {vehicles} | {origin} |")
    gone = ", ".join(f"{count} {reason}" for reason, count in made.left_out.items() if count)
    lines += [
        "",
        f"Left out: {gone or 'nothing'}; {len(made.held_out_labels)} held out to judge by.",
    ]
    if any("CC BY" in one for one in telling.origins.values()):
        lines.append(
            "CC BY 4.0: https://creativecommons.org/licenses/by/4.0/ (changes made: resized, "
            "re-encoded, relabelled)."
        )
    return "\n".join(lines)


def origins_of(sources_page: Path) -> dict[str, str]:
    """Read a table of sources (key, repository, …, licence in its last column) off a page."""
    found = {}
    for line in sources_page.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if len(cells) >= 6 and re.fullmatch(r"[a-z0-9]{2,16}", cells[0]) and cells[0] != "key":
            found[cells[0]] = f"{cells[1]}; {cells[-1]}"
    return found
