"""`vedette train`: a detector of one's own, from one's own pictures."""

from __future__ import annotations

import importlib.util
import json
import math
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vedette.cli.exits import tells_errors
from vedette.cli.train_sources import PICTURE_FILES, check_sources, gather_pictures
from vedette.cli.train_told import Told, corrected, shown

if TYPE_CHECKING:
    from vedette.settings import Settings
    from vedette.training.cards import Telling
    from vedette.training.outcome import Rival
    from vedette.training.recipe import Made, Recipe

EXAMPLES = (
    "Examples: vedette train --from rtsp://camera/stream --name gate; "
    "vedette train --from recordings/ --name gate --labels-only; "
    "vedette train --from train/gate/pictures --labels train/gate/labels.json --name gate; "
    "then: vedette run rtsp://camera/stream --detector gate"
)
NOTHING = "nothing"
FINE_TUNING_SAMPLES, WHOLE_SAMPLES = 40_000, 600_000
# Going on from a trained model takes smaller steps than beginning.
FINE_TUNING_RATE = 4e-4
PURPOSE = (
    "Finds people and vehicles (cars, motorcycles, buses, trucks) in pictures of fixed cameras, on "
    "a CPU. Not for telling who somebody is, and not for decisions about people's safety or rights "
    "on its word alone."
)


@tells_errors
def train(
    sources: Annotated[
        list[str],
        typer.Option(
            "--from", help="A camera, a clip, a folder of clips or of pictures; again for more."
        ),
    ],
    name: Annotated[str, typer.Option(help="What the model shall be called.")],
    labels: Annotated[
        Path | None,
        typer.Option(help="Corrected labels: COCO's .json, or a folder of YOLO's .txt."),
    ] = None,
    labels_only: Annotated[
        bool,
        typer.Option(
            "--labels-only", help="Gather and label pictures, and stop: to correct the labels."
        ),
    ] = False,
    teacher: Annotated[
        str, typer.Option(help="Who labels where no --labels are given: a model's name or file.")
    ] = "auto",
    begin_with: Annotated[
        str,
        typer.Option(
            help="The model to train on from, by name or file; 'nothing' begins anew, which takes "
            "thousands of pictures."
        ),
    ] = "shipped",
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for all that is made; the same command again goes on there. Left out: "
            "train/NAME."
        ),
    ] = None,
    samples: Annotated[
        int | None,
        typer.Option(
            min=64,
            help="How long to train: pictures to learn from, each as often as it is drawn. Left "
            f"out: {FINE_TUNING_SAMPLES:,}, or {WHOLE_SAMPLES:,} from nothing.",
        ),
    ] = None,
    pictures_max: Annotated[
        int, typer.Option(min=60, help="Most pictures to take from each camera or clip.")
    ] = 600,
    every: Annotated[
        float, typer.Option(min=0.04, help="Seconds between two looks at a camera or clip.")
    ] = 2.0,
    watch: Annotated[
        float, typer.Option(min=0.05, help="Most minutes to watch each camera.")
    ] = 60.0,
    judge: Annotated[
        Path | None,
        typer.Option(help="Labels of other pictures to judge by; those are kept away."),
    ] = None,
    judge_pictures: Annotated[Path | None, typer.Option(help="Folder of those pictures.")] = None,
    beside: Annotated[
        str | None, typer.Option(help="A model to compare with on those pictures.")
    ] = None,
    imitate: Annotated[
        str | None,
        typer.Option(
            help="A model of the YOLOX family to learn from cell by cell too: slower per "
            "picture, and more from each."
        ),
    ] = None,
    leave_out: Annotated[
        str, typer.Option(help="Sources (what stands before the last _ of a file) to leave out.")
    ] = "",
    weights: Annotated[
        str, typer.Option(help="How often a source is drawn, against 1: lobby=1.5,yard=0.5")
    ] = "",
    streets: Annotated[
        int, typer.Option(min=0, max=200, help="Rendered streets to add to the pictures.")
    ] = 0,
    origins: Annotated[
        Path | None, typer.Option(help="A page with a table of the sources, for the model card.")
    ] = None,
    labelled_by: Annotated[
        str, typer.Option(help="Who made the labels that are given, for the model card.")
    ] = "",
    licence: Annotated[
        str, typer.Option(help="Of the weights, for the card; yours to state.")
    ] = "unknown",
    install: Annotated[
        bool, typer.Option(help="Put the model on the shelf, for --detector NAME.")
    ] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print the outcome as JSON.")] = False,
) -> None:
    """Train a detector on your own cameras, and tell what it gained.

    Takes pictures that differ from each other, has them labelled by the best installed model (or
    takes your labels), trains from the model that comes with Vedette, and judges before and after
    on pictures it never learnt from.
    """
    _check_torch()
    from vedette.settings import load_settings
    from vedette.wiring import (
        judging_detector,
        make_example,
        make_teacher,
        model_shelf,
        resolve_rival,
        resolve_training_start,
    )

    settings = load_settings()
    out = out or Path("train") / name
    # All that can be refused is refused before the hours of work, and before PyTorch is loaded.
    _check_name(name)
    if install and not labels_only:
        model_shelf(settings).check_free(name)
    kept_away = _judging_pictures(judge, judge_pictures, beside)
    _check_page(origins)
    check_sources(sources)
    often = _weights(weights)
    begin = None
    if begin_with != NOTHING and not labels_only:
        begin = resolve_training_start(begin_with, settings)
    who = None if labels is not None else make_teacher(teacher, settings)
    from vedette.training.export import network_in
    from vedette.training.loop import Plan
    from vedette.training.recipe import Recipe, labels_of, make

    example = None if imitate is None or labels_only else make_example(imitate, settings)
    rival = None if beside is None else resolve_rival(beside, settings)
    if begin is not None:
        network_in(begin)
    with Told(out, quiet=as_json) as told:
        pictures = gather_pictures(sources, out, settings, pictures_max, every, watch * 60, told)
        if who is not None and begin is not None and who.is_model(begin):
            told.note(
                "the teacher is the model that is trained on: it learns little from its own "
                "labels; correct them (--labels-only), or get a better one: vedette models pull "
                "yolox-s"
            )
        recipe = Recipe(
            name=name,
            pictures=pictures,
            out=out,
            make_detector=judging_detector,
            teacher=who,
            labels=labels,
            plan=_plan(Plan, samples, from_nothing=begin is None),
            begin_with=begin,
            began_with=begin_with,
            leave_out=[one for one in leave_out.split(",") if one],
            source_weights=often,
            streets=streets,
            keep_away=kept_away,
            example=example,
        )
        if labels_only:
            labels_of(recipe, say=told.say)
        else:
            made = make(recipe, say=told.say)
    if labels_only:
        outcome = _labelled(recipe)
        print(json.dumps(outcome) if as_json else "\n".join(corrected(outcome)))
        return
    if labels is not None:
        labelled_by = labelled_by or f"{labels.name}, as given"
    else:
        labelled_by = f"{who.name if who else ''}, two looks at each picture"
    outcome = _finish(
        recipe, made, _telling(recipe, made, labelled_by, origins, licence), settings=settings,
        judge=judge, judge_pictures=judge_pictures, rival=rival, install=install,
    )  # fmt: skip
    print(json.dumps(outcome) if as_json else shown(outcome))


