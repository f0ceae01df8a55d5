"""`vedette scenario`: start, stop, look at and export analyses of a Vedette that runs."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vedette.cli.exits import INTERRUPTED, tells_errors
from vedette.cli.run import TilesOption
from vedette.cli.server_client import (
    DEFAULT_SERVER,
    SCENARIOS,
    SERVER_VARIABLE,
    AsJson,
    Server,
    ServerOption,
    scenario_path,
)
from vedette.domain.errors import BadInput, EngineError, Stopped

if TYPE_CHECKING:
    from vedette.cli.following import View
    from vedette.cli.starting import StartRequest

app = typer.Typer(
    help="Start, stop, look at and export analyses of a Vedette that runs (`vedette up`).",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Id = Annotated[str, typer.Argument(help="The scenario's id.", metavar="ID")]
_FORMATS = (".jsonl", ".csv", ".parquet")
_PAGE = 1000
_SCENARIO_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@app.command(
    epilog="Example: vedette scenario start door.mp4 --scene door.yaml --wait    "
    "(also rtsp://user:pass@10.0.0.7/main, or the id of a scenario that is to run again)"
)
@tells_errors
def start(
    source: Annotated[
        str | None,
        typer.Argument(
            help="File (it is uploaded), address, or id of a scenario.", metavar="SOURCE"
        ),
    ] = None,
    source_id: Annotated[
        str | None,
        typer.Option(help="Instead of SOURCE: one that the server knows.", metavar="ID"),
    ] = None,
    detector: Annotated[
        str,
        typer.Option(help="auto, motion, or a model installed at the server.", metavar="NAME"),
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
        typer.Option(help="Looks per second; left out: every picture.", metavar="NUMBER"),
    ] = None,
    tiles: TilesOption = None,
    scene: Annotated[
        Path | None, typer.Option(help="Zones and lines, as YAML.", metavar="FILE")
    ] = None,
    recorded_at: Annotated[
        str | None,
        typer.Option(help="When a recording began, with its time zone.", metavar="TIME"),
    ] = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait until it ends, and show what came out.")
    ] = False,
    server: ServerOption = DEFAULT_SERVER,
    as_json: AsJson = False,
) -> None:
    """Start an analysis of SOURCE that goes on until it ends or is stopped."""
    from vedette.cli.run import parse_classes, parse_fps
    from vedette.cli.starting import StartRequest, parse_moment, read_scene_text
    from vedette.domain.tiles import parse_tiles

    if (source is None) == (source_id is None):
        raise BadInput("name one: a SOURCE, or --source-id ID")
    request = StartRequest(
        source=source or "",
        detector=detector,
        classes=parse_classes(classes),
        confidence=confidence,
        fps=parse_fps(fps),
        tiles=None if tiles is None else parse_tiles(tiles),
        scene=read_scene_text(scene),
        recorded_at=parse_moment(recorded_at, option="--recorded-at"),
    )
    with Server(server) as vedette:
        if source_id is None:
            answer = _started(vedette, request, quiet=as_json)
        else:
            answer = vedette.post(SCENARIOS, {"source_id": source_id, **request.asked()})
        scenario_id = answer["scenario_id"]
        if not (as_json and wait):
            print(json.dumps(answer) if as_json else next_steps(scenario_id, server))
        if wait:
            _wait_for_end(vedette, scenario_id, request.source, request.scene, as_json=as_json)


@app.command(epilog="Example: vedette scenario stop 0199c0de-0000-7000-8000-000000000000")
@tells_errors
def stop(
    scenario_id: Id,
    wait: Annotated[
        bool, typer.Option("--wait/--no-wait", help="Wait until nothing of it runs any more.")
    ] = True,
    server: ServerOption = DEFAULT_SERVER,
    as_json: AsJson = False,
) -> None:
    """Stop a scenario, in whatever state it is."""
    from vedette.cli.following import Silent, wait_for_rest

    with Server(server) as vedette:
        answer = vedette.post(scenario_path(scenario_id, "stop"))
        if wait:
            at_rest = wait_for_rest(vedette, scenario_id, Silent())
            assert at_rest is not None
            answer = {"scenario_id": scenario_id, "status": at_rest["state"]}
    print(json.dumps(answer) if as_json else f"{scenario_id}: {answer['status']}")


@app.command(name="list", epilog="Example: vedette scenario list --state active")
@tells_errors
def list_scenarios(
    state: Annotated[
        str | None, typer.Option(help="Only those in this state.", metavar="STATE")
    ] = None,
    server: ServerOption = DEFAULT_SERVER,
    as_json: AsJson = False,
) -> None:
    """Show all scenarios, in the order of their making."""
    with Server(server) as vedette:
        found = list(vedette.pages(SCENARIOS, "scenarios", state=state, limit=_PAGE))
    if as_json:
        print(json.dumps(found, indent=2))
        return
    if not found:
        print("there is no scenario yet; start one: vedette scenario start SOURCE")
        return
    from vedette.cli.outcome import table_of

    print(table_of(found, datetime.now(UTC)))


@app.command(epilog="Example: vedette scenario show 0199c0de-0000-7000-8000-000000000000")
@tells_errors
def show(scenario_id: Id, server: ServerOption = DEFAULT_SERVER, as_json: AsJson = False) -> None:
    """Show all there is of a scenario: state and why, health, totals, counts, history."""
    from vedette.cli.outcome import shown

    with Server(server) as vedette:
        scenario = vedette.get(scenario_path(scenario_id))
    print(json.dumps(scenario, indent=2) if as_json else shown(scenario, datetime.now(UTC)))


@app.command(epilog="Example: vedette scenario watch 0199c0de-0000-7000-8000-000000000000")
@tells_errors
def watch(scenario_id: Id, server: ServerOption = DEFAULT_SERVER, as_json: AsJson = False) -> None:
    """Show what a scenario sees, live, until it ends or Ctrl-C."""
    from vedette.cli import following

    with Server(server) as vedette, _watching_view(as_json=as_json) as view:

        def heard(message: Mapping[str, Any]) -> None:
            if as_json:
                print(json.dumps(message), flush=True)
            view.take(message["scenario"], message)

        following.watch(vedette, scenario_id, heard)


@app.command(
    epilog="Example: vedette scenario export 0199c0de-0000-7000-8000-000000000000 "
    "--predictions seen.parquet"
)
@tells_errors
def export(
    scenario_id: Id,
    predictions: Annotated[
        str,
        typer.Option(help="Where to: .jsonl, .csv, .parquet, or - for standard output.",
                     metavar="OUT"),
    ],
    run: Annotated[
        int | None, typer.Option(help="Which run; left out: the latest.", min=1, metavar="NUMBER")
    ] = None,
    from_: Annotated[
        str | None,
        typer.Option("--from", help="Only what was captured then or later.", metavar="TIME"),
    ] = None,
    to: Annotated[
        str | None, typer.Option(help="Only what was captured before.", metavar="TIME")
    ] = None,
    from_frame: Annotated[
        int | None, typer.Option(help="Only from this frame on.", min=0, metavar="NUMBER")
    ] = None,
    to_frame: Annotated[
        int | None, typer.Option(help="Only up to this frame.", min=0, metavar="NUMBER")
    ] = None,
    server: ServerOption = DEFAULT_SERVER,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Write the prediction rows of a run; a file appears when it is whole."""
    if as_json and predictions == "-":
        raise BadInput("--json and --predictions - both want standard output; write one to a file")
    suffix = ".jsonl" if predictions == "-" else Path(predictions).suffix.lower()
    if suffix not in _FORMATS:
        raise BadInput(
            f"--predictions {predictions}: predictions are written as .jsonl, .csv or .parquet; "
            "end its name in one of them"
        )
    from vedette.cli.starting import parse_moment

    since, until = parse_moment(from_, option="--from"), parse_moment(to, option="--to")
    bounds: dict[str, str | int | None] = {
        "from": None if since is None else since.isoformat(),
        "to": None if until is None else until.isoformat(),
        "from_frame": from_frame, "to_frame": to_frame,
    }  # fmt: skip
    with Server(server) as vedette:
        scenario = vedette.get(scenario_path(scenario_id))
        if scenario["state"] != "inactive" and run in {None, scenario["run"]}:
            told = f"it is {scenario['state']}; this is what it holds so far"
            print(f"vedette: {told}", file=sys.stderr)
        path = scenario_path(scenario_id, "export")
        with vedette.download(path, format=suffix[1:], run=run, **bounds) as pieces:
            size_bytes = _write(pieces, predictions)
    if as_json:
        print(json.dumps({"predictions": predictions, "size_bytes": size_bytes}))
    elif predictions != "-":
        print(f"{predictions}: {size_bytes / 1e6:.2f} MB")


