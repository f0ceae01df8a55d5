"""The door of the blobs: big bytes under a key; written once, whole or not at all."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Blob:
    """What is known of some bytes.

    Attributes:
        key: Their name, such as `predictions/<scenario>/1/00000017.parquet`.
        size_bytes: How many.
        put_at: When they were written.
    """

    key: str
    size_bytes: int
    put_at: datetime


class Blobs(ABC):
    """One place for bytes. For any thread; not for the event loop's."""

    @abstractmethod
    def put(self, key: str, content: bytes | Iterable[bytes]) -> int:
        """Write all bytes or, where anything fails, none; give how many.

        A key that exists is replaced, at one moment.

        Raises:
            BlobsUnavailable: the place does not answer, or is full.
        """

    @abstractmethod
    def get(self, key: str) -> bytes:
        """Give all bytes.

        Raises:
            NotFound: nothing has that key.
            BlobsUnavailable: the place does not answer.
        """

    @abstractmethod
    def stream(self, key: str, *, start: int = 0) -> Iterator[bytes]:
        """Give the bytes from `start` on, in pieces; errors as `get`."""

    @abstractmethod
    def list(self, prefix: str) -> Iterator[Blob]:
        """Give what begins with `prefix`, in the order of keys."""

    @abstractmethod
    def delete(self, keys: Iterable[str]) -> None:
        """Remove; what is gone already is no error."""

    @abstractmethod
    def local_path(self, key: str) -> Path | None:
        """Give a file of this machine that holds the bytes, or None where there is none."""

    @abstractmethod
    def close(self) -> None:
        """Let go; may be called twice."""
