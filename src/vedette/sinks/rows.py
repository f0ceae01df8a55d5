"""What the formats of prediction rows have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from typing_extensions import Buffer

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


class ByteTarget(Protocol):
    """Where bytes go: a file, or what stands for one."""

    def write(self, content: Buffer, /) -> int:
        """Take bytes from the front; give how many were taken."""

    def tell(self) -> int:
        """Give how many were taken so far."""


def write_all(file: ByteTarget, content: bytes | memoryview) -> None:
    """Write all of `content`; the system may take it in pieces.

    Raises:
        OSError: the place is full or gone.
    """
    rest = memoryview(content)
    while rest:
        rest = rest[file.write(rest) :]