def next_steps(scenario_id: str, server: str) -> str:
    """Give a scenario's id, and what may be done with it."""
    from vedette.cli.summary import program
    from vedette.sources.address import without_credentials

    is_understood = server in {DEFAULT_SERVER, os.environ.get(SERVER_VARIABLE)}
    more = "" if is_understood else f" --server {without_credentials(server)}"
    verbs = (
        ("how it does", "show", ""),
        ("what it sees, live", "watch", ""),
        ("what it saw", "export", " --predictions seen.jsonl"),
        ("end it", "stop", ""),
    )
    lines = [
        f"  {why:<20}{program()} scenario {verb} {scenario_id}{words}{more}"
        for why, verb, words in verbs
    ]
    return "\n".join([f"scenario {scenario_id} is started", *lines])


def _started(vedette: Server, request: StartRequest, *, quiet: bool) -> dict[str, Any]:
    from vedette.cli.starting import StartRequest, register

    source = request.source
    if not _SCENARIO_ID.fullmatch(source) or Path(source).exists():
        return register(vedette, request, quiet=quiet)
    if request != StartRequest(source=source):
        raise BadInput(f"scenario '{source}' runs again as it was made; leave the options out")
    return vedette.post(scenario_path(source, "start"))


def _wait_for_end(
    vedette: Server, scenario_id: str, source: str, scene: str | None, *, as_json: bool
) -> None:
    from vedette.cli import following, outcome

    try:
        with following.make_bar(quiet=as_json and not sys.stderr.isatty()) as view:
            scenario = following.wait_for_rest(vedette, scenario_id, view)
    except KeyboardInterrupt:
        steps = f"vedette scenario stop {scenario_id}"
        print(f"vedette: it goes on; to stop it: {steps}", file=sys.stderr)
        raise typer.Exit(INTERRUPTED) from None
    assert scenario is not None
    print(json.dumps(scenario) if as_json else outcome.ended(scenario, truth_of(source, scene)))
    if scenario["status_reason"] == "failed":
        raise RunFailed(f"scenario '{scenario_id}' failed: {scenario['detail']}")
    if scenario["status_reason"] == "stopped":
        raise Stopped(f"scenario '{scenario_id}' was stopped before its end")