def _check_torch() -> None:
    from vedette.domain.errors import ConfigError

    if importlib.util.find_spec("torch") is None:
        raise ConfigError(
            "training needs PyTorch, which is not installed: pip install 'vedette[train]' "
            "(the CPU build is enough)"
        )


def _check_name(name: str) -> None:
    from vedette.detectors.card import is_model_name
    from vedette.domain.errors import BadInput

    if not is_model_name(name):
        raise BadInput(f"--name {name}: a model's name has letters, digits, '.', '_' and '-' alone")


def _check_page(origins: Path | None) -> None:
    from vedette.domain.errors import BadInput

    if origins is not None and not origins.is_file():
        raise BadInput(f"--origins {origins}: no such file")


def _judging_pictures(judge: Path | None, folder: Path | None, beside: str | None) -> list[Path]:
    """Give the pictures that judge, and make sure that their labels can be read."""
    from vedette.domain.errors import BadInput
    from vedette.training.labelling import given_labels

    if judge is None or folder is None:
        if judge or folder or beside:
            raise BadInput("--judge LABELS and --judge-pictures FOLDER go together")
        return []
    if not folder.is_dir():
        raise BadInput(f"--judge-pictures {folder}: no such folder")
    given_labels(judge, folder)
    return sorted(one for one in folder.iterdir() if one.suffix.lower() in PICTURE_FILES)


def _plan(plan: Any, samples: int | None, *, from_nothing: bool) -> Any:
    if from_nothing:
        return plan(samples=samples or WHOLE_SAMPLES)
    return plan(samples=samples or FINE_TUNING_SAMPLES, rate=FINE_TUNING_RATE, settle_share=0.6)


def _weights(text: str) -> dict[str, float]:
    from vedette.domain.errors import BadInput

    found = {}
    for part in filter(None, text.split(",")):
        source, _, number = part.partition("=")
        try:
            found[source] = float(number)
        except ValueError:
            found[source] = math.nan
        if not 0 < found[source] < math.inf:
            raise BadInput(f"--weights {part}: must be SOURCE=NUMBER above 0, such as lobby=1.5")
    return found


def _labelled(recipe: Recipe) -> dict[str, Any]:
    """Give where the labels lie and how to give them back."""
    from vedette.training.labelling import COCO_FILE

    given = recipe.labels or recipe.out / COCO_FILE
    return {"labels": str(given), "from": str(recipe.pictures), "again_as": recipe.name}


def _telling(
    recipe: Recipe, made: Made, labelled_by: str, origins: Path | None, licence: str
) -> Telling:
    from vedette.training.cards import Telling, origins_of
    from vedette.training.weaknesses import weaknesses_of

    return Telling(
        purpose=PURPOSE,
        weaknesses=weaknesses_of(recipe, made),
        labelled_by=labelled_by,
        origins=origins_of(origins) if origins else {},
        made_on=datetime.now(UTC).date(),
        licence=licence,
    )


def _finish(
    recipe: Recipe,
    made: Made,
    telling: Telling,
    *,
    settings: Settings,
    judge: Path | None,
    judge_pictures: Path | None,
    rival: Rival | None,
    install: bool,
) -> dict[str, Any]:
    """Judge, write card and page, put the model on the shelf; give what there is to say."""
    from vedette.training.cards import MODEL_CARD_FILE
    from vedette.training.outcome import finish
    from vedette.wiring import model_shelf

    outcome = finish(
        recipe,
        made,
        telling,
        before=recipe.begin_with,
        judge=judge,
        judge_pictures=judge_pictures,
        beside=rival,
    )
    if recipe.labels is None:
        # The name will be taken: what learns from corrected labels needs another.
        outcome |= {**_labelled(recipe), "again_as": f"{recipe.name}-2"}
    if install:
        model_shelf(settings).add(
            made.model,
            name=recipe.name,
            card_file=made.model.with_suffix(".toml"),
            model_card=recipe.out / MODEL_CARD_FILE,
        )
        outcome["installed"] = True
    return outcome
