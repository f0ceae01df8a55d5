"""What a process said as it crashed: the evidence, and which source it was at work on.

Decoders and models are native code; a crash in one takes its whole process. Python's fault handler
writes the stack of the crashing thread while the process dies, and every thread that works for one
source writes its number down beforehand. So whoever finds the process dead knows which source to
put apart, and need not suspect all others. A process that was killed from outside says nothing.

Evidence is worth less than the work: where it cannot be written, the work goes on without.
"""

from __future__ import annotations

import contextlib
import faulthandler
import itertools
import logging
import os
import re
import threading
import time
import zlib
from collections import deque
from dataclasses import dataclass
from pathlib import Path

from vedette.domain.ids import RunnerId, SourceId
from vedette.store.holders import Holders

log = logging.getLogger(__name__)

# Enough for the stacks of 100 threads; the handler writes no more.
FILE_CHARS_MAX = 4_000_000
# A thread's word: eight digits of checksum, its number, and a source's name (ours have 36 letters).
SLOT_BYTES = 128
# More threads than a process gets from any machine; all their words are 4 MB.
SLOTS_MAX = 32_768
# So many places are written before the work begins: words fit on a disk that fills up later.
SLOTS_AT_FIRST = 512
# Files of earlier lives are kept for a day: long enough for whoever looks into a crash.
KEPT_S = 86_400.0
_EMPTY_SLOT = b" " * (SLOT_BYTES - 1) + b"\n"
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
        self._crash: int | None = None
        self._slots: _Slots | None = None
        # Each thread's own place.
        self._own = threading.local()
        self._paths_begun: tuple[Path, Path] | None = None
        self._has_complained = False

    def begin(self, runner_id: RunnerId, incarnation: str) -> None:
        """Have this process say last words as that runner; once per process.

        Comes after the runner was announced. Raises nothing: what cannot be written is told in the
        log, once, and gone without.
        """
        self._paths_begun = crash, threads = self._paths(runner_id, incarnation)
        try:
            self._folder.mkdir(exist_ok=True)
            self._forget_old()
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
            self._crash = os.open(crash, flags, 0o600)
            faulthandler.enable(self._crash, all_threads=True)  # Else it names no thread.
            self._own = threading.local()
            self._slots = _Slots(threads)
        except OSError as error:
            self._complain(error)

    def working_on(self, source_id: SourceId) -> None:
        """Note that the calling thread works for that source from now on.

        May come before every picture: some microseconds, and nothing at all where the thread
        worked for that source already. Raises nothing; see `begin`.
        """
        slots = self._slots
        if slots is None:
            return
        slot: _Slot | None = getattr(self._own, "slot", None)
        if slot is None:
            slot = self._own.slot = _Slot(slots)
        if slot.source_id == source_id:
            return
        try:
            slot.write(source_id)
        except OSError as error:
            self._complain(error)

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
            source_id = _words(threads).get(int(crashed[1], 16))
        return Evidence(first, source_id)

    def close(self) -> None:
        """End in order: nothing is left to say. Raises nothing."""
        # Threads still at work keep the file open, and write where nobody reads.
        self._slots = None
        if self._crash is not None:
            faulthandler.disable()
            os.close(self._crash)
            self._crash = None
        for path in self._paths_begun or ():
            with contextlib.suppress(OSError):  # It goes as those of the dead do, a day later.
                path.unlink(missing_ok=True)
        self._paths_begun = None

    def _paths(self, runner_id: RunnerId, incarnation: str) -> tuple[Path, Path]:
        name = f"{runner_id}.{incarnation}"
        return self._folder / f"{name}.crash", self._folder / f"{name}.threads"

    def _forget_old(self) -> None:
        """Remove what dead processes said more than a day ago.

        One that lives wrote its words when its threads began and writes of a crash when it crashes:
        its files are as old as it is.
        """
        before_s = time.time() - KEPT_S
        holders = Holders(self._folder)
        said = itertools.chain(self._folder.glob("*.crash"), self._folder.glob("*.threads"))
        for life in {path.stem for path in said}:
            runner_id, _, incarnation = life.rpartition(".")
            paths = self._paths(RunnerId(runner_id), incarnation)
            with contextlib.suppress(OSError):  # Another process may do the same.
                newest_s = max((one.stat().st_mtime for one in paths if one.exists()), default=0.0)
                if newest_s < before_s and holders.is_dead(runner_id, incarnation):
                    for path in paths:
                        path.unlink(missing_ok=True)

    def _complain(self, error: OSError) -> None:
        if self._has_complained:
            return
        self._has_complained = True
        log.warning(
            "the evidence of a crash cannot be written, so one may not be put down to its source: "
            "%s",
            error.strerror or error,
        )


class _Slots:
    """A file with a place for each thread's newest word, open for as long as anybody may write."""

    def __init__(self, path: Path) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
        self._descriptor = os.open(path, flags, 0o600)
        self._free: deque[int] = deque()
        self._never_used = itertools.count()
        with contextlib.suppress(OSError):  # Whoever has a word to write will see.
            os.pwrite(self._descriptor, _EMPTY_SLOT * SLOTS_AT_FIRST, 0)

    def take(self) -> int:
        """Give a place that nobody has; without a lock, for each of these steps is one."""
        try:
            return self._free.pop()
        except IndexError:
            return next(self._never_used)

    def write(self, number: int, slot: bytes) -> None:
        # No lock: two threads never write to one place. No mapped memory: a write to that ends the
        # process where the disk is full.
        if number < SLOTS_MAX:
            os.pwrite(self._descriptor, slot, number * SLOT_BYTES)

    def give_back(self, number: int) -> None:
        """Let somebody else have a place.

        It is emptied: a new thread often has the number of one that is gone.
        """
        with contextlib.suppress(OSError):
            self.write(number, _EMPTY_SLOT)
        self._free.append(number)

    def __del__(self) -> None:
        if hasattr(self, "_descriptor"):
            os.close(self._descriptor)


class _Slot:
    """One thread's place; kept by the thread, so given back as it ends."""

    def __init__(self, slots: _Slots) -> None:
        self.source_id: SourceId | None = None
        self._slots = slots
        self._number = slots.take()

    def write(self, source_id: SourceId) -> None:
        self._slots.write(self._number, _written(source_id))
        self.source_id = source_id

    def __del__(self) -> None:
        self._slots.give_back(self._number)


def _written(source_id: SourceId) -> bytes:
    """Give the calling thread's word as it stands in the file."""
    word = f"{threading.get_ident():x} {source_id}".encode()
    slot = b"%08x %b" % (zlib.crc32(word), word)
    if len(slot) >= SLOT_BYTES:
        return _EMPTY_SLOT  # A name that is none of ours: better nobody than half of it.
    return slot.ljust(SLOT_BYTES - 1) + b"\n"


def _words(path: Path) -> dict[int, SourceId]:
    """Give every thread's word; who was interrupted in writing has none."""
    try:
        with path.open("rb") as file:
            said = file.read(SLOTS_MAX * SLOT_BYTES)
    except OSError:
        return {}
    words = {}
    for start in range(0, len(said), SLOT_BYTES):
        checksum, _, word = said[start : start + SLOT_BYTES].rstrip().partition(b" ")
        if checksum == b"%08x" % zlib.crc32(word) and word:
            number, _, name = word.decode().partition(" ")
            words[int(number, 16)] = SourceId(name)
    return words


def _read(path: Path) -> str:
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return file.read(FILE_CHARS_MAX)
    except OSError:
        return ""
