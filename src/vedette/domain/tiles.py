"""How a picture is cut where its objects are too small for one look."""

from __future__ import annotations

import re
from dataclasses import dataclass

from vedette.domain.errors import BadInput

# Each tile costs as much as a look at the whole picture: sixteen make a second of every 60 ms.
TILES_MAX = 16
TILES_PATTERN = r"^[1-9][0-9]?x[1-9][0-9]?$"


@dataclass(frozen=True, slots=True)
class Tiles:
    """A grid of 2 to `TILES_MAX` overlapping tiles.

    Attributes:
        columns: Tiles side by side.
        rows: Tiles one below the other.
    """

    columns: int
    rows: int

    @property
    def looks(self) -> int:
        """How often the model looks at one frame: at every tile, and at the whole."""
        return self.columns * self.rows + 1

    def __str__(self) -> str:
        return f"{self.columns}x{self.rows}"


def parse_tiles(text: str) -> Tiles:
    """Read `2x2`: columns x rows.

    Raises:
        BadInput: it is no grid, a grid of one tile, or one of more than `TILES_MAX`.
    """
    if not re.fullmatch(TILES_PATTERN, text):
        raise BadInput(f"tiles {text[:20]!r}: write columns x rows, such as 2x2 or 3x1")
    columns, rows = (int(number) for number in text.split("x"))
    if columns * rows == 1:
        raise BadInput("tiles 1x1: one tile is the whole picture; say 2x1 or more, or leave it out")
    if columns * rows > TILES_MAX:
        raise BadInput(f"tiles {text}: {columns * rows} tiles, at most {TILES_MAX} are possible")
    return Tiles(columns, rows)


def no_tiles_for(detector: str, tiles: Tiles) -> BadInput:
    """Give the refusal of tiles for a detector that cannot look at them."""
    return BadInput(
        f"tiles {tiles}: the {detector} detector looks at whole pictures only, one after the "
        "other; name a model (see `vedette models list`), or leave tiles out"
    )
