"""`vedette models`: list, show, pull, add and remove the models that recognise things."""

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
    help="List, show, pull, add and remove the models that recognise things.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead.")]
Name = Annotated[str, typer.Argument(help="The model's name; see `vedette models list`.")]


@app.command(name="list", epilog="Example: vedette models list --json")
@tells_errors
def list_models(as_json: AsJson = False) -> None:
    """Show what is installed, what comes with Vedette and what can be pulled."""
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


@app.command(epilog="Example: vedette models show vedette-s1 --card")
@tells_errors
def show(
    name: Name,
    as_json: AsJson = False,
    card: Annotated[
        bool, typer.Option("--card", help="Print its model card, the page for people, instead.")
    ] = False,
) -> None:
    """Show what is known of a model: its card, whose it is, where its files lie."""
    from vedette.domain.errors import BadInput, NotFound

    if card and as_json:
        raise BadInput("--card and --json: the model card is a page of text; ask for one of them")
    row = next((row for row in _rows() if row["name"] == name), None)
    if row is None:
        raise NotFound(f"no model '{name}'; see vedette models list")
    if card:
        print(_page_of(row), end="")
    elif as_json:
        print(json.dumps(row))
    else:
        print(_shown(row))


@app.command(epilog="Example: vedette models pull yolox-nano")
@tells_errors
def pull(name: Name, as_json: AsJson = False) -> None:
    """Fetch a model of the catalog, check its SHA-256 and install it."""
    from vedette.settings import load_settings
    from vedette.wiring import model_catalog, model_shelf, pull_model

    settings = load_settings()
    shelf = model_shelf(settings)
    present = shelf.find(name)
    if present is not None and present.is_shipped:
        shelf.resolve(name)  # Says what is wrong where it is damaged.
        _tell(present, "comes with Vedette, nothing to pull", as_json=as_json)
        return
    wanted = model_catalog(settings).model(name)
    there = present is not None
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
    """Give one row per model: what is installed or shipped, then what can be pulled."""
    from vedette.settings import load_settings
    from vedette.wiring import model_catalog, model_shelf

    settings = load_settings()
    catalog = model_catalog(settings)
    installed = model_shelf(settings).models()
    rows = [_installed(one) for one in installed]
    names = {one.name for one in installed}
    return rows + [
        _row(one.card.name, one.card, "to be pulled", one.size_bytes, one.note)
        for one in catalog
        if one.card.name not in names
    ]


def _installed(model: ShelfModel) -> dict[str, Any]:
    state = "shipped" if model.is_shipped else "installed"
    if model.card is None:
        row = _row(model.name, None, "damaged", model.size_bytes, model.problem or "")
    else:
        row = _row(model.name, model.card, state, model.size_bytes, model.note)
    pages = {"path": model.path, "card": model.card_path, "model_card": model.model_card}
    return {**row, **{key: None if page is None else str(page) for key, page in pages.items()}}


def _row(
    name: str, card: ModelCard | None, state: str, size_bytes: int, note: str
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
        "label_confidence": list(card.label_confidence) if card else [],
        "note": note,
        "path": None,
        "card": None,
        "model_card": None,
    }


def _shown(row: dict[str, Any]) -> str:
    """Give all of a row as lines for people."""
    lines = [f"{row['name']}: {row['state']}{'; ' if row['note'] else ''}{row['note']}"]
    if row["family"] is not None:
        own = zip(row["labels"], row["label_confidence"], strict=False)
        counts = ", ".join(f"{label} from {limit:g}" for label, limit in own)
        lines += [
            f"  finds       {_finds(row['labels'])}",
            f"  counts      {counts or 'from {:g}'.format(row['confidence'])}",
            f"  input       {row['family']}, {row['width']}x{row['height']}",
            f"  licence     {row['licence']}",
            f"  source      {row['source']}",
        ]
    lines.append(f"  file        {row['size_bytes'] / 1e6:.1f} MB, {row['path'] or 'not here'}")
    if row["card"] is not None:
        lines.append(f"  card        {row['card']}")
    if row["model_card"] is not None:
        lines.append(f"  to read it  vedette models show {row['name']} --card")
    return "\n".join(lines)


def _page_of(row: dict[str, Any]) -> str:
    from vedette.domain.errors import NotFound

    if row["model_card"] is None:
        raise NotFound(
            f"model '{row['name']}' has no model card; what is known of it: "
            f"vedette models show {row['name']}"
        )
    return Path(row["model_card"]).read_text(encoding="utf-8")


def _finds(labels: list[str]) -> str:
    if len(labels) <= 3:
        return ", ".join(labels)
    return f"{', '.join(labels[:3])} … ({len(labels)})"


def _tell(model: ShelfModel, done: str, *, as_json: bool) -> None:
    card = model.card
    assert card is not None
    if as_json:
        print(json.dumps(_installed(model)))
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
