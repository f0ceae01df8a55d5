"""What the operator lets strangers open: checked before an address is accepted.

Whoever may start a scenario over the network makes this machine connect somewhere, or read a file.
So schemes are listed, files lie below named folders, and no address leads to the machine's own
link: there, clouds answer anybody who asks with the machine's passwords.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from vedette.domain.errors import BadInput, Forbidden
from vedette.sources.address import scheme_of, without_credentials

SCHEMES = frozenset({"rtsp", "rtsps", "http", "https", "udp", "synthetic"})
ADDRESS_CHARACTERS_MAX = 4096
_NO_HOST = "synthetic"
_SHOWN_MAX = 200

Resolve = Callable[[str], Collection[str]]
_IP = ipaddress.IPv4Address | ipaddress.IPv6Address

# Where clouds keep what they tell a machine of itself: link-local, and those that are not.
_FORBIDDEN = tuple(
    ipaddress.ip_network(one)
    for one in (
        "169.254.0.0/16",
        "fe80::/10",
        "fd00:ec2::254/128",  # Amazon, IPv6.
        "fd20:ce::254/128",  # Google, IPv6.
        "100.100.100.200/32",  # Alibaba.
        "192.0.0.192/32",  # Oracle.
    )
)
# IPv6 addresses that stand for an IPv4 one: NAT64 (RFC 6052), and the long dead ::a.b.c.d.
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_COMPATIBLE = ipaddress.ip_network("::/96")


def resolve(host: str) -> Collection[str]:
    """Give the IP addresses of a host as the system finds them; blocks; none where it has none."""
    try:
        return {str(found[4][0]) for found in socket.getaddrinfo(host, None)}
    except (OSError, UnicodeError):
        # Unknown now is no offence: a camera may be plugged in tomorrow.
        return ()


def check_address(
    address: str,
    *,
    folders: Sequence[Path] = (),
    schemes: Collection[str] = SCHEMES,
    resolve: Resolve = resolve,
) -> None:
    """See that an address is one that strangers may have opened; asks for names, so it may block.

    Args:
        address: What somebody wants opened: an address, or the path of a file.
        folders: Files below these may be read; symbolic links are followed first.
        schemes: The schemes that may be opened.
        resolve: Gives the IP addresses of a host.

    Raises:
        BadInput: it is no address.
        Forbidden: the policy does not allow it; the message holds no password.
    """
    if not address:
        raise BadInput("no source named; give an address such as rtsp://, or a file")
    if len(address) > ADDRESS_CHARACTERS_MAX:
        raise BadInput(f"an address has at most {ADDRESS_CHARACTERS_MAX} characters")
    # What one program takes for a space or an end, another reads on.
    if not address.isprintable():
        raise BadInput("an address holds printable characters alone")
    scheme = scheme_of(address)
    if not scheme:
        _check_file(address, folders)
    elif scheme not in schemes:
        allowed = ", ".join(f"{one}://" for one in sorted(schemes))
        raise Forbidden(f"'{scheme}:' is not opened from here; use one of {allowed}")
    elif scheme != _NO_HOST:
        _check_host(address, resolve)


def file_path(address: str, folders: Sequence[Path]) -> Path:
    """Give the file that a path leads to, links followed, if it lies below one of the folders.

    Raises:
        Forbidden: it does not, or is no file that can be seen.
    """
    refused = Forbidden(
        f"{_shown(address)}: is no file below a folder that is open to the API; upload the video, "
        "or name its folder in the settings"
    )
    try:
        path = Path(address).resolve(strict=True)
        inside = any(path.is_relative_to(folder.resolve()) for folder in folders)
    except (OSError, ValueError, RuntimeError):
        raise refused from None  # The same words: nobody learns here which files there are.
    if not inside or not path.is_file():
        raise refused
    return path


def _check_file(address: str, folders: Sequence[Path]) -> None:
    if not Path(address).is_absolute():
        raise Forbidden(
            f"{_shown(address)}: the path of a file begins with '/'; or give an address such as "
            "rtsp://"
        )
    file_path(address, folders)


def _check_host(address: str, resolve: Resolve) -> None:
    shown = _shown(address)
    for host in _hosts(address):
        if not host:
            raise BadInput(f"{shown}: the address names no host")
        for found in [host, *resolve(host)]:
            if _is_forbidden(found):
                raise Forbidden(f"{shown}: leads to this machine's own link; it is not opened")


def _hosts(address: str) -> set[str]:
    """Give every host that somebody may read into an address."""
    whole = re.fullmatch(r"[^:]+://(.*)", address)
    if whole is None or "\\" in address or " " in address:
        raise BadInput(f"{_shown(address)}: the address is malformed; write scheme://host/path")
    # FFmpeg's authority ends at the first of these; people's passwords may hold them too.
    hosts = {_host(re.split(r"[/?#]", whole[1], maxsplit=1)[0].rpartition("@")[2])}
    if "@" in whole[1]:
        after = whole[1].rpartition("@")[2]
        hosts.add(_host(re.split(r"[/?#]", after, maxsplit=1)[0]))
    return hosts


def _host(place: str) -> str:
    """Give the host of `host:port` or `[host]:port`."""
    bracketed = re.match(r"\[([^]]*)\]", place)
    return bracketed[1] if bracketed else place.partition(":")[0]


def _is_forbidden(text: str) -> bool:
    try:
        found: _IP = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    return any(one in net for one in _meanings(found) for net in _FORBIDDEN)


def _meanings(found: _IP) -> list[_IP]:
    """Give an address with the IPv4 ones it stands for."""
    if isinstance(found, ipaddress.IPv4Address):
        return [found]
    meanings: list[_IP | None] = [found, found.ipv4_mapped, found.sixtofour]
    if found in _NAT64 or found in _COMPATIBLE:
        meanings.append(ipaddress.IPv4Address(int(found) & 0xFFFF_FFFF))
    return [one for one in meanings if one is not None]


def _shown(address: str) -> str:
    return without_credentials(address)[:_SHOWN_MAX]
