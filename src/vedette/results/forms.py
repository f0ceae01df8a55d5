"""Rows as the bytes of a file, in pieces: the very form that `vedette run` writes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Literal

from vedette.sinks.lines import CsvLines, JsonLines
from vedette.sinks.rows import Row
from vedette.sinks.table import TableWriter

if TYPE_CHECKING:
    from typing_extensions import Buffer

FileFormat = Literal["jsonl", "csv", "parquet"]
# Lines wait for this many: a piece per row would cost more than its making.
PIECE_BYTES = 1 << 18


def encoded(rows: Iterable[Row], file_format: FileFormat) -> Iterator[bytes]:
    """Give a file's bytes; the same rows give the same bytes. Memory is bounded."""
    if file_format == "parquet":
        return as_parquet(rows)
    return _as_lines(rows, JsonLines() if file_format == "jsonl" else CsvLines())


def as_parquet(
    rows: Iterable[Row],
    *,
    group_rows_max: int | None = None,
    facts: Mapping[str, str] | None = None,
) -> Iterator[bytes]:
    """Give a Parquet file's bytes; see `TableWriter`."""
    made = _Made()
    writer = TableWriter(made, group_rows_max=group_rows_max, facts=facts)
    for row in rows:
        writer.write(row)
        if made.held:
            yield made.take()
    writer.close()
    yield made.take()


def _as_lines(rows: Iterable[Row], lines: JsonLines | CsvLines) -> Iterator[bytes]:
    held = bytearray(lines.head)
    for row in rows:
        held += lines.encode(row)
        if len(held) >= PIECE_BYTES:
            yield bytes(held)
            held.clear()
    if held:
        yield bytes(held)


class _Made:
    """Stands for a file: keeps what is written until it is taken away."""

    def __init__(self) -> None:
        self.held = bytearray()
        self._taken_bytes = 0

    def write(self, content: Buffer, /) -> int:
        view = memoryview(content)
        self.held += view
        return view.nbytes

    def tell(self) -> int:
        return self._taken_bytes + len(self.held)

    def take(self) -> bytes:
        piece = bytes(self.held)
        self._taken_bytes += len(piece)
        self.held.clear()
        return piece
