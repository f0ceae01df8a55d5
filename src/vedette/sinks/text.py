"""Predictions as text and tables: JSON Lines, CSV, Parquet, or JSON Lines on standard output.

The row is that of `domain/prediction.py`; docs/reference/predictions.md shows each format. A frame
that was looked at always leaves a trace, found something or not: what is missing was not looked at.
"""

from __future__ import annotations

import io
import select
import sys
import time
from pathlib import Path
from typing import Any, BinaryIO

from vedette.domain.errors import SinkClosed, SinkRefused, SinkUnavailable
from vedette.domain.frame import Frame
from vedette.domain.prediction import Origin, prediction_row
from vedette.domain.scene import Scene
from vedette.domain.stream import StreamFacts
from vedette.sinks.base import Sink
from vedette.sinks.lines import CsvLines, JsonLines
from vedette.sinks.rows import Row, RowWriter, write_all
from vedette.sinks.whole import WholeFile, refusal

STDOUT = "-"
# A finite source's lines wait for this many before they are written in one go.
BUFFER_BYTES = 1 << 18
# How long a full pipe may stand still before its reader counts as gone: people read in `less`.
STDOUT_STALL_S = 3600.0
# How often a wait for the reader looks whether it shall end.
STDOUT_WAIT_S = 0.1


def prediction_sink(target: str | Path, origin: Origin, *, stdout: BinaryIO | None = None) -> Sink:
    """Give the sink for a target: `-` is standard output, else the suffix tells the format.

    Args:
        target: `-`, or a path that ends in .jsonl, .csv or .parquet.
        origin: Whose rows these are.
        stdout: What `-` means; `sys.stdout` if None.

    Raises:
        SinkRefused: the suffix names no format.
    """
    if str(target) == STDOUT:
        return StdoutSink(origin, stdout=stdout)
    return PredictionSink(Path(target), origin)


class PredictionSink(Sink):
    """Writes rows to a file whose suffix tells the format.

    A finite source's file appears when whole. A live source's JSON Lines or CSV file takes its name
    with its first line and then grows by whole lines; its Parquet file appears at the end.
    """

    name = "predictions"

    def __init__(self, path: Path, origin: Origin) -> None:
        """Plan a file; nothing is touched before `open`.

        Raises:
            SinkRefused: the suffix names no format.
        """
        self.target = str(path)
        self._path = path
        self._origin = origin
        self._suffix = path.suffix.lower()
        if self._suffix not in (".jsonl", ".csv", ".parquet"):
            raise SinkRefused(
                f"{path}: predictions are written as .jsonl, .csv or .parquet; "
                "end its name in one of them"
            )
        self._whole = WholeFile(path)
        self._writer: RowWriter | None = None

    def open(self, facts: StreamFacts) -> None:
        file = self._whole.open()
        if self._suffix == ".parquet":
            from vedette.sinks.table import TableWriter

            self._writer = TableWriter(file)
            return
        lines = JsonLines() if self._suffix == ".jsonl" else CsvLines()
        if facts.live:
            self._writer = _GrowingLines(self._whole, file, lines)
        else:
            self._writer = _BufferedLines(file, lines)

    def write(self, frame: Frame, scene: Scene) -> None:
        assert self._writer is not None, "write() before open()"
        try:
            self._writer.write(prediction_row(self._origin, frame, scene))
        except OSError as error:
            raise refusal(self._path, error) from error

    def finish(self) -> None:
        writer, self._writer = self._writer, None
        assert writer is not None, "finish() before open()"
        try:
            writer.close()
            if not self._whole.appeared:
                self._whole.appear()
        except OSError as error:
            raise refusal(self._path, error) from error
        finally:
            self._whole.close()

    def discard(self) -> None:
        # A Parquet writer left open would write its end when it is collected: first the file goes.
        self._whole.close()
        self._writer = None


class StdoutSink(Sink):
    """Writes JSON Lines to standard output, each line at once; its reader may go away.

    It counts as slow because a reader that stands still stops us: a thread of its own waits then.
    """

    name = "predictions"
    target = STDOUT
    slow = True
    awaits_reader = True

    def __init__(self, origin: Origin, *, stdout: BinaryIO | None = None) -> None:
        """Plan lines to `stdout`, or to `sys.stdout` if None."""
        self._origin = origin
        self._given = stdout
        self._lines = JsonLines()
        self._let_go = False

    def open(self, facts: StreamFacts) -> None:  # noqa: ARG002
        stream = self._given or sys.stdout.buffer
        try:
            sys.stdout.flush()
            # Past Python's buffer: what it held back for a closed pipe would fail again at exit.
            self._stream: Any = io.FileIO(stream.fileno(), "w", closefd=False)
            self._has_file = True
        except BrokenPipeError as error:
            raise SinkClosed("standard output: nobody reads it any more") from error
        except OSError:  # No file behind it (io.UnsupportedOperation is one).
            self._stream, self._has_file = stream, False

    def write(self, frame: Frame, scene: Scene) -> None:
        line = memoryview(self._lines.encode(prediction_row(self._origin, frame, scene)))
        try:
            while line:
                self._wait()
                # A ready pipe has room for this much; for more, writing would stop us.
                written = self._stream.write(line[: select.PIPE_BUF])
                line = line[written or 0 :]
            self._stream.flush()
        except BrokenPipeError as error:
            raise SinkClosed("standard output: nobody reads it any more") from error
        except OSError as error:
            raise refusal(Path("standard output"), error) from error

    def finish(self) -> None:
        """Nothing is held back."""

    def discard(self) -> None:
        """What was written was read."""

    def let_go(self) -> None:
        self._let_go = True

    def _wait(self) -> None:
        until_mono_s = time.monotonic() + STDOUT_STALL_S
        while self._has_file and not select.select([], [self._stream], [], STDOUT_WAIT_S)[1]:
            if self._let_go:
                raise SinkUnavailable("standard output: its reader stands still")
            if time.monotonic() > until_mono_s:
                raise SinkRefused(f"standard output: nobody read it for {STDOUT_STALL_S:g} s")


class _BufferedLines(RowWriter):
    """Lines of a finite source: nobody reads them before the end, so they go in big pieces."""

    def __init__(self, file: io.FileIO, lines: JsonLines | CsvLines) -> None:
        self._file = file
        self._lines = lines
        self._held = bytearray(lines.head)

    def write(self, row: Row) -> None:
        self._held += self._lines.encode(row)
        if len(self._held) >= BUFFER_BYTES:
            self.close()

    def close(self) -> None:
        write_all(self._file, bytes(self._held))
        self._held.clear()


class _GrowingLines(RowWriter):
    """Lines of a live source: each row is there, whole, once written."""

    def __init__(self, whole: WholeFile, file: io.FileIO, lines: JsonLines | CsvLines) -> None:
        self._whole = whole
        self._file = file
        self._lines = lines
        self._size_bytes = 0

    def write(self, row: Row) -> None:
        self._append(self._lines.encode(row))

    def close(self) -> None:
        if not self._whole.appeared:
            self._append(b"")

    def _append(self, lines: bytes) -> None:
        head = b"" if self._whole.appeared else self._lines.head
        try:
            write_all(self._file, head + lines)
        except OSError:
            self._whole.truncate(self._size_bytes)
            raise
        self._size_bytes += len(head) + len(lines)
        if not self._whole.appeared:
            # Only now: an older file of that name is worth more than an empty new one.
            self._whole.appear()
