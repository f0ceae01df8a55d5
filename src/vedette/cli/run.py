"""`vedette run`: analyse one source now, with no server."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from vedette.cli.exits import INTERRUPTED, tells_errors

if TYPE_CHECKING:
    from vedette.domain.stream import StreamFacts
    from vedette.runner.ledger import Limit
    from vedette.runner.pipeline import Pipeline

EXAMPLES = (
    "Example: vedette run door.mp4 --scene door.yaml --annotated seen.mp4    "
    "(also rtsp://user:pass@10.0.0.7/main, http(s)://, udp://, /dev/video0, "
    "synthetic://street?people=6&seed=1)"
)

# No camera gives more, and a request for more is a slip of the finger.
FPS_MAX = 1000

# Ctrl-C, a service manager's stop, a terminal that was closed.
STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

TilesOption = Annotated[
    str | None,
    typer.Option(
        help="Look at overlapping tiles as well, columns x rows, at most 16: finds smaller objects "
        "and costs a look per tile.",
        metavar="2x2",
    ),
]

_SECONDS_OF = {"s": 1, "m": 60, "h": 3600}


@tells_errors
def run(
    source: Annotated[
        str, typer.Argument(help="File, address or webcam to analyse.", metavar="SOURCE")
    ],
    detector: Annotated[
        str,
        typer.Option(
            help="auto, motion, a model's name (`vedette models list`) or FILE.onnx.",
            metavar="NAME",
        ),
    ] = "auto",
    classes: Annotated[
        str | None, typer.Option(help="Only these, such as person,vehicle.", metavar="LABELS")
    ] = None,
    confidence: Annotated[
        float | None,
        typer.Option(help="From which a detection counts.", min=0.01, max=1, metavar="0.01..1"),
    ] = None,
    fps: Annotated[
        str | None,
        typer.Option(
            help="Looks per second. Left out: every picture of a file; of a live source as many "
            "as fit.",
            metavar="NUMBER",
        ),
    ] = None,
    tiles: TilesOption = None,
    scene: Annotated[
        Path | None, typer.Option(help="Zones and lines, as YAML.", metavar="FILE")
    ] = None,
    annotated: Annotated[
        Path | None, typer.Option(help="Write the video with the objects drawn.", metavar="OUT.mp4")
    ] = None,
    predictions: Annotated[
        str | None,
        typer.Option(
            help="Write what was seen: .jsonl, .csv, .parquet, or - for standard output.",
            metavar="OUT",
        ),
    ] = None,
    snapshots: Annotated[
        Path | None, typer.Option(help="Write a picture of everything seen.", metavar="DIR")
    ] = None,
    limit: Annotated[
        str | None,
        typer.Option(
            help="Stop after so much video (10s, 2m, 1h) or so many frames looked at (300f).",
            metavar="10s|300f",
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the summary as one JSON object.")
    ] = False,
) -> None:
    """Analyse SOURCE now: boxes, tracks, counts; no server needed."""
    from vedette import wiring
    from vedette.cli import progress, summary
    from vedette.domain.errors import BadInput
    from vedette.domain.tiles import parse_tiles
    from vedette.settings import load_settings
    from vedette.telemetry import set_up_logging

    if as_json and predictions == "-":
        raise BadInput("--json and --predictions - both want standard output; write one to a file")
    set_up_logging()
    settings = load_settings()
    request = wiring.AnalysisRequest(
        source=source,
        detector=detector,
        classes=parse_classes(classes),
        confidence=confidence,
        fps=parse_fps(fps),
        tiles=None if tiles is None else parse_tiles(tiles),
        plan=wiring.read_scene(scene),
        annotated=annotated,
        predictions=predictions,
        snapshots=snapshots,
        limit=parse_limit(limit),
    )
    to_stdout = predictions == "-"
    quiet = as_json and not sys.stderr.isatty()
    bar = progress.make_progress(quiet=quiet)
    with wiring.Wiring(settings) as house:
        analysis = house.analysis(request, watch=bar.watch)

        def opened(facts: StreamFacts) -> None:
            choice = analysis.choice
            if choice.note and not (quiet and choice.is_fallback):
                bar.note(choice.note)
            elif choice.note:  # Something is broken: whoever reads a program's errors is told.
                print(f"vedette: {choice.note}", file=sys.stderr)
            bar.opened(facts)

        with bar, stopping_on_signals(analysis.pipeline):
            report = analysis.carry_out(opened=opened)
    truth = wiring.known_truth(source, request.plan)
    if as_json:
        print(summary.as_json(report, request, analysis.model, tiles=analysis.tile_cost))
    else:
        cost = analysis.tile_cost
        told = summary.as_text(report, request, analysis.model, truth, tiles=cost)
        print(told, file=sys.stderr if to_stdout else sys.stdout)
    if report.failure is not None:
        raise report.failure
    if report.interrupted:
        raise typer.Exit(INTERRUPTED)


def parse_classes(text: str | None) -> tuple[str, ...] | None:
    """Read `person,vehicle`."""
    from vedette.domain.errors import BadInput

    if text is None:
        return None
    labels = tuple(label.strip() for label in text.split(",") if label.strip())
    if not labels:
        raise BadInput("--classes: name at least one, such as person,vehicle")
    return labels


def parse_fps(text: str | None) -> Fraction | None:
    """Read `5`, `0.5` or `1/3`, exactly."""
    from vedette.domain.errors import BadInput

    if text is None:
        return None
    try:
        fps = Fraction(text)
    except (ValueError, ZeroDivisionError):
        fps = Fraction(0)
    if not 0 < fps <= FPS_MAX:
        raise BadInput(f"--fps {text}: must be a number above 0 and at most {FPS_MAX}")
    return fps


def parse_limit(text: str | None) -> Limit | None:
    """Read `10s`, `2m`, `1h` or `300f`."""
    from vedette.domain.errors import BadInput
    from vedette.runner.ledger import Limit

    if text is None:
        return None
    number, unit = text[:-1], text[-1:]
    try:
        amount = float(number)
    except ValueError:
        amount = 0
    if amount > 0 and unit in _SECONDS_OF:
        return Limit(media_s=amount * _SECONDS_OF[unit])
    if amount >= 1 and unit == "f" and number.isdecimal():
        return Limit(frames=int(number))
    raise BadInput(f"--limit {text}: say 10s, 2m or 1h of video, or 300f for 300 frames")


@contextmanager
def stopping_on_signals(pipeline: Pipeline) -> Iterator[None]:
    """Let the first Ctrl-C (or SIGTERM, SIGHUP) end the run in order; a second one at once."""

    def stop(number: int, _: FrameType | None) -> None:
        pipeline.stop()
        signal.signal(number, signal.default_int_handler)

    # What was ignored from the start (a job in the background, under nohup) stays ignored.
    heard = [number for number in STOPPING if signal.getsignal(number) is not signal.SIG_IGN]
    kept = {number: signal.signal(number, stop) for number in heard}
    try:
        yield
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)
