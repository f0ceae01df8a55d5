"""What was freed goes back to the system, now and then."""

from __future__ import annotations

import ctypes
import sys
import threading
from pathlib import Path

import pytest

from vedette.runner.heap import EVERY_S, Heap

PIECES, PIECE = 4000, 16_000


def resident_kb() -> int:
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))


def leave_holes() -> list[int]:
    """Take memory in a thread's own heap, and free all but a little of it."""
    library = ctypes.CDLL(None)
    library.malloc.restype = ctypes.c_void_p
    library.free.argtypes = [ctypes.c_void_p]
    kept: list[int] = []

    def take() -> None:
        pieces = [library.malloc(PIECE) for _ in range(PIECES)]
        for piece in pieces:
            ctypes.memset(piece, 1, PIECE)
        for number, piece in enumerate(pieces):
            if number % 50 == 49:
                kept.append(piece)  # What is left keeps the heap from shrinking by itself.
            else:
                library.free(piece)

    thread = threading.Thread(target=take)
    thread.start()
    thread.join()
    return kept


@pytest.mark.skipif(sys.platform != "linux", reason="only the C library of Linux can be asked")
def test_holes_that_threads_leave_are_given_back_every_so_often() -> None:
    heap = Heap()
    assert heap.look(100.0), "the first time at once"
    leave_holes()
    holed_kb = resident_kb()

    assert not heap.look(100.0 + EVERY_S - 0.1)
    assert heap.look(100.0 + EVERY_S)

    assert holed_kb - resident_kb() > 0.7 * PIECES * PIECE / 1024
