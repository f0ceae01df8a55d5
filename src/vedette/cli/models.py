"""`vedette models`: list, pull, add and remove the models that recognise things."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vedette.cli.exits import tells_errors

if TYPE_CHECKING:
    from vedette.detectors.card import ModelCard
    from vedette.detectors.shelf import ShelfModel

app = typer.Typer(
    help="List, pull, add and remove the models that recognise things.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead.")]
Name = Annotated[str, typer.Argument(help="The model's name; see `vedette models list`.")]


@app.command(name="list", epilog="Example: vedette models list --json")
@tells_errors
def list_models(as_json: AsJson = False) -> None:
    """Show what is installed and what can be pulled."""
    rows = _rows()
    if as_json:
        print(json.dumps(rows, indent=2))
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for heading in ("model", "state", "input", "MB", "finds", "licence", ""):
        table.add_column(heading, justify="right" if heading == "MB" else "left")
    for row in rows:
        size = f"{row['width']}x{row['height']}" if row["width"] else ""
        table.add_row(
            *map(escape, (
                row["name"], row["state"], size, f"{row['size_bytes'] / 1e6:.1f}",
                _finds(row["labels"]), row["licence"], row["note"],
            )),
        )  # fmt: skip
    Console(width=None if sys.stdout.isatty() else 160).print(table)


@app.command(epilog="Example: vedette models pull yolox-nano")
@tells_errors
def pull(name: Name, as_json: AsJson = False) -> None:
    """Fetch a model of the catalog, check its SHA-256 and install it."""
    from vedette.settings import load_settings
    from vedette.wiring import model_catalog, model_shelf, pull_model

    settings = load_settings()
    wanted = model_catalog(settings).model(name)
    there = model_shelf(settings).find(name) is not None
    if not as_json:
        print(
            f"{name}: {wanted.size_bytes / 1e6:.1f} MB, licence {wanted.card.licence}, from "
            f"{wanted.card.source}"
        )
    with _bar(name, wanted.size_bytes) as told:
        model = pull_model(name, settings, progress=told)
    _tell(model, "already installed" if there else "installed", as_json=as_json)


@app.command(epilog="Example: vedette models add best.onnx --name shop --card shop.toml")
@tells_errors
def add(
    file: Annotated[Path, typer.Argument(help="The ONNX file.", metavar="FILE")],
    name: Annotated[
        str | None, typer.Option(help="Its name here. Left out: the card's, or the file's.")
    ] = None,
    card: Annotated[
        Path | None,
        typer.Option(
            help="What the graph does not tell, as TOML; see docs/reference/models.md. Left out: "
            "FILE.toml beside the model, if there.",
            metavar="FILE",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Install a model file of your own."""
    from vedette.settings import load_settings
    from vedette.wiring import model_shelf

    model = model_shelf(load_settings()).add(file, name=name, card_file=card)
    _tell(model, "installed", as_json=as_json)


@app.command(epilog="Example: vedette models remove yolox-nano")
@tells_errors
def remove(name: Name, as_json: AsJson = False) -> None:
    """Remove an installed model."""
    from vedette.settings import load_settings
    from vedette.wiring import model_shelf

    model_shelf(load_settings()).remove(name)
    print(json.dumps({"name": name, "state": "removed"}) if as_json else f"{name}: removed")


def _rows() -> list[dict[str, Any]]:
    """Give one row per model: what is installed, then what can be pulled."""
    from vedette.settings import load_settings
    from vedette.wiring import model_catalog, model_shelf

    settings = load_settings()
    catalog = model_catalog(settings)
    installed = model_shelf(settings).models()
    notes = {one.card.name: one.note for one in catalog}
    rows = [
        _row(one.name, one.card, "installed", one.size_bytes, one.problem or notes.get(one.name))
        if one.card is not None
        else _row(one.name, None, "damaged", one.size_bytes, one.problem)
        for one in installed
    ]
    names = {one.name for one in installed}
    return rows + [
        _row(one.card.name, one.card, "to be pulled", one.size_bytes, one.note)
        for one in catalog
        if one.card.name not in names
    ]


def _row(
    name: str, card: ModelCard | None, state: str, size_bytes: int, note: str | None
) -> dict[str, Any]:
    return {
        "name": name,
        "state": state,
        "family": card.family.value if card else None,
        "width": card.width if card else None,
        "height": card.height if card else None,
        "size_bytes": size_bytes,
        "licence": card.licence if card else "",
        "source": card.source if card else "",
        "labels": list(card.labels) if card else [],
        "confidence": card.confidence if card else None,
        "note": note or "",
    }


def _finds(labels: list[str]) -> str:
    if len(labels) <= 3:
        return ", ".join(labels)
    return f"{', '.join(labels[:3])} … ({len(labels)})"


def _tell(model: ShelfModel, done: str, *, as_json: bool) -> None:
    card = model.card
    assert card is not None
    if as_json:
        row = _row(model.name, card, "installed", model.size_bytes, None)
        print(json.dumps({**row, "path": str(model.path)}))
        return
    print(
        f"{model.name}: {done}; family {card.family}, {card.width}x{card.height}, finds "
        f"{_finds(list(card.labels))}; licence {card.licence}"
    )
    print(f"try: vedette run VIDEO --detector {model.name}")


@contextmanager
def _bar(name: str, size_bytes: int) -> Iterator[Callable[[int, int], None] | None]:
    """Show a bar on standard error where a person watches."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    columns = (
        TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn(),
        TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(name, total=size_bytes)
        yield lambda got, _: progress.update(task, completed=got)
