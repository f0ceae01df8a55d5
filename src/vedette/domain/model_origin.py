"""Whose model looked: what a summary, a page and a lawyer want to know of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelOrigin:
    """The model in use, for people.

    Attributes:
        name: What it is called.
        licence: Of its weights, as their maker states it; `unknown` where nobody does.
        source: Where the weights come from; likewise.
        card: Path of its card on the machine that runs it; None where it has none.
    """

    name: str
    licence: str
    source: str
    card: str | None

    def as_json(self) -> dict[str, Any]:
        """Give it as summaries and the API show it."""
        return asdict(self)
