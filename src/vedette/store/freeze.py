"""Who holds SQLite's write lock: a mark that others can read when they wait too long."""

from __future__ import annotations

import mmap
import os
import struct
from pathlib import Path

_FORM = struct.Struct("<qq")  # pid, its start time in clock ticks; 0 means nobody.


class WriterMark:
    """A few shared bytes in which the process that holds the lock names itself.

    Written without a system call, so that a transaction pays nothing for it. A process that died
    leaves its name behind; the next one writes over it.
    """

    def __init__(self, path: Path) -> None:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if os.fstat(descriptor).st_size < _FORM.size:
                # Real bytes: a hole that a full disk cannot fill would kill us when touched.
                os.pwrite(descriptor, bytes(_FORM.size), 0)
            self._bytes = mmap.mmap(descriptor, _FORM.size)
        finally:
            os.close(descriptor)
        self._own = _FORM.pack(os.getpid(), _started(os.getpid()) or 0)

    def set(self) -> None:
        """Say that this process holds the lock."""
        self._bytes[:] = self._own

    def clear(self) -> None:
        """Take our name back, if it is still there: somebody else may have the lock by now."""
        if self._bytes[:] == self._own:
            self._bytes[:] = bytes(_FORM.size)

    def frozen_pid(self) -> int | None:
        """Give the pid of the holder if it is a stopped process; None else."""
        pid, started = _FORM.unpack(self._bytes[:])
        if not pid or pid == os.getpid() or _started(pid) != started:
            return None
        return int(pid) if _state(pid) in {"T", "t"} else None

    def close(self) -> None:
        """Let go of the bytes."""
        self._bytes.close()  # May be closed already.


def _fields(pid: int) -> list[str]:
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return text.rpartition(")")[2].split()  # The name before it may hold anything.


def _state(pid: int) -> str | None:
    fields = _fields(pid)
    return fields[0] if fields else None


def _started(pid: int) -> int | None:
    fields = _fields(pid)
    return int(fields[19]) if len(fields) > 19 else None
