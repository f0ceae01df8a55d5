"""Rows and named columns: everything that is remembered per track, in one place.

Tracker, zones and lines each bring columns; a row is a track. Because all of it lies in one table,
a track that ends leaves nothing behind, and a checkpoint cannot forget a column.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vedette.domain.detection import State

Column = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class ColumnKind:
    """What one column holds: its type, the shape of one row's entry, and a new row's value."""

    dtype: type[np.generic]
    shape: tuple[int, ...] = ()
    start: float = 0


class Table:
    """Columns of one length; rows keep their order."""

    def __init__(self, kinds: Mapping[str, ColumnKind]) -> None:
        self._kinds = dict(kinds)
        self._columns: dict[str, Column] = {
            name: np.zeros((0, *kind.shape), kind.dtype) for name, kind in kinds.items()
        }
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, name: str) -> Column:
        """Give a column itself, not a copy: writing into it writes into the table."""
        return self._columns[name]

    def append(self, count: int) -> None:
        """Add `count` rows at the end, each with its columns' starting values."""
        for name, kind in self._kinds.items():
            column = self._columns[name]
            added = np.full((count, *column.shape[1:]), kind.start, kind.dtype)
            self._columns[name] = np.concatenate([column, added])
        self._length += count

    def keep(self, mask: Mask) -> None:
        """Drop the rows where `mask` is False."""
        for name, column in self._columns.items():
            self._columns[name] = column[mask]
        self._length = int(np.count_nonzero(mask))

    def widen(self, name: str, width: int) -> None:
        """Make the entries of a two-dimensional column `width` long; new places hold the start."""
        column, kind = self._columns[name], self._kinds[name]
        added = np.full((self._length, width - column.shape[1]), kind.start, kind.dtype)
        self._columns[name] = np.concatenate([column, added], axis=1)

    def export(self) -> State:
        """Give a copy of every column under its name."""
        return {name: column.copy() for name, column in self._columns.items()}

    def load(self, state: State) -> None:
        """Take copies of the columns that `export` gave."""
        self._columns = {
            name: np.array(state[name], dtype=kind.dtype) for name, kind in self._kinds.items()
        }
        lengths = {len(column) for column in self._columns.values()}
        assert len(lengths) == 1, f"columns of different length: {lengths}"
        self._length = lengths.pop()
