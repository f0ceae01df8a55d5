"""The verbs, in the order a newcomer meets them."""

from __future__ import annotations

from typing import Annotated

import typer

from vedette import __version__
from vedette.cli.models import app as models
from vedette.cli.run import EXAMPLES, run
from vedette.cli.scenario import app as scenario
from vedette.cli.train import EXAMPLES as TRAIN_EXAMPLES
from vedette.cli.train import train
from vedette.cli.up import VERBS

app = typer.Typer(
    name="vedette",
    help="Watches cameras, says what it sees, and never stops without telling.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # Rich's help takes longer to import than all the rest of `--help`.
)
app.command(name="run", epilog=EXAMPLES)(run)
for _name, _verb, _example in VERBS:
    app.command(name=_name, epilog=_example)(_verb)
app.add_typer(scenario, name="scenario")
app.add_typer(models, name="models")
app.command(name="train", epilog=TRAIN_EXAMPLES)(train)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"vedette {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Tell the version."),
    ] = False,
) -> None:
    """Watches cameras, says what it sees, and never stops without telling."""
