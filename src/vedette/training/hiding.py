"""What is still seen of somebody behind something, and how a box tells it.

A box goes around what is seen, as people draw it (COCO's labels do): of somebody behind a table,
down to the table. A network that learns whole bodies instead sees legs through tables.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from vedette.training.pictures import DOUBTFUL_FROM, Boxes, Picture

# An object hidden this far is doubtful, and from the second on gone.
HIDDEN_DOUBTFUL, HIDDEN_GONE = 0.65, 0.85
# What reaches this near to three sides of a box hides all between them; a share of the box.
NEAR = 0.12
# On this share of the pictures one object is covered from one side, mostly from below, as by
# tables, walls and cars: that much of it.
COVERED_SHARE, FROM_BELOW = 0.4, 0.7
COVERED = (0.15, 0.6)
# What covers it is wider than it by so much on either side, as a share of the box, and no object is
# covered that has fewer pixels from top to bottom.
WIDER, COVERED_LEAST = (0.1, 1.0), 32.0

Filling = Callable[[int, int], npt.NDArray[np.float32]]
Extent = tuple[int, int, int, int]


def cut_hidden(boxes: Boxes, by: Extent) -> Boxes:
    """Give the boxes of what is still seen, where something lies over them.

    Args:
        boxes: (N, 6); changed.
        by: Where it lies: x_min, y_min, x_max, y_max.
    """
    left, top, right, bottom = by
    width, height = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    common_x = np.minimum(boxes[:, 2], right) - np.maximum(boxes[:, 0], left)
    common_y = np.minimum(boxes[:, 3], bottom) - np.maximum(boxes[:, 1], top)
    hidden = common_x.clip(0) * common_y.clip(0) / np.maximum(width * height, 1e-3)

    over_left, over_right = left <= boxes[:, 0] + NEAR * width, right >= boxes[:, 2] - NEAR * width
    over_top, over_bottom = (
        top <= boxes[:, 1] + NEAR * height,
        bottom >= boxes[:, 3] - NEAR * height,
    )
    met = (common_x > 0) & (common_y > 0) & (hidden < HIDDEN_GONE)
    across, along = met & over_left & over_right, met & over_top & over_bottom
    boxes[across & over_bottom, 3] = top
    boxes[across & over_top, 1] = bottom
    boxes[along & over_right, 2] = left
    boxes[along & over_left, 0] = right

    doubtful = hidden > HIDDEN_DOUBTFUL
    boxes[doubtful, 4] = np.minimum(boxes[doubtful, 4], DOUBTFUL_FROM + 0.01)
    return boxes[hidden < HIDDEN_GONE]


def cover_one(
    chance: np.random.Generator, canvas: Picture, boxes: Boxes, *, sure: float, filling: Filling
) -> Boxes:
    """Cover one object from one side; give the boxes of what is seen then.

    Args:
        chance: Draws which, from where and how far.
        canvas: Painted on.
        boxes: (N, 6) what is on it; changed.
        sure: An object is taken where its label is at least this sure.
        filling: Gives what covers, of a height and a width.
    """
    room_h, room_w = canvas.shape[:2]
    fit = (boxes[:, 4] > sure) & (boxes[:, 3] - boxes[:, 1] >= COVERED_LEAST)
    if not fit.any():
        return boxes
    x0, y0, x1, y1 = boxes[chance.choice(np.flatnonzero(fit)), :4]
    more = chance.uniform(*WIDER, 2)
    much = chance.uniform(*COVERED)
    if chance.random() < FROM_BELOW:
        sides = (x0 - more[0] * (x1 - x0), y1 - much * (y1 - y0),
                 x1 + more[1] * (x1 - x0), y1 + 0.1 * (y1 - y0))  # fmt: skip
    elif chance.random() < 0.5:
        sides = (x0 - more[0] * (x1 - x0), y0 - more[0] * (y1 - y0),
                 x0 + much * (x1 - x0), y1 + more[1] * (y1 - y0))  # fmt: skip
    else:
        sides = (x1 - much * (x1 - x0), y0 - more[0] * (y1 - y0),
                 x1 + more[0] * (x1 - x0), y1 + more[1] * (y1 - y0))  # fmt: skip
    left, top, right, bottom = (
        int(np.clip(round(float(side)), 0, room))
        for side, room in zip(sides, (room_w, room_h, room_w, room_h), strict=True)
    )
    if min(right - left, bottom - top) < 4:
        return boxes
    canvas[top:bottom, left:right] = filling(bottom - top, right - left).astype(np.uint8)
    return cut_hidden(boxes, (left, top, right, bottom))
