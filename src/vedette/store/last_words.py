"""What a process said as it crashed: the evidence, and which source it was at work on.

Decoders and models are native code; a crash in one takes its whole process. Python's fault handler
writes the stack of the crashing thread while the process dies, and every thread that works for one
source writes its number down beforehand. So whoever finds the process dead knows which source to
put apart, and need not suspect all others. A process that was killed from outside says nothing.
"""

from __future__ import annotations

import contextlib
import faulthandler
import re
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from vedette.domain.ids import RunnerId, SourceId

# Enough for the stacks of 100 threads; the handler writes no more.
FILE_CHARS_MAX = 4_000_000
# Files of earlier lives are kept for a day: long enough for whoever looks into a crash.
KEPT_S = 86_400.0
_CRASHED = re.compile(r"^Current thread 0x([0-9a-f]+)", re.MULTILINE)
_FRAME = re.compile(r'^  File "([^"]+)", line (\d+) in (\S+)', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of a crash.

    Attributes:
        what: One line, such as `Segmentation fault in decode (decode.py:196)`.
        source_id: What the crashing thread was at work on; None where that is not known.
    """

    what: str
    source_id: SourceId | None


class LastWords:
    """The crash files of the processes of one data directory."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "holders"
        self._file: IO[str] | None = None
        self._threads: IO[str] | None = None
        self._lock = threading.Lock()

    def begin(self, runner_id: RunnerId, incarnation: str) -> None:
        """Have this process say last words as that runner; once per process."""
        self._folder.mkdir(exist_ok=True)
        self._forget_old()
        crash, threads = self._paths(runner_id, incarnation)
        self._file = crash.open("a", encoding="utf-8")
        self._threads = threads.open("a", encoding="utf-8")
        faulthandler.enable(self._file, all_threads=True)  # Else it names no thread.

    def working_on(self, source_id: SourceId) -> None:
        """Note that the calling thread works for that source from now on."""
        if self._threads is None:
            return
        with self._lock:
            self._threads.write(f"{threading.get_ident():x} {source_id}\n")
            self._threads.flush()

    def of(self, runner_id: RunnerId, incarnation: str) -> Evidence | None:
        """Give what that life of the runner said; None where it said nothing."""
        crash, threads = self._paths(runner_id, incarnation)
        said = _read(crash)
        if not said:
            return None
        first = said.strip().splitlines()[0].removeprefix("Fatal Python error: ")
        crashed = _CRASHED.search(said)
        source_id = None
        if crashed is not None:
            frame = _FRAME.search(said, crashed.end())
            if frame is not None:
                first = f"{first} in {frame[3]} ({Path(frame[1]).name}:{frame[2]})"
            number = int(crashed[1], 16)
            # The last word on a thread counts: numbers are used again.
            for line in _read(threads).splitlines():
                written, _, name = line.partition(" ")
                if name and int(written, 16) == number:
                    source_id = SourceId(name)
        return Evidence(first, source_id)

    def close(self) -> None:
        """End in order: nothing is left to say."""
        if self._file is None or self._threads is None:
            return
        faulthandler.disable()
        for file in (self._file, self._threads):
            file.close()
            Path(file.name).unlink(missing_ok=True)
        self._file = self._threads = None

    def _paths(self, runner_id: RunnerId, incarnation: str) -> tuple[Path, Path]:
        name = f"{runner_id}.{incarnation}"
        return self._folder / f"{name}.crash", self._folder / f"{name}.threads"

    def _forget_old(self) -> None:
        before_s = time.time() - KEPT_S
        for kind in ("*.crash", "*.threads"):
            for path in self._folder.glob(kind):
                with contextlib.suppress(OSError):  # Another process may do the same.
                    if path.stat().st_mtime < before_s:
                        path.unlink()


def _read(path: Path) -> str:
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return file.read(FILE_CHARS_MAX)
    except OSError:
        return ""
