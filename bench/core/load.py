"""What makes a machine's day bad: cores that are busy, and a database that stalls."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

# One turn of working and resting; short against whatever is measured.
TURN_S = 0.02
_BUSY = """
import sys, time
share, turn_s = float(sys.argv[1]), float(sys.argv[2])
while True:
    end_s = time.monotonic() + share * turn_s
    while time.monotonic() < end_s:
        pass
    if share < 1:
        time.sleep((1 - share) * turn_s)
"""
_STALLING = """
import random, sqlite3, sys, time
database, (stall_s, *pause_s) = sys.argv[1], map(float, sys.argv[2:])
connection = sqlite3.connect(database, timeout=60, isolation_level=None)
chance = random.Random(2)
while True:
    time.sleep(chance.uniform(*pause_s))
    connection.execute("BEGIN IMMEDIATE")
    time.sleep(stall_s)
    connection.execute("ROLLBACK")
    print("stalled", flush=True)
"""


@contextmanager
def busy(cores: float) -> Iterator[None]:
    """Keep so many cores busy: a process for each, and one for the fraction."""
    shares = [1.0] * int(cores) + [cores % 1] * (cores % 1 > 0)
    processes = [
        subprocess.Popen([sys.executable, "-c", _BUSY, str(share), str(TURN_S)]) for share in shares
    ]
    try:
        yield
    finally:
        for one in processes:
            one.kill()
            one.wait()


class Stalls:
    """Another process takes the database's write lock and sits on it, again and again.

    Attributes:
        count: How often it did; known once it has ended.
    """

    def __init__(self, database: Path, *, stall_s: float, pause_s: tuple[float, float]) -> None:
        """Plan the stalls.

        Args:
            database: The file.
            stall_s: How long each lasts.
            pause_s: The shortest and the longest time between two.
        """
        self.count = 0
        words = [str(one) for one in (database, stall_s, *pause_s)]
        self._command = [sys.executable, "-c", _STALLING, *words]

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(self._command, stdout=subprocess.PIPE, text=True)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        said, _ = self._process.communicate()
        self.count = len(said.splitlines())
