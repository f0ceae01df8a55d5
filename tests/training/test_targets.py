"""What each cell should say, and that being wrong costs more than being right."""

from __future__ import annotations

import pytest

from parts import need_torch

need_torch()

import torch  # noqa: E402
from torch import Tensor  # noqa: E402

from vedette.training.network import boxes_of, cell_centres  # noqa: E402
from vedette.training.targets import Truths, assign, generalised_overlap, losses  # noqa: E402

SIDE = 96
CENTRES, STRIDES = cell_centres(SIDE, SIDE, torch.device("cpu"))
NOBODY_DOUBTS = torch.zeros(1, 1, 5)


def objects(*rows: tuple[float, ...]) -> Tensor:
    return torch.tensor([rows], dtype=torch.float32)


def cell_at(x: float, y: float, stride: int) -> int:
    away = (CENTRES - torch.tensor([x, y])).abs().sum(1) + (stride != STRIDES) * 1e6
    return int(away.argmin())


def scores_of(value: float) -> Tensor:
    return torch.full((1, len(CENTRES), 2), value)


def answers_for(box: tuple[float, ...], *, off: float = 0.0, logit: float = 0.0) -> Tensor:
    """Give answers of all cells that see one box, its sides `off` pixels too far."""
    x0, y0, x1, y1 = box
    reach = torch.stack(
        [
            CENTRES[:, 0] - x0 + off,
            CENTRES[:, 1] - y0 + off,
            x1 - CENTRES[:, 0] + off,
            y1 - CENTRES[:, 1] + off,
        ],
        -1,
    )
    share = (reach / STRIDES[:, None]).clamp(min=0.01)
    raw = share + torch.log(-torch.expm1(-share))  # The inverse of softplus.
    return torch.cat([torch.full((len(CENTRES), 2), logit), raw], -1)[None]


def test_a_cell_with_a_perfect_box_and_score_is_wanted_near_one() -> None:
    box = (20.0, 20.0, 60.0, 70.0)
    boxes = torch.zeros(1, len(CENTRES), 4)
    perfect = cell_at(40, 44, 8)
    boxes[0, perfect] = torch.tensor(box)

    wanted, which, taken = assign(scores_of(0.9), boxes, objects((*box, 1.0, 1)), CENTRES, STRIDES)

    assert taken[0, perfect] and which[0, perfect] == 0
    assert float(wanted[0, perfect, 1]) == pytest.approx(1, abs=1e-3)
    assert float(wanted[0, :, 0].max()) == 0
    assert float(wanted.sum()) == pytest.approx(1, abs=1e-3)


def test_what_the_teacher_doubts_is_wanted_less() -> None:
    box = (20.0, 20.0, 60.0, 70.0)
    boxes = torch.tensor(box).expand(1, len(CENTRES), 4)

    wanted, _, _ = assign(scores_of(0.9), boxes, objects((*box, 0.4, 0)), CENTRES, STRIDES)

    assert float(wanted.max()) == pytest.approx(0.5, abs=1e-3)


def test_a_cell_that_two_objects_want_answers_for_the_one_it_sees() -> None:
    first, second = (20.0, 20.0, 60.0, 60.0), (28.0, 28.0, 68.0, 68.0)
    boxes, shared = torch.zeros(1, len(CENTRES), 4), cell_at(44, 44, 8)
    boxes[0, shared] = torch.tensor(second)
    both = objects((*first, 1.0, 0), (*second, 1.0, 1))

    wanted, which, taken = assign(scores_of(0.5), boxes, both, CENTRES, STRIDES)

    assert int(((wanted > 0).sum(-1) > 1).sum()) == 0
    # It lies in both, and sees the second.
    assert taken[0, shared] and which[0, shared] == 1
    assert float(wanted[0, shared, 1]) == pytest.approx(1, abs=1e-3)


def test_every_object_has_cells_before_anything_is_learnt() -> None:
    boxes = torch.zeros(1, len(CENTRES), 4)
    three = objects((10, 10, 14, 16, 1.0, 0), (30, 30, 90, 90, 1.0, 1), (50, 5, 60, 25, 1.0, 0))

    _, which, taken = assign(scores_of(0.01), boxes, three, CENTRES, STRIDES)

    assert {int(one) for one in which[taken]} == {0, 1, 2}


def test_a_doubtful_box_excuses_its_cells_for_its_class_alone() -> None:
    answers = answers_for((20, 20, 60, 70), logit=-8)
    loud = answers.clone()
    inside = cell_at(76, 76, 8)
    loud[0, inside, 0] = 6  # A person is claimed where nobody says whether there is one.
    truth = objects((20, 20, 60, 70, 1.0, 1))

    def class_loss(said: Tensor, kind: int) -> float:
        doubtful = torch.tensor([[[66.0, 66, 90, 90, kind + 1]]])
        return float(losses(said, Truths(truth, doubtful), CENTRES, STRIDES)[0])

    assert class_loss(loud, 0) - class_loss(answers, 0) == pytest.approx(0, abs=0.01)
    assert class_loss(loud, 1) - class_loss(answers, 1) > 0.5


def test_the_box_loss_falls_as_boxes_get_better() -> None:
    box = (20.0, 20.0, 60.0, 70.0)
    truths = Truths(objects((*box, 1.0, 0)), NOBODY_DOUBTS)

    found = [
        float(losses(answers_for(box, off=off), truths, CENTRES, STRIDES)[1])
        for off in (10, 5, 2, 0)
    ]

    assert found == sorted(found, reverse=True)
    assert found[0] > 0.2
    assert found[-1] < 0.01


def test_the_class_loss_falls_as_scores_get_better() -> None:
    box = (20.0, 20.0, 60.0, 70.0)
    truths = Truths(objects((*box, 1.0, 0)), NOBODY_DOUBTS)
    answers = answers_for(box, logit=-6)
    boxes = boxes_of(answers[..., 2:], CENTRES, STRIDES)
    wanted, _, _ = assign(answers[..., :2].sigmoid(), boxes, truths.objects, CENTRES, STRIDES)
    better = answers.clone()
    better[..., :2][wanted > 0.5] = 3

    worse_loss, better_loss = (
        float(losses(one, truths, CENTRES, STRIDES)[0]) for one in (answers, better)
    )

    assert better_loss < worse_loss / 2


def test_a_picture_with_nobody_on_it_has_no_box_loss() -> None:
    empty = Truths(torch.zeros(1, 1, 6), NOBODY_DOUBTS)

    class_loss, box_loss = losses(answers_for((20, 20, 60, 70)), empty, CENTRES, STRIDES)

    assert float(box_loss) == 0
    assert float(class_loss) > 0


def test_generalised_overlap_of_known_boxes() -> None:
    some = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 10], [0, 0, 10, 10]])
    others = torch.tensor([[0.0, 0, 10, 10], [5, 0, 15, 10], [20, 0, 30, 10]])

    # The same; 50 of 150, nothing empty around; nothing, and a third of 300 empty around.
    assert generalised_overlap(some, others).tolist() == pytest.approx([1, 1 / 3, -1 / 3], abs=1e-4)


def test_raw_distances_become_boxes_around_the_cells() -> None:
    box = torch.tensor([20.0, 20, 60, 70])

    found = boxes_of(answers_for(tuple(box.tolist()))[0, :, 2:], CENTRES, STRIDES)

    assert found[cell_at(40, 44, 8)].tolist() == pytest.approx(box.tolist(), abs=1e-2)
