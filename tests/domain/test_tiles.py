"""Grids of tiles as people write them."""

from __future__ import annotations

import pytest

from vedette.domain.errors import BadInput
from vedette.domain.tiles import Tiles, parse_tiles


@pytest.mark.parametrize(
    ("text", "columns", "rows", "looks"),
    [("2x2", 2, 2, 5), ("3x1", 3, 1, 4), ("1x2", 1, 2, 3), ("16x1", 16, 1, 17), ("4x4", 4, 4, 17)],
)
def test_columns_come_before_rows_and_the_whole_is_one_more_look(
    text: str, columns: int, rows: int, looks: int
) -> None:
    tiles = parse_tiles(text)

    assert tiles == Tiles(columns, rows)
    assert tiles.looks == looks
    assert str(tiles) == text


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "columns x rows"),
        ("2", "columns x rows"),
        ("2X2", "columns x rows"),
        ("0x2", "columns x rows"),
        ("-1x2", "columns x rows"),
        ("2x2x2", "columns x rows"),
        ("2x2\n", "columns x rows"),
        ("٢x٢", "columns x rows"),  # Digits to Python, none to us.
        ("auto", "columns x rows"),
        ("1x1", "whole picture"),
        ("5x4", "at most 16"),
        ("99x99", "at most 16"),
    ],
)
def test_what_is_no_grid_is_refused_in_one_sentence(text: str, what: str) -> None:
    with pytest.raises(BadInput, match=what) as refused:
        parse_tiles(text)

    assert "\n" not in str(refused.value)
