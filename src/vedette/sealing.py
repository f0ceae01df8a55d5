"""Passwords at rest: text sealed with a key of the data directory, and opened again."""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken

from vedette.clock import SystemClock
from vedette.domain.errors import ConfigError

KEY_FILE = "secret.key"
# How a sealed text begins; no address does.
MARK = "sealed:"
# Replacing an empty file takes milliseconds; whoever is at it for longer does not run.
PATIENCE_S = 5.0
LOOK_S = 0.02


class Seal:
    """Seals and opens texts; the key lies in a file that its owner alone can read."""

    def __init__(self, key: bytes) -> None:
        self._fernet = Fernet(key)
        self._key = key

    def seal(self, text: str) -> str:
        """Give the text so that only who has the key can read it."""
        return MARK + self._fernet.encrypt(text.encode()).decode()

    def mark(self, text: str) -> str:
        """Give 32 hexadecimal digits, the same for the same text; nobody learns it from them."""
        return hmac.new(self._key, text.encode(), hashlib.sha256).hexdigest()[:32]

    def open(self, text: str) -> str:
        """Give back what was sealed; what was not sealed stays as it is.

        Raises:
            ConfigError: it was sealed with another key.
        """
        if not text.startswith(MARK):
            return text
        try:
            return self._fernet.decrypt(text.removeprefix(MARK).encode()).decode()
        except InvalidToken as error:
            raise ConfigError(
                f"a stored password was sealed with another key than {KEY_FILE} of the data "
                "directory; bring that file back, or enter the password anew"
            ) from error


def load_seal(folder: Path) -> Seal:
    """Give the seal of a data directory, making its key where there is none.

    Raises:
        ConfigError: the key file is no key, or can be neither read nor made.
    """
    path = folder / KEY_FILE
    try:
        return Seal(load_secret(path, Fernet.generate_key))
    except ValueError as error:
        raise ConfigError(f"{path}: this is no key; restore it from a copy") from error


def load_secret(path: Path, make: Callable[[], bytes]) -> bytes:
    """Give what a secret file holds; where there is none it is made, for its owner alone to read.

    It appears whole or not at all, and whoever asks at the same time gets the same. A file without
    content counts as none: nothing was ever sealed with it.

    Args:
        path: Where it lies, in a folder that is there.
        make: Gives a new secret, not empty.

    Raises:
        ConfigError: it can be neither read nor made.
    """
    clock = SystemClock()
    until_mono_s = clock.monotonic_s() + PATIENCE_S
    try:
        while not (held := _held(path)):
            if not _offer(path, make()):
                if clock.monotonic_s() > until_mono_s:
                    raise ConfigError(f"{path}: is empty, and another process is at it; end that")
                clock.sleep(LOOK_S)
    except OSError as error:
        raise ConfigError(
            f"{path}: {error.strerror}; it has to be readable, or there has to be room and leave "
            "to make it"
        ) from error
    return held


def _held(path: Path) -> bytes:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return b""
    return content if content.strip() else b""


def _offer(path: Path, content: bytes) -> bool:
    """Put a file there unless there is one; False where somebody else has to finish first."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(temporary, path)
        except FileExistsError:
            return _replace_empty(path, temporary)
        _keep_names(path.parent)
        return True
    finally:
        temporary.unlink(missing_ok=True)


def _replace_empty(path: Path, temporary: Path) -> bool:
    """Put a file in an empty one's place; under its lock, or two would put different ones there."""
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        is_the_same = os.path.samestat(os.fstat(file.fileno()), path.stat())
        if is_the_same and not _held(path):
            temporary.replace(path)
            _keep_names(path.parent)
    return True


def _keep_names(folder: Path) -> None:
    """Have the names in a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
