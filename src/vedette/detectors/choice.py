"""Which detector `auto` means, and what a person should be told about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vedette.detectors.catalog import Catalog
from vedette.detectors.shelf import Shelf, ShelfModel
from vedette.domain.errors import BadInput
from vedette.domain.model_origin import ModelOrigin

AUTO = "auto"
MOTION = "motion"
MOTION_ORIGIN = ModelOrigin(
    name=MOTION,
    licence="Apache-2.0",
    source="part of Vedette; no weights, it finds what moves and knows nothing by name",
    card=None,
)
# The one to begin with in general scenes; also the smallest download.
SUGGESTED = "yolox-nano"


@dataclass(frozen=True, slots=True)
class Choice:
    """What was chosen.

    Attributes:
        name: `motion`, or what the shelf resolves; never `auto`.
        note: One line for people; empty where there is nothing to say.
        is_fallback: Something is broken, and this is what works without it.
    """

    name: str
    note: str = ""
    is_fallback: bool = False


def choose(asked: str, *, shelf: Shelf) -> Choice:
    """Turn what was asked for into what will look.

    `auto` is the best installed model; else the one that comes with Vedette; else, where that
    cannot be used, `motion`.

    Args:
        asked: A detector's name or file, or `auto`.
        shelf: What is installed, and what is shipped.
    """
    if asked != AUTO:
        return Choice(asked)
    shipped = shelf.shipped()
    best = shelf.best()
    if best is not None and (shipped is None or best != shipped.name):
        return Choice(best)
    if shipped is None:
        return Choice(
            MOTION,
            "no model is installed, so all that moves is called 'moving'; to have people and "
            f"vehicles recognised: vedette models pull {SUGGESTED}",
        )
    if best is None:
        return Choice(
            MOTION,
            f"the model that comes with Vedette cannot be used ({shipped.problem}), so all that "
            f"moves is called 'moving'; install Vedette anew, or: vedette models pull {SUGGESTED}",
            is_fallback=True,
        )
    return Choice(best, _shipped_note(shipped))


def _shipped_note(shipped: ShelfModel) -> str:
    assert shipped.card is not None
    finds = ", ".join(shipped.card.labels)
    return (
        f"detector {shipped.name}, which comes with Vedette, finds {finds} before cameras that "
        f"stand still; better in general scenes, with 80 labels: vedette models pull {SUGGESTED}"
    )


def check_labels(classes: Sequence[str], model: ShelfModel, catalog: Catalog) -> None:
    """Make sure that the shipped model knows the labels somebody asks for.

    Raises:
        BadInput: it does not; names a model of the catalog that does, if there is one.
    """
    card = model.card
    if card is None or all(label in card.labels for label in classes):
        return
    unknown = next(label for label in classes if label not in card.labels)
    # The catalog begins with its largest; the smallest is enough to begin with.
    wiser = [one.card.name for one in catalog if set(classes) <= set(one.card.labels)]
    known = ", ".join(card.labels)
    pull = f"; one that knows it: vedette models pull {wiser[-1]}" if wiser else ""
    raise BadInput(f"model '{model.name}' knows no class '{unknown}'; it knows {known}{pull}")
