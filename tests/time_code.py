"""A time code in a picture: milliseconds as black and white cells, as a camera's log in its video.

Plain Python: the RTSP server draws it under the distribution's interpreter. Every bit is two cells
of which exactly one is white, and the last bit makes the number of ones even: a picture that is
damaged, grey, or mixed of two tells no time.
"""

from __future__ import annotations

from collections.abc import Collection

BITS = 24
PERIOD_MS = 1 << BITS
CELL_PX = 16
COLUMNS, ROWS = 16, 8
WIDTH, HEIGHT = COLUMNS * CELL_PX, ROWS * CELL_PX
# White in every picture, far from the bits: what is always there to be counted.
BEACON = (ROWS - 1, COLUMNS - 2)
WHITE, BLACK = 235, 16

Cell = tuple[int, int]
"""Row and column."""


def pair(bit: int) -> tuple[Cell, Cell]:
    """Give the cells of a bit (0 to `BITS`, the last one the parity): white where it is 0, or 1."""
    row, column = divmod(bit, COLUMNS // 2)
    return (row, 2 * column), (row, 2 * column + 1)


def white_cells(now_ms: int) -> set[Cell]:
    """Give the cells that are white in a picture of that moment."""
    code = now_ms % PERIOD_MS
    ones = [code >> bit & 1 for bit in range(BITS)]
    return {pair(bit)[one] for bit, one in enumerate([*ones, sum(ones) % 2])}


def time_of(white: Collection[Cell], near_ms: int) -> int:
    """Read the moment off the white cells, the one nearest to `near_ms`: codes repeat after hours.

    Raises:
        ValueError: it is no code.
    """
    ones = []
    for bit in range(BITS + 1):
        is_one = [cell in white for cell in pair(bit)]
        if sum(is_one) != 1:
            raise ValueError(f"bit {bit} has {sum(is_one)} white cells")
        ones.append(is_one.index(True))
    if sum(ones) % 2 or len(white) != BITS + 1:
        raise ValueError("wrong parity, or a cell too many")
    code = sum(one << bit for bit, one in enumerate(ones[:BITS]))
    late_ms = (near_ms - code + PERIOD_MS // 2) % PERIOD_MS - PERIOD_MS // 2
    return near_ms - late_ms


def i420(now_ms: int) -> bytes:
    """Draw the picture of a moment."""
    white = white_cells(now_ms) | {BEACON}
    lines = []
    for row in range(ROWS):
        cells = [WHITE if (row, column) in white else BLACK for column in range(COLUMNS)]
        lines.append(b"".join(bytes([luma]) * CELL_PX for luma in cells) * CELL_PX)
    return b"".join(lines) + bytes([128]) * (WIDTH * HEIGHT // 2)
