"""Rows of one commit as bytes, and back."""

from __future__ import annotations

import json
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from any_rows import any_row
from kept_rows import lines, row
from vedette.domain.errors import SchemaMismatch
from vedette.results.fresh import FORM, pack, unpack


@given(st.lists(any_row(), max_size=8))
def test_rows_come_back_as_they_were(rows: list[dict[str, object]]) -> None:
    assert lines(unpack(pack(rows))) == lines(rows)


def test_rows_take_few_bytes() -> None:
    rows = [row(frame, objects=6) for frame in range(15)]

    assert len(pack(rows)) < len(json.dumps(rows)) / 10


def test_whole_numbers_among_doubles_come_back_as_doubles() -> None:
    one = row(3)
    one["pts_s"] = 1
    one["objects"][0]["x1"] = 10

    (back,) = unpack(pack([one]))

    assert (repr(back["pts_s"]), repr(back["objects"][0]["x1"])) == ("1.0", "10.0")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "unknown form"),
        (b"2whatever", "newer program"),
        (FORM + b"no deflate", "damaged"),
        (FORM + zlib.compress(b"no json"), "damaged"),
        (FORM + zlib.compress(b"[[],[1]]"), "damaged"),
        (pack([row(0)])[:-5], "damaged"),
    ],
)
def test_damaged_or_newer_bytes_are_told(content: bytes, says: str) -> None:
    with pytest.raises(SchemaMismatch, match=says):
        unpack(content)


def test_row_with_a_key_that_would_be_lost_is_a_mistake() -> None:
    with pytest.raises(AssertionError, match="unknown keys"):
        pack([{**row(0), "new": 1}])
