"""What the formats of prediction rows have in common."""

from __future__ import annotations

import io
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

Row = Mapping[str, Any]
"""A row as `domain/prediction.py` makes it."""


class RowWriter(ABC):
    """One format: rows into a file that is open."""

    @abstractmethod
    def write(self, row: Row) -> None:
        """Take one row.

        Raises:
            OSError: the place is full or gone.
        """

    @abstractmethod
    def close(self) -> None:
        """Write what is still held; the file itself stays open.

        Raises:
            OSError: likewise.
        """


def write_all(file: io.FileIO, content: bytes | memoryview) -> None:
    """Write all of `content`; the system may take it in pieces.

    Raises:
        OSError: the place is full or gone.
    """
    rest = memoryview(content)
    while rest:
        rest = rest[file.write(rest) :]
