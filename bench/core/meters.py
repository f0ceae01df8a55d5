"""What a process, the machine and the database were about, seen from outside."""

from __future__ import annotations

import struct
import time
from pathlib import Path

# In SQLite's index of its write-ahead log ("WAL-Index Format", sqlite.org/walformat.html) the third
# word of the header counts the transactions that wrote something, whoever made them.
WRITES_AT = 8


def spent_s(pid: int) -> float:
    """Give the CPU seconds of a process so far, by the kernel's own clock of it (not in ticks)."""
    return time.clock_gettime((~pid << 3) | 2)


def written_bytes(pid: int) -> int:
    """Give the bytes that a process has had written so far."""
    lines = Path(f"/proc/{pid}/io").read_text().splitlines()
    return int(dict(line.split(": ") for line in lines)["write_bytes"])


def private_bytes(pid: int) -> int:
    """Give the memory that a process holds and shares with nobody."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    fields = {line.split(":")[0]: line.split()[1] for line in lines}
    return (int(fields["Private_Clean"]) + int(fields["Private_Dirty"])) * 1024


def threads(pid: int) -> int:
    """Give how many threads a process has."""
    return len(list(Path(f"/proc/{pid}/task").iterdir()))


def writes(folder: Path) -> int:
    """Give how many transactions have written to the database so far."""
    (index,) = folder.glob("*-shm")
    with index.open("rb") as file:
        file.seek(WRITES_AT)
        return int(struct.unpack("I", file.read(4))[0])


class MachineLoad:
    """Share of all cores that were busy since it was made, neighbours included."""

    def __init__(self) -> None:
        self._before = self._read()

    def taken(self) -> float:
        """Give the share in [0, 1], and begin anew."""
        before, self._before = self._before, self._read()
        busy, total = (now - then for now, then in zip(self._before, before, strict=True))
        return busy / max(total, 1)

    def _read(self) -> tuple[int, int]:
        line = Path("/proc/stat").read_text().splitlines()[0]
        user, nice, system, idle, waiting, *others = (int(one) for one in line.split()[1:9])
        busy = user + nice + system + sum(others)
        return busy, busy + idle + waiting


def wait_until(at_mono_s: float) -> None:
    """Sleep up to a moment of the monotonic clock."""
    time.sleep(max(at_mono_s - time.monotonic(), 0.0))