class RunFailed(EngineError):
    """A run ended by something that waiting cannot mend."""


def truth_of(source: str, scene: str | None) -> Any:
    """Give what the built-in scene holds; None for everything else."""
    if not source.startswith("synthetic:"):
        return None
    from vedette.analytics.scene_file import parse_scene
    from vedette.domain.zone import ScenePlan
    from vedette.wiring import known_truth

    plan = ScenePlan() if scene is None else parse_scene(scene, "scene")
    return known_truth(source, plan)


def _watching_view(*, as_json: bool) -> View:
    from vedette.cli import following

    if as_json:
        return following.Silent()
    if sys.stdout.isatty():
        return following.Board()
    return following.Lines(following.WATCH_LINE_PERIOD_S)


def _write(pieces: Iterator[bytes], target: str) -> int:
    """Write to a file that appears when whole, or to standard output; give how many bytes."""
    if target == "-":
        size_bytes = 0
        for piece in pieces:
            size_bytes += sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()
        return size_bytes
    from vedette.sinks.rows import write_all
    from vedette.sinks.whole import WholeFile, refusal

    whole = WholeFile(Path(target))
    file = whole.open()
    try:
        size_bytes = 0
        for piece in pieces:
            size_bytes += len(piece)
            try:
                write_all(file, piece)
            except OSError as error:
                raise refusal(Path(target), error) from error
        whole.appear()
    finally:
        whole.close()
    return size_bytes
