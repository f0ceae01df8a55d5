"""A bounded pipe of bytes between the thread that makes a film and the one that watches it."""

from __future__ import annotations

import threading

# About two seconds of film: when full, the maker waits.
PIPE_BYTES_MAX = 1_000_000
# A reader that waits longer than this for a picture waits for a maker that hangs.
_WAIT_MAX_S = 60.0
# A writer waits longer: whoever takes the film may have been halted for a while.
_FULL_MAX_S = 3600.0


class Pipe:
    """Bytes in at one end, out at the other; for one writer and one reader.

    `write` blocks while the pipe is full, `read` while it is empty. Once it is closed for reading,
    what is written vanishes: its maker looks at `wanted` and stops.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._held = bytearray()
        self._ended = False
        self.wanted = True

    def write(self, piece: bytes) -> int:
        """Put bytes in; the whole piece, however full the pipe.

        Raises:
            TimeoutError: nobody took any for an hour.
        """
        with self._changed:
            taken = self._changed.wait_for(
                lambda: len(self._held) < PIPE_BYTES_MAX or not self.wanted, _FULL_MAX_S
            )
            if not taken:
                raise TimeoutError("nobody takes the film")
            if self.wanted:
                self._held += piece
                self._changed.notify_all()
        return len(piece)

    def read(self, size: int) -> bytes:
        """Take up to `size` bytes out; none at the end, or where the maker hangs."""
        with self._changed:
            self._changed.wait_for(
                lambda: bool(self._held) or self._ended or not self.wanted, _WAIT_MAX_S
            )
            if not self.wanted:
                return b""
            piece = bytes(self._held[:size])
            del self._held[:size]
            self._changed.notify_all()
            return piece

    def end(self) -> None:
        """Say that nothing more will be written."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def shut(self) -> None:
        """Say that nobody reads any more."""
        with self._changed:
            self.wanted = False
            self._held.clear()
            self._changed.notify_all()
