"""What each cell should have said, and how far off it was.

Source of the assignment: task-aligned learning (Feng et al., TOOD, 2021); of the weighting of easy
cells: varifocal loss (Zhang et al., 2021); of the box loss: generalised IoU (Rezatofighi et al.,
2019).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from vedette.training.network import boxes_of

# Cells that answer for one object, at most.
CELLS_PER_OBJECT = 9
# How much score and overlap weigh when the cells for an object are chosen.
SCORE_POWER, OVERLAP_POWER = 0.5, 4.0
# A cell within this many strides of a small object's middle may answer for it.
REACH_STRIDES = 0.75
# A teacher that is this sure counts as certain.
SURE = 0.8
BOX_WEIGHT = 2.0


@dataclass(frozen=True, slots=True)
class Truths:
    """What is in the pictures of a batch.

    Attributes:
        objects: (N, G, 6) x_min, y_min, x_max, y_max in input pixels, score in (0, 1], class;
            score 0 fills up.
        doubtful: (N, D, 5) x_min, y_min, x_max, y_max, class + 1: nobody says whether something is
            there, so it is nobody's mistake; 0 fills up.
    """

    objects: Tensor
    doubtful: Tensor


def losses(
    answers: Tensor, truths: Truths, centres: Tensor, strides: Tensor
) -> tuple[Tensor, Tensor]:
    """Give the loss of the classes and of the boxes, both per unit of target score."""
    classes = answers.shape[-1] - 4
    logits = answers[..., :classes].float()
    boxes = boxes_of(answers[..., classes:], centres, strides)
    with torch.no_grad():
        wanted, which, taken = assign(logits.sigmoid(), boxes, truths.objects, centres, strides)
        excused = _excused(truths.doubtful, centres, classes) & (wanted == 0)
        total = wanted.sum().clamp(min=1)
        said = logits.sigmoid()
        # Nearly all cells are empty and right about it: together they must not drown the rest.
        weight = torch.where(wanted > 0, torch.ones_like(said), 0.9 * said**1.5 + 0.02)
        weight = weight * (~excused)
    each = functional.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
    class_loss = (each * weight).sum() / total
    picture, cell = taken.nonzero(as_tuple=True)
    if not len(picture):
        return class_loss, boxes.sum() * 0
    true = truths.objects[picture, which[picture, cell], :4]
    worth = wanted[picture, cell].sum(-1)
    box_loss = ((1 - generalised_overlap(boxes[picture, cell], true)) * worth).sum() / total
    return class_loss, box_loss


def assign(
    scores: Tensor, boxes: Tensor, objects: Tensor, centres: Tensor, strides: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Choose which cells answer for which object.

    Args:
        scores: (N, A, C) as the network gives them now.
        boxes: (N, A, 4) likewise.
        objects: (N, G, 6), see `Truths`.
        centres: (A, 2).
        strides: (A,).

    Returns:
        The score each cell should give (N, A, C), its object (N, A), and whether it has one (N, A).
    """
    cells, count = scores.shape[1], objects.shape[1]
    real = objects[..., 4] > 0
    middle = (objects[..., :2] + objects[..., 2:4]) / 2
    half = (objects[..., 2:4] - objects[..., :2]) / 2
    away = (centres[None, None] - middle[:, :, None]).abs()
    reach = torch.maximum(half[:, :, None], (strides * REACH_STRIDES)[None, None, :, None])
    near = (away < reach).all(-1) & real[..., None]
    overlap = overlap_of(objects[:, :, None, :4], boxes[:, None]) * near
    kind = objects[..., 5].long()
    score = torch.gather(scores.transpose(1, 2), 1, kind[..., None].expand(-1, -1, cells))
    merit = score.clamp(min=1e-4) ** SCORE_POWER * overlap**OVERLAP_POWER
    # Before anything overlaps, the nearest cells begin.
    merit = merit * near + near * 1e-12 / (1 + away.sum(-1))
    best, place = merit.topk(min(CELLS_PER_OBJECT, cells), 2)
    chosen = torch.zeros_like(merit, dtype=torch.bool).scatter_(2, place, best > 0)
    if (chosen.sum(1) > 1).any():
        # A cell that two objects want answers for the one it overlaps more.
        winner = ((overlap + 1e-9) * chosen).argmax(1)
        alone = functional.one_hot(winner, count).transpose(1, 2).bool()
        chosen = torch.where((chosen.sum(1) > 1)[:, None], alone & chosen, chosen)
    merit = merit * chosen
    share = merit / (merit.amax(2, keepdim=True) + 1e-15)
    share = share * (overlap * chosen).amax(2, keepdim=True)
    sure = (objects[..., 4] / SURE).clamp(max=1.0)
    worth = (share * sure[..., None]).amax(1)
    taken, which = chosen.any(1), chosen.float().argmax(1)
    wanted = torch.zeros_like(scores)
    wanted.scatter_(2, torch.gather(kind, 1, which)[..., None], (worth * taken)[..., None])
    return wanted, which, taken


def _excused(doubtful: Tensor, centres: Tensor, classes: int) -> Tensor:
    """Tell (N, A, C) which cells lie in a doubtful box of that class."""
    x, y = centres[None, None, :, 0], centres[None, None, :, 1]
    inside = (
        (x > doubtful[..., None, 0])
        & (x < doubtful[..., None, 2])
        & (y > doubtful[..., None, 1])
        & (y < doubtful[..., None, 3])
    )
    return torch.stack(
        [(inside & (doubtful[..., 4] == kind + 1)[..., None]).any(1) for kind in range(classes)], -1
    )


def overlap_of(some: Tensor, others: Tensor) -> Tensor:
    """Give intersection over union of boxes (..., 4)."""
    shared = _area(
        torch.maximum(some[..., :2], others[..., :2]), torch.minimum(some[..., 2:], others[..., 2:])
    )
    union = _area(some[..., :2], some[..., 2:]) + _area(others[..., :2], others[..., 2:]) - shared
    return shared / (union + 1e-6)


def generalised_overlap(some: Tensor, others: Tensor) -> Tensor:
    """Give intersection over union less the empty share of the box around both; in [-1, 1]."""
    shared = _area(
        torch.maximum(some[..., :2], others[..., :2]), torch.minimum(some[..., 2:], others[..., 2:])
    )
    union = (
        _area(some[..., :2], some[..., 2:])
        + _area(others[..., :2], others[..., 2:])
        - shared
        + 1e-6
    )
    around = (
        _area(
            torch.minimum(some[..., :2], others[..., :2]),
            torch.maximum(some[..., 2:], others[..., 2:]),
        )
        + 1e-6
    )
    return shared / union - (around - union) / around


def _area(start: Tensor, end: Tensor) -> Tensor:
    return (end - start).clamp(min=0).prod(-1)
