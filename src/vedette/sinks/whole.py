"""A file that appears under its name only when it is whole.

It is written to a hidden file beside its target (same file system, so that the last step is one
rename) which a lock keeps for one run at a time. The lock goes along with the rename: a file that
still grows under its name is kept too. A run killed in between leaves that hidden file; the next
run to the same target takes it over.
"""

from __future__ import annotations

import contextlib
import fcntl
import io
import os
import stat
from pathlib import Path

from vedette.domain.errors import SinkRefused


class WholeFile:
    """The hidden file, its lock and its rename; one thread at a time.

    Attributes:
        target: Where it will appear; symbolic links followed.
        part: The hidden file.
        appeared: True once the target's name is ours.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.target = path
        self.part = path
        self.appeared = False
        self._file: io.FileIO | None = None

    def open(self) -> io.FileIO:
        """Check the place and give the hidden file, empty, for writing; it stays ours.

        Raises:
            SinkRefused: the place cannot be written, or another run writes it.
        """
        self.target = checked_target(self.path)
        self.part = self.target.with_name(f".{self.target.name}.part")
        try:
            self._file = self._locked()
            self._check_nobody_writes_the_target()
        except SinkRefused:
            self.close()
            raise
        except OSError as error:
            self.close()
            raise refusal(self.path, error) from error
        return self._file

    def truncate(self, size_bytes: int) -> None:
        """Cut the file back to what was whole; never raises."""
        if self._file is not None:
            # Should even this be refused, a reader sees a torn line.
            with contextlib.suppress(OSError):
                self._file.truncate(size_bytes)
                self._file.seek(size_bytes)

    def appear(self) -> None:
        """Take the target's name now; what is written later grows under it.

        Raises:
            SinkRefused: the place is full or gone.
        """
        assert self._file is not None, "appear() before open()"
        try:
            # Without it a power cut may leave the new name on a file without its bytes.
            os.fsync(self._file.fileno())
            self.part.replace(self.target)
        except OSError as error:
            raise refusal(self.path, error) from error
        self.appeared = True

    def close(self) -> None:
        """Let go; a file that has not appeared is gone. May be called twice; never raises."""
        if self._file is None:
            return
        if not self.appeared:
            self.part.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # All that matters was synced before.
            self._file.close()
        self._file = None

    def _locked(self) -> io.FileIO:
        while True:
            descriptor = os.open(self.part, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if self._is_still(descriptor):
                    os.ftruncate(descriptor, 0)
                    return io.FileIO(descriptor, "r+")
            except BlockingIOError as error:
                os.close(descriptor)
                raise self._taken() from error
            except OSError:
                os.close(descriptor)
                raise
            # Another run renamed or removed it between our opening and our lock.
            os.close(descriptor)

    def _check_nobody_writes_the_target(self) -> None:
        # Asked with the hidden file locked: whoever locked that before has renamed it by now.
        unasked = contextlib.suppress(FileNotFoundError, PermissionError)
        with unasked, self.target.open("rb") as there:
            try:
                fcntl.flock(there, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise self._taken() from error

    def _taken(self) -> SinkRefused:
        return SinkRefused(
            f"{self.path}: another run is writing it; name another file or wait for it"
        )

    def _is_still(self, descriptor: int) -> bool:
        try:
            named = self.part.stat()
        except FileNotFoundError:
            return False
        return os.path.samestat(named, os.fstat(descriptor))


def checked_target(path: Path) -> Path:
    """Give the real path of a file to be written, having looked at what is there.

    Raises:
        SinkRefused: it is a folder or a device, its folder is missing, or it may not be written.
    """
    try:
        target = path.resolve()
        if target.is_dir():
            raise SinkRefused(f"{path}: is a folder; name a file in it")
        if target.exists():
            if not stat.S_ISREG(target.stat().st_mode):
                raise SinkRefused(
                    f"{path}: is no ordinary file and cannot be replaced; name another"
                )
            if not os.access(target, os.W_OK):
                raise SinkRefused(f"{path}: is write-protected; name another file")
        if not target.parent.is_dir():
            raise SinkRefused(f"{path}: there is no folder {path.parent}; create it first")
    except (OSError, RuntimeError) as error:  # RuntimeError: symbolic links in a circle.
        raise refusal(path, error) from error
    return target


def refusal(path: Path, error: Exception) -> SinkRefused:
    """Say in one sentence why `path` cannot be written."""
    reason = (isinstance(error, OSError) and error.strerror) or str(error) or type(error).__name__
    return SinkRefused(f"{path}: cannot be written: {reason[:1].lower()}{reason[1:]}")
