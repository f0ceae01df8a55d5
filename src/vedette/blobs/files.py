"""The embedded engine: plain files in one folder.

A put writes to a hidden file and renames it when all bytes are on the disk, so that a key has all
its bytes or is not there, whoever is killed when, and after a power cut too.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import secrets
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from vedette.blobs.base import Blob, Blobs
from vedette.domain.errors import BadInput, BlobsUnavailable, NotFound

# A piece of a stream: few system calls, and little memory for many readers at once.
PIECE_BYTES = 1 << 20
# What a killed writer left is deleted after this; a living one holds a lock on its own.
LEFTOVER_AGE_S = 3600.0
KEY_BYTES_MAX = 1024  # S3's limit.
NAME_BYTES_MAX = 255  # That of Linux's file systems.
# All that is being written lies here, so that finding leftovers takes no walk over everything.
HIDDEN = ".unfinished"
# Somebody who deletes may remove the folder that was just made; it is made again so often.
RENAME_TRIES = 20
_FULL = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the quota is used up",
    errno.EFBIG: "the file is larger than the system allows",
}


class FileBlobs(Blobs):
    """Keys are paths below one folder; see the door."""

    def __init__(self, folder: Path) -> None:
        """Open a folder, which is made where it is missing, and clear away what was left half done.

        Raises:
            BlobsUnavailable: it cannot be written.
        """
        self._folder = folder
        self._hidden = folder / HIDDEN
        with self._translated(""):
            self._hidden.mkdir(parents=True, exist_ok=True)
            self._clear_leftovers()

    def put(self, key: str, content: bytes | Iterable[bytes]) -> int:
        path = self._path(key)
        pieces = (content,) if isinstance(content, bytes) else content
        part = self._hidden / secrets.token_hex(16)
        with self._translated(key):
            descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        try:
            size_bytes = self._write(descriptor, pieces, key)
            with self._translated(key):
                os.fsync(descriptor)
                self._appear(part, path)
        finally:
            os.close(descriptor)
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)
        return size_bytes

    def get(self, key: str) -> bytes:
        path = self._path(key)
        with self._found(key):
            return path.read_bytes()

    def stream(self, key: str, *, start: int = 0) -> Iterator[bytes]:
        path = self._path(key)
        with self._found(key):
            if not path.is_file():
                raise FileNotFoundError(path)
        return self._pieces(path, key, start)

    def delete(self, keys: Iterable[str]) -> None:
        for key in keys:
            path = self._path(key)
            with self._translated(key):
                with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                    path.unlink()
                self._drop_empty(path.parent)

    def local_path(self, key: str) -> Path | None:
        path = self._path(key)
        return path if path.is_file() else None

    def close(self) -> None:
        """Nothing is held."""

    def list(self, prefix: str) -> Iterator[Blob]:
        folder, slash, begins = prefix.rpartition("/")
        if slash:
            self._path(folder)  # Refuses what reaches out of our folder.
        return self._listed(self._folder / folder, f"{folder}/" if folder else "", begins)

    def _path(self, key: str) -> Path:
        names = key.split("/")
        wrong = (
            len(key.encode(errors="replace")) > KEY_BYTES_MAX
            or not key.isprintable()
            or any(
                not name or name.startswith(".") or len(name.encode()) > NAME_BYTES_MAX
                for name in names
            )
        )
        if wrong:
            raise BadInput(
                f"'{key[:100]}' cannot be a blob's key: it is names parted by '/', none of which "
                "is empty, begins with a dot or holds what cannot be printed"
            )
        return self._folder.joinpath(*names)

    def _write(self, descriptor: int, pieces: Iterable[bytes], key: str) -> int:
        with self._translated(key):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        size_bytes = 0
        for piece in pieces:  # What our caller's iterator raises stays as it is.
            with self._translated(key):
                rest = memoryview(piece)
                while rest:
                    rest = rest[os.write(descriptor, rest) :]
            size_bytes += len(piece)
        return size_bytes

    def _appear(self, part: Path, path: Path) -> None:
        for left in reversed(range(RENAME_TRIES)):
            try:
                made = _make_folders(path.parent)
                part.replace(path)
                break
            except (FileNotFoundError, FileExistsError):
                if not left or not part.exists():
                    raise
        # Without these a power cut may take the name, or its folder's, away again.
        for folder in (path.parent, *made):
            with contextlib.suppress(FileNotFoundError):  # Deleted already, with what lay in it.
                _sync_folder(folder)

    def _drop_empty(self, folder: Path) -> None:
        with contextlib.suppress(OSError):  # Not empty, or gone.
            while folder != self._folder:
                folder.rmdir()
                folder = folder.parent

    def _pieces(self, path: Path, key: str, start: int) -> Iterator[bytes]:
        with self._found(key), path.open("rb") as file:
            file.seek(start)
            while piece := file.read(PIECE_BYTES):
                yield piece

    def _listed(self, folder: Path, before: str, begins: str) -> Iterator[Blob]:
        try:
            with os.scandir(folder) as entries:
                # As keys sort: a folder's name goes on with a slash.
                names = sorted(
                    entry.name + "/" * entry.is_dir()
                    for entry in entries
                    if entry.name.startswith(begins) and not entry.name.startswith(".")
                )
        except (FileNotFoundError, NotADirectoryError):
            return
        for name in names:
            if name.endswith("/"):
                yield from self._listed(folder / name, before + name, "")
                continue
            with contextlib.suppress(FileNotFoundError):  # Deleted meanwhile.
                seen = (folder / name).stat()
                yield Blob(before + name, seen.st_size, datetime.fromtimestamp(seen.st_mtime, UTC))

    def _clear_leftovers(self) -> None:
        for path in self._hidden.iterdir():
            with contextlib.suppress(OSError):
                if time.time() - path.stat().st_mtime > LEFTOVER_AGE_S and _is_nobodys(path):
                    path.unlink()

    @contextlib.contextmanager
    def _found(self, key: str) -> Iterator[None]:
        with self._translated(key):
            try:
                yield
            except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
                raise NotFound(f"blob '{key}' in {self._folder}: there is none of that key") from (
                    error
                )

    @contextlib.contextmanager
    def _translated(self, key: str) -> Iterator[None]:
        place = f"blob '{key}' in {self._folder}" if key else str(self._folder)
        try:
            yield
        except OSError as error:
            if error.errno in _FULL:
                raise BlobsUnavailable(
                    f"{place}: {_FULL[error.errno]}; nothing of it was kept; make room"
                ) from error
            raise BlobsUnavailable(f"{place}: {error.strerror or error}") from error


def _make_folders(folder: Path) -> list[Path]:
    """Make a folder; give those whose own list of names changed by that."""
    changed = []
    there = folder
    while not there.exists():
        there = there.parent
        changed.append(there)
    folder.mkdir(parents=True, exist_ok=True)
    return changed


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _is_nobodys(path: Path) -> bool:
    """Tell whether no living process writes it, however old it looks by a clock that jumped."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True
