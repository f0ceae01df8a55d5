"""A detector that finds the white cells of a time code, and reads rows made with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from time_code import BEACON, CELL_PX, COLUMNS, HEIGHT, ROWS, WIDTH, Cell, time_of
from tiny_onnx import GraphBuilder

LABELS = ("bit", "beacon")


def build_clock_reader(path: Path) -> Path:
    """Write a DETR-shaped detector: one box per cell, its score whether the cell is white."""
    build = GraphBuilder()
    # Stretched pictures in [0, 1]; the mean of a cell's inner half, of all three colours.
    inner = CELL_PX // 2
    kernel = np.zeros((1, 3, CELL_PX, CELL_PX), np.float32)
    edge = (CELL_PX - inner) // 2
    kernel[:, :, edge : edge + inner, edge : edge + inner] = 1 / (3 * inner**2)
    sides = [CELL_PX, CELL_PX]
    luma = build.add("Conv", "images", build.constant(kernel), kernel_shape=sides, strides=sides)
    level = build.add("Sub", luma, build.constant(0.5))
    score = build.add("Sigmoid", build.add("Mul", level, build.constant(20.0)))
    column = build.add("Reshape", score, build.constant([1, ROWS * COLUMNS, 1], np.int64))
    cells = [(row, column) for row in range(ROWS) for column in range(COLUMNS)]
    boxes = [
        ((column + 0.5) / COLUMNS, (row + 0.5) / ROWS, 1 / COLUMNS, 1 / ROWS)
        for row, column in cells
    ]
    is_label = [(cell != BEACON, cell == BEACON) for cell in cells]
    scores = build.add("Mul", column, build.constant([is_label]))
    build.add("Concat", build.constant([boxes]), scores, axis=2, to="output")
    return build.save(
        path,
        inputs={"images": [1, 3, HEIGHT, WIDTH]},
        outputs={"output": [1, len(cells), 4 + len(LABELS)]},
        metadata={"names": str(dict(enumerate(LABELS))), "description": "RT-DETR of time codes"},
    )


def shown_ms(row: dict[str, Any], near_ms: int) -> int:
    """Read off a prediction row when its picture was made.

    Raises:
        ValueError: the picture told no time.
    """
    labels = [one["label"] for one in row["objects"]]
    if labels.count("beacon") != 1:
        raise ValueError(f"{labels.count('beacon')} beacons in frame {row['frame']}")
    return time_of({_cell(one) for one in row["objects"] if one["label"] == "bit"}, near_ms)


def _cell(one: dict[str, Any]) -> Cell:
    middle_x, middle_y = (one["x1"] + one["x2"]) / 2, (one["y1"] + one["y2"]) / 2
    return int(middle_y // CELL_PX), int(middle_x // CELL_PX)
