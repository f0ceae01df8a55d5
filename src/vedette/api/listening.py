"""Where the API listens."""

from __future__ import annotations

import socket
from dataclasses import dataclass

from vedette.domain.errors import BadInput, ConfigError


@dataclass(frozen=True, slots=True)
class Listen:
    """A host and a port of ours."""

    host: str
    port: int

    @property
    def is_loopback(self) -> bool:
        """True where only this machine can reach it."""
        return self.host in {"127.0.0.1", "::1", "localhost"}

    @property
    def url(self) -> str:
        """The address for people."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"


def parse_listen(text: str) -> Listen:
    """Read `HOST:PORT`.

    Raises:
        BadInput: it is none.
    """
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or not port.isdigit() or int(port) > 65535:
        raise BadInput(f"--listen {text}: write HOST:PORT, such as 127.0.0.1:8470")
    return Listen(host, int(port))


def listening_socket(listen: Listen) -> socket.socket:
    """Take the port.

    Raises:
        ConfigError: somebody else has it, or the host is not ours.
    """
    family = socket.AF_INET6 if ":" in listen.host else socket.AF_INET
    taken = socket.socket(family, socket.SOCK_STREAM)
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        taken.bind((listen.host, listen.port))
        taken.listen(1024)
    except OSError as error:
        taken.close()
        raise ConfigError(
            f"{listen.host}:{listen.port}: {error.strerror}; name another with --listen HOST:PORT"
        ) from error
    return taken
