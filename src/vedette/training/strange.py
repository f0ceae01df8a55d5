"""Pictures of what no label speaks of: parts of others, enlarged, turned, laid over each other.

Nobody knows what should be seen in them, so they teach nothing by labels. A detector that is
imitated can still be asked, and answers on all it learnt elsewhere: that is how pictures of streets
can teach what is neither street nor people.

Sources: Beyer et al., Knowledge distillation: a good teacher is patient and consistent, 2022; Asano
and Saeed, Extrapolating from a single image to a thousand classes using distillation, 2023.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from vedette.training.pictures import DOUBTFUL_FROM, Boxes, Picture, PictureSet
from vedette.training.wear import in_other_hues

# Parts that lie over each other, at most.
LAYERS_MOST = 3
# A part's pixels are so many times as large, or as small; one side more than the other, as a
# logarithm.
SIZES, STRETCH = (0.4, 3.0), 0.4
# Share of the parts that are turned by any angle, in other hues, and with dark and bright swapped.
TURNED_SHARE, HUE_SHARE, SWAPPED_SHARE = 0.5, 0.4, 0.1
# What is seen of the upper of two parts, where it is not a piece with an edge.
SEEN = (0.3, 0.7)
# How wide an edge between two parts may be, as a share of the picture.
EDGE = (0.002, 0.3)


def draw_strange(among: PictureSet, chance: np.random.Generator, canvas: Picture) -> Boxes:
    """Cover `canvas` with what nobody has a word for; give a doubt of each class, all over it."""
    height, width = canvas.shape[:2]
    canvas[:] = _part(among, chance, height, width)
    for _ in range(int(chance.integers(LAYERS_MOST))):
        other = _part(among, chance, height, width).astype(np.float32)
        seen = _share_seen(chance, height, width)
        canvas[:] = (other * seen + canvas * (1 - seen)).astype(np.uint8)
    doubt = [0.0, 0.0, width, height, DOUBTFUL_FROM + 0.01]
    return np.array([[*doubt, 0], [*doubt, 1]], np.float32)


def _part(among: PictureSet, chance: np.random.Generator, height: int, width: int) -> Picture:
    picture = among.picture(among.draw(chance))
    size = np.exp(chance.uniform(*np.log(SIZES)))
    stretch = np.exp(chance.uniform(-STRETCH, STRETCH))
    angle = chance.uniform(0, 2 * np.pi) if chance.random() < TURNED_SHARE else 0.0
    mirrored = -1.0 if chance.random() < 0.5 else 1.0
    turned = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    moved = turned * size @ np.diag([stretch * mirrored, 1 / stretch])
    # Somewhere in it comes to lie in the middle; beyond its edges it is mirrored.
    there = chance.uniform(0.15, 0.85, 2) * [picture.shape[1], picture.shape[0]]
    start = np.array([width / 2, height / 2]) - moved @ there
    part = cv2.warpAffine(
        picture,
        np.column_stack([moved, start]),
        (width, height),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REFLECT_101,
    )
    seen = np.asarray(part, np.uint8)
    if chance.random() < HUE_SHARE:
        seen = in_other_hues(seen, chance)
    return 255 - seen if chance.random() < SWAPPED_SHARE else seen


def _share_seen(
    chance: np.random.Generator, height: int, width: int
) -> npt.NDArray[np.float32] | np.float32:
    """Give how much of the upper part is seen: everywhere the same, or on one side of an edge."""
    if chance.random() < 0.5:
        return np.float32(chance.uniform(*SEEN))
    angle, edge = chance.uniform(0, 2 * np.pi), np.exp(chance.uniform(*np.log(EDGE)))
    across = np.linspace(-0.5, 0.5, width, dtype=np.float32)[None] * np.float32(np.cos(angle))
    down = np.linspace(-0.5, 0.5, height, dtype=np.float32)[:, None] * np.float32(np.sin(angle))
    beyond = (across + down - np.float32(chance.uniform(-0.3, 0.3))) / np.float32(edge)
    return np.asarray((beyond + 0.5).clip(0, 1)[..., None], np.float32)
