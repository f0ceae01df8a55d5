"""Addresses of sources: what people may read of them, and what nobody may."""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit

HIDDEN = "***"

# Passwords may hold any character, `@` and `/` too; so all up to the last `@` goes.
_USERINFO = re.compile(r"(?<=://)[^\s'\"]*@")
# Some cameras take the password in the path or the query.
_SECRET = re.compile(
    r"(?i)\b(user(?:name)?|pass(?:word|wd)?|pwd|token|auth|secret|(?:api_?)?key|sig(?:nature)?)"
    r"=[^&\s'\"/]*"
)


def redact(text: str) -> str:
    """Give `text` (an address, or a message that quotes one) without credentials."""
    return _SECRET.sub(rf"\1={HIDDEN}", _USERINFO.sub(f"{HIDDEN}@", text))


def stream_name(url: str) -> str:
    """Give the name of a network stream: host and path, never credentials or a query."""
    bare = redact(url).replace(f"{HIDDEN}@", "")
    parts = urlsplit(bare)
    return unquote(f"{parts.netloc}{parts.path}").rstrip("/") or parts.scheme


def scheme_of(address: str) -> str:
    """Give the scheme of an address, in small letters; empty for a path."""
    match = re.match(r"([A-Za-z][A-Za-z0-9+.-]*):", address)
    return match[1].lower() if match else ""
