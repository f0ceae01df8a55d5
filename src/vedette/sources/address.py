"""Addresses of sources: what people may read of them, and what nobody may."""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from vedette.domain.errors import BadInput

HIDDEN = "***"

# A password may hold any character, `@`, `/`, quotes and spaces too: all up to the last `@` goes.
_USERINFO = re.compile(r"(?s)(?<=:)//?.*@|[^\s:]+:(?!/).*@")
# Some cameras take the password in the path or the query.
_KEYS = (
    r"(?i)(user(?:name)?|usr|pass?(?:word|wd)?|pwd|token|auth|secret|key|sig(?:nature)?)"
    r"=[^&{ends}]*"
)
_SECRET_IN_ADDRESS = re.compile(_KEYS.format(ends=""))
_SECRET_IN_MESSAGE = re.compile(_KEYS.format(ends=r"\s"))


def without_credentials(address: str) -> str:
    """Give one address as people may read it; whatever else holds an `@` goes with them."""
    if "@" not in address:  # Some write it as in a path.
        address = re.sub(r"(?<=//)([^/?#]*)%40", r"\1@", address)
    before, _, rest = address.rpartition("@")
    scheme = re.match(r"[A-Za-z][A-Za-z0-9+.-]*:/*", before)
    return _SECRET_IN_ADDRESS.sub(rf"\1={HIDDEN}", (scheme[0] if scheme else "") + rest)


def redact(message: str) -> str:
    """Give a message that may quote an address without credentials; rather too little of it."""
    return _SECRET_IN_MESSAGE.sub(rf"\1={HIDDEN}", _USERINFO.sub(f"{HIDDEN}@", message))


def split_address(address: str) -> SplitResult:
    """Give the parts of an address, without its credentials.

    Raises:
        BadInput: it cannot be split: its host is none.
    """
    bare = without_credentials(address)
    try:
        return urlsplit(bare)
    except ValueError:
        raise BadInput(f"{bare}: the address is malformed; check its host") from None


def stream_name(url: str) -> str:
    """Give the name of a network stream: host and path, never credentials or a query."""
    parts = split_address(url)
    name = unquote(f"{parts.netloc}{parts.path}").rpartition("@")[2].strip("/")
    return _SECRET_IN_ADDRESS.sub(rf"\1={HIDDEN}", name) or parts.scheme


def scheme_of(address: str) -> str:
    """Give the scheme of an address, in small letters; empty for a path."""
    match = re.match(r"([A-Za-z][A-Za-z0-9+.-]*):", address)
    return match[1].lower() if match else ""


def local_path(address: str) -> Path | None:
    """Give the path that a file source reads for an address; none where it names no file.

    Args:
        address: A path, with or without `~`, or a `file:` address.
    """
    url = re.match(r"(?is)file:(?://[^/?#]*)?([^?#]*)", address)
    # `os.path` knows no error: a name too long, a zero byte or `~nobody` is just no such file.
    if not url and scheme_of(address):
        # The name of a file may hold a colon.
        there = "://" not in address and os.path.exists(address)  # noqa: PTH110
        return Path(address) if there else None
    return Path(os.path.expanduser(unquote(url[1]) if url else address))  # noqa: PTH111
