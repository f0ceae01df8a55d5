"""Passwords at rest: text sealed with a key of the data directory, and opened again."""

from __future__ import annotations

import hashlib
import hmac
import os
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken

from vedette.domain.errors import ConfigError

KEY_FILE = "secret.key"
# How a sealed text begins; no address does.
MARK = "sealed:"


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
        ConfigError: the key file is no key.
    """
    path = folder / KEY_FILE
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        pass
    else:
        with os.fdopen(descriptor, "wb") as file:
            file.write(Fernet.generate_key())
            file.flush()
            os.fsync(file.fileno())
    try:
        return Seal(path.read_bytes())
    except ValueError as error:
        raise ConfigError(f"{path}: this is no key; restore it from a copy") from error
