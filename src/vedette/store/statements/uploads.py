"""Uploaded videos: which of them a source names."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select

from vedette.store.base import Transaction
from vedette.store.schema import sources

# Keys of uploaded videos begin so; addresses of their sources are this scheme and the key.
PREFIX = "uploads/"
BLOB_SCHEME = "blob:"
# Names in one statement.
_BATCH = 500


def unnamed(transaction: Transaction, keys: Sequence[str]) -> list[str]:
    """Give those of the keys that no source is the address of."""
    named: set[str] = set()
    for at in range(0, len(keys), _BATCH):
        addresses = [BLOB_SCHEME + key for key in keys[at : at + _BATCH]]
        rows = transaction.connection.execute(
            select(sources.c.address).where(sources.c.address.in_(addresses))
        )
        named |= {row.address.removeprefix(BLOB_SCHEME) for row in rows}
    return [key for key in keys if key not in named]
