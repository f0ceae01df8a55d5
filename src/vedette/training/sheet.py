"""A contact sheet of the differences: what a model saw before a training and what it sees after."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from vedette.training.gathering import draw_boxes
from vedette.training.judging import Judged
from vedette.training.pictures import Boxes, Picture
from vedette.training.teacher import overlap

COLUMNS, ROWS = 2, 6
CELL_WIDTH, CELL_HEIGHT = 480, 300
BEFORE, AFTER, LABEL = (60, 130, 235), (70, 170, 60), (200, 200, 200)


def contact_sheet(
    pictures: Sequence[Picture],
    before: Sequence[Judged],
    after: Sequence[Judged],
    path: Path,
    *,
    count_from: float,
) -> int:
    """Draw the pictures on which two models differ most, side by side.

    Args:
        pictures: What both looked at.
        before: What the earlier one found.
        after: What the later one found.
        path: A PNG file; appears whole.
        count_from: Weaker detections are left out.

    Returns:
        On how many pictures they differ at all.
    """
    changes = [
        _changes(_strong(one.found, count_from), _strong(other.found, count_from))
        for one, other in zip(before, after, strict=True)
    ]
    order = [at for at in np.argsort(changes, kind="stable")[::-1] if changes[at]][:ROWS]
    rows = []
    for at in order:
        cells = []
        for judged, words, colour in ((before[at], "before", BEFORE), (after[at], "after", AFTER)):
            picture = pictures[at].copy()
            draw_boxes(picture, _strong(judged.found, count_from), colour)
            cells.append(_cell(picture, words))
        rows.append(np.hstack(cells))
    if rows:
        draft = path.with_name(f".{path.name}")
        cv2.imwrite(str(draft), np.vstack(rows))
        draft.rename(path)
    return sum(change > 0 for change in changes)


def _strong(found: Boxes, count_from: float) -> Boxes:
    return found[found[:, 4] >= count_from]


def _changes(before: Boxes, after: Boxes) -> int:
    """Count the objects that only one of both saw."""
    shared = overlap(before, after) * (before[:, None, 5] == after[None, :, 5])
    gone = int((shared.max(axis=1, initial=0) < 0.5).sum())
    come = int((shared.max(axis=0, initial=0) < 0.5).sum())
    return gone + come


def _cell(picture: Picture, words: str) -> Picture:
    scale = min(CELL_WIDTH / picture.shape[1], CELL_HEIGHT / picture.shape[0])
    size = (max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale)))
    cell = np.full((CELL_HEIGHT + 24, CELL_WIDTH, 3), 32, np.uint8)
    cell[24 : 24 + size[1], : size[0]] = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    cv2.putText(cell, words, (8, 17), cv2.FONT_HERSHEY_SIMPLEX, 0.5, LABEL, 1, cv2.LINE_AA)
    return cell
