"""Freed memory, given back to the system.

Threads come and go with their pipelines. The C library (glibc) has heaps for them, and keeps what
was freed in one for the next thread that happens to get it. Over hundreds of starts that looks like
a leak, and on a full machine it is one.
"""

from __future__ import annotations

import ctypes
import sys

# Between two times. Walking the heaps takes some milliseconds.
EVERY_S = 10.0


class Heap:
    """Gives freed memory back every so often; does nothing where the C library cannot."""

    def __init__(self) -> None:
        library = ctypes.CDLL(None) if sys.platform == "linux" else None
        self._trim = getattr(library, "malloc_trim", None)
        self._next_mono_s = 0.0

    def look(self, now_mono_s: float) -> bool:
        """Give back what is free, if it is time; tell whether it was."""
        if self._trim is None or now_mono_s < self._next_mono_s:
            return False
        self._next_mono_s = now_mono_s + EVERY_S
        self._trim(0)
        return True
