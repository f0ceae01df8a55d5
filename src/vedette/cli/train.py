"""`vedette train`: a detector of one's own, from one's own pictures."""

from __future__ import annotations

import importlib.util
import json
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

import typer

from vedette.cli.exits import tells_errors

if TYPE_CHECKING:
    from vedette.settings import Settings
    from vedette.training.cards import Telling
    from vedette.training.recipe import Made, Recipe, Say

EXAMPLES = (
    "Examples: vedette train --from rtsp://camera/stream --name gate; "
    "vedette train --from recordings/ --labels corrected.json --name gate; then: "
    "vedette run rtsp://camera/stream --detector gate"
)
NOTHING = "nothing"
FINE_TUNING_SAMPLES, WHOLE_SAMPLES = 40_000, 600_000
# Going on from a trained model takes smaller steps than beginning.
FINE_TUNING_RATE = 4e-4
PICTURE_ENDINGS = {".jpg", ".jpeg", ".png", ".bmp", ".webp"}
# Plain lines at most this often, where no terminal shows a bar.
LINE_PERIOD_S = 10.0
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
    teacher: Annotated[
        str, typer.Option(help="Who labels where no --labels are given: a model's name or file.")
    ] = "auto",
    begin_with: Annotated[
        str, typer.Option(help="The model to train on from; 'nothing' begins anew.")
    ] = "shipped",
    out: Annotated[
        Path | None, typer.Option(help="Folder for all that is made; again with it goes on.")
    ] = None,
    samples: Annotated[
        int | None, typer.Option(min=64, help="Pictures to learn from, each as often as drawn.")
    ] = None,
    pictures_max: Annotated[
        int, typer.Option(min=60, help="Most pictures to take from cameras and clips, each.")
    ] = 600,
    every: Annotated[
        float, typer.Option(min=0.04, help="Seconds between two looks at a camera or clip.")
    ] = 2.0,
    judge: Annotated[
        Path | None,
        typer.Option(help="COCO labels of other pictures to judge by; those are kept away."),
    ] = None,
    judge_pictures: Annotated[Path | None, typer.Option(help="Folder of those pictures.")] = None,
    beside: Annotated[
        str | None, typer.Option(help="A model to compare with on those pictures.")
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
    from vedette.training.loop import Plan
    from vedette.training.recipe import Recipe, make
    from vedette.wiring import judging_detector, make_teacher, model_shelf, resolve_training_start

    settings = load_settings()
    out = out or Path("train") / name
    shelf = model_shelf(settings)
    if install:
        shelf.check_free(name)
    begin = None if begin_with == NOTHING else resolve_training_start(begin_with, settings)
    with _Told(as_json=as_json) as told:
        pictures = _pictures(sources, out, settings, pictures_max, every, told.say)
        who = None if labels is not None else make_teacher(teacher, settings)
        kept_away = sorted(judge_pictures.iterdir()) if judge_pictures else []
        recipe = Recipe(
            name=name,
            pictures=pictures,
            out=out,
            make_detector=judging_detector,
            teacher=who,
            labels=labels,
            plan=_plan(Plan, samples, from_nothing=begin is None),
            begin_with=begin,
            leave_out=[one for one in leave_out.split(",") if one],
            source_weights=_weights(weights),
            streets=streets,
            keep_away=[one for one in kept_away if one.suffix.lower() in PICTURE_ENDINGS],
        )
        made = make(recipe, say=told.say)
    labelled_by = str(labels) if who is None else f"{who.name}, two looks at each picture"
    telling = _telling(recipe, made, labelled_by, origins)
    outcome = _finish(
        recipe, made, telling, settings=settings, judge=judge, judge_pictures=judge_pictures,
        beside=beside, install=install,
    )  # fmt: skip
    print(json.dumps(outcome) if as_json else _shown(outcome))


def _check_torch() -> None:
    from vedette.domain.errors import ConfigError

    if importlib.util.find_spec("torch") is None:
        raise ConfigError(
            "training needs PyTorch, which is not installed: pip install 'vedette[train]' "
            "(the CPU build is enough)"
        )


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
        except ValueError as error:
            raise BadInput(f"--weights {part}: must be SOURCE=NUMBER, such as lobby=1.5") from error
    return found


def _pictures(
    sources: Sequence[str],
    out: Path,
    settings: Settings,
    pictures_max: int,
    every_s: float,
    say: Say,
) -> Path:
    """Give the folder of pictures: the one that was named, or what was gathered."""
    from functools import partial

    from vedette.domain.errors import BadInput
    from vedette.training.gathering import gather
    from vedette.wiring import make_pacer, make_source

    if len(sources) == 1 and _is_picture_folder(Path(sources[0])):
        return Path(sources[0])
    folder, done = out / "pictures", out / "gathered.json"
    if done.is_file():
        return folder
    found = 0
    for address in _addresses(sources):
        if _is_picture_folder(Path(address)):
            raise BadInput(
                f"--from {address}: is a folder of pictures, which cannot be mixed with other "
                f"sources; put all pictures into one folder"
            )
        fps = Fraction(1) / Fraction(every_s).limit_denominator(1000)
        found += gather(
            make_source(address, settings),
            folder,
            pacer_for=partial(make_pacer, resumed_at=None, fps=fps, settings=settings),
            pictures_max=pictures_max,
            say=lambda number: say("gathering", number, pictures_max),
        )
    done.write_text(json.dumps({"sources": list(sources), "pictures": found}))
    return folder


def _addresses(sources: Sequence[str]) -> list[str]:
    """Give every clip of a folder by itself."""
    found = []
    for one in sources:
        path = Path(one)
        found += (
            sorted(str(clip) for clip in path.iterdir() if clip.is_file())
            if (path.is_dir() and not _is_picture_folder(path))
            else [one]
        )
    return found


def _is_picture_folder(path: Path) -> bool:
    return path.is_dir() and any(one.suffix.lower() in PICTURE_ENDINGS for one in path.iterdir())


def _telling(recipe: Recipe, made: Made, labelled_by: str, origins: Path | None) -> Telling:
    from vedette.training.cards import Telling, origins_of
    from vedette.training.weaknesses import weaknesses_of

    return Telling(
        purpose=PURPOSE,
        weaknesses=weaknesses_of(recipe, made),
        labelled_by=labelled_by,
        origins=origins_of(origins) if origins else {},
        made_on=datetime.now(UTC).date(),
    )


def _finish(
    recipe: Recipe,
    made: Made,
    telling: Telling,
    *,
    settings: Settings,
    judge: Path | None,
    judge_pictures: Path | None,
    beside: str | None,
    install: bool,
) -> dict[str, Any]:
    """Judge, write card and page, put the model on the shelf; give what there is to say."""
    from vedette.training.outcome import finish
    from vedette.wiring import model_shelf, resolve_rival

    before = None if recipe.begin_with is None else recipe.begin_with
    outcome = finish(
        recipe,
        made,
        telling,
        before=before,
        judge=judge,
        judge_pictures=judge_pictures,
        beside=None if beside is None else resolve_rival(beside, settings),
    )
    if install:
        model_shelf(settings).add(
            made.model,
            name=recipe.name,
            card_file=made.model.with_suffix(".toml"),
            model_card=recipe.out / "MODEL_CARD.md",
        )
        outcome["installed"] = True
    return outcome


def _shown(outcome: dict[str, Any]) -> str:
    lines = [f"model      {outcome['model']}  ({outcome['size_bytes'] / 1e6:.2f} MB)"]
    lines += [f"card       {outcome['card']}", f"curve      {outcome['curve']}"]
    for name, found in outcome["held_out"].items():
        shown = ", ".join(f"{label} AP50 {value:.3f}" for label, value in found.items())
        lines.append(f"{name:<10} {shown}   (held-out pictures)")
    for name, found in outcome["judged"].items():
        shown = ", ".join(
            f"{label} AP50 {one['ap50']:.3f} ± {one['uncertainty']:.3f}"
            for label, one in found.items()
        )
        lines.append(f"{name:<10} {shown}")
    if outcome.get("sheet"):
        lines.append(f"changes    {outcome['sheet']}  (differs on {outcome['differ_on']} pictures)")
    if outcome.get("installed"):
        lines.append(f"try it     vedette run SOURCE --detector {outcome['name']}")
    return "\n".join(lines)


class _Told:
    """Tells how far each step is: a bar on a terminal, now and then a line elsewhere."""

    def __init__(self, *, as_json: bool) -> None:
        self._bar: Any = None
        self._tasks: dict[str, Any] = {}
        self._quiet = as_json
        self._told_s = 0.0

    def __enter__(self) -> Self:
        if sys.stderr.isatty() and not self._quiet:
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

            self._bar = Progress(
                "{task.description:<10}", BarColumn(), MofNCompleteColumn(),
                TimeRemainingColumn(), console=Console(stderr=True),
            )  # fmt: skip
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def say(self, step: str, done: int, most: int) -> None:
        if self._bar is not None:
            if step not in self._tasks:
                self._tasks[step] = self._bar.add_task(step, total=most)
            self._bar.update(self._tasks[step], completed=done, total=most)
        elif not self._quiet and (done == most or time.monotonic() - self._told_s > LINE_PERIOD_S):
            self._told_s = time.monotonic()
            print(f"vedette: {step} {done} of {most}", file=sys.stderr)
