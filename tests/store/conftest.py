"""A store of its own for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from vedette.store.base import Store
from vedette.store.sqlite import SqliteStore


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Give an empty store with the newest schema."""
    opened = SqliteStore(tmp_path)
    opened.migrate()
    yield opened
    opened.close()
