"""A store and blobs of this test's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from kept_rows import KeptRun, open_blobs, open_store
from vedette.blobs.base import Blobs
from vedette.store.base import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return open_blobs(tmp_path)


@pytest.fixture
def run(store: Store, blobs: Blobs) -> KeptRun:
    return KeptRun(store, blobs)
