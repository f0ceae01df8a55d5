"""A student that imitates: it is told what the teacher says where, and comes to say and see it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from parts import need_torch

need_torch()

import torch  # noqa: E402

from tiny_onnx import build_person_detector  # noqa: E402
from training.learner import new_training, street, yard  # noqa: E402
from training.tiny_yolox import BOX_STRIDES, FEATURES, build_tiny_yolox  # noqa: E402
from vedette.detectors.card import Colours  # noqa: E402
from vedette.domain.errors import BadInput, ModelUnreadable  # noqa: E402
from vedette.training.imitation import Example, Imitation, Seen, boxes_said  # noqa: E402
from vedette.training.network import STRIDES, cell_centres  # noqa: E402

SIDES = (64, 96)
CELLS = sum((SIDES[0] // stride) * (SIDES[1] // stride) for stride in STRIDES)


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Example:
    return Example(*build_tiny_yolox(tmp_path_factory.mktemp("teacher") / "tiny.onnx"))


def red_at(row: int, column: int) -> np.ndarray:
    """Give a grey picture with a red square of 16 pixels, by the cell of stride 16 it fills."""
    pictures = np.full((1, *SIDES, 3), 60, np.uint8)
    pictures[0, row * 16 : row * 16 + 16, column * 16 : column * 16 + 16] = (0, 0, 255)
    return pictures


def test_a_teacher_answers_per_cell_in_the_students_order(example: Example) -> None:
    seen = example.look(red_at(1, 4))
    centres, strides = cell_centres(*SIDES, torch.device("cpu"))

    assert seen.answers.shape == (1, CELLS, 85)
    sides = [(SIDES[0] // stride, SIDES[1] // stride) for stride in STRIDES]
    assert [one.shape for one in seen.features] == [(1, FEATURES, *side) for side in sides]
    sure = torch.from_numpy(seen.answers[0, :, 4] * seen.answers[0, :, 5])
    there = centres[(sure > 0.5) & (strides == 16)]
    assert there.tolist() == [[4 * 16 + 8, 16 + 8]]
    box = boxes_said(torch.from_numpy(seen.answers), centres, strides)[0]
    cell = int(((centres == torch.tensor([72.0, 24.0])).all(1) & (strides == 16)).nonzero())
    half = BOX_STRIDES * 16 / 2
    assert box[cell].tolist() == pytest.approx([72 - half, 24 - half, 96, 24 + half], abs=0.1)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"labels": ("person", *["other"] * 79)}, "people and vehicles"),
        ({"colours": Colours.RGB}, "no plain bytes"),
    ],
)
def test_what_cannot_be_imitated_is_refused(
    change: dict[str, object], words: str, tmp_path: Path
) -> None:
    path, card = build_tiny_yolox(tmp_path / "tiny.onnx")

    with pytest.raises(BadInput, match=words):
        Example(path, dataclasses.replace(card, **change))


def test_other_files_are_refused(tmp_path: Path) -> None:
    _, card = build_tiny_yolox(tmp_path / "tiny.onnx")
    (tmp_path / "text.onnx").write_text("no model")

    with pytest.raises(ModelUnreadable, match="YOLOX family"):
        Example(build_person_detector(tmp_path / "other.onnx"), card)
    with pytest.raises(ModelUnreadable, match="no ONNX file"):
        Example(tmp_path / "text.onnx", card)


def say_as(seen: Seen, centres: torch.Tensor, strides: torch.Tensor) -> torch.Tensor:
    """Give the answers of a student that says exactly what the teacher says."""
    said = torch.from_numpy(seen.answers)
    sure = said[..., 4:5] * said[..., 5:]
    wanted = torch.stack([sure[..., 0], sure[..., [2, 3, 5, 7]].amax(-1)], -1).clamp(1e-6, 1 - 1e-6)
    boxes = boxes_said(said, centres, strides)
    reach = torch.cat([centres - boxes[..., :2], boxes[..., 2:] - centres], -1) / strides[:, None]
    return torch.cat([torch.logit(wanted), torch.log(torch.expm1(reach))], -1)


def test_saying_the_same_costs_nothing_and_every_difference_does(example: Example) -> None:
    centres, strides = cell_centres(*SIDES, torch.device("cpu"))
    seen = example.look(red_at(1, 2))
    features = [torch.zeros(1, 4, SIDES[0] // stride, SIDES[1] // stride) for stride in STRIDES]
    imitation = Imitation(4, example).eval()
    same = say_as(seen, centres, strides)

    def loss(answers: torch.Tensor) -> float:
        with torch.no_grad():
            return float(imitation(answers, features, seen, centres, strides))

    felt = loss(same)
    other_class, other_box, missed = same.clone(), same.clone(), same.clone()
    other_class[..., [0, 1]] = other_class[..., [1, 0]]
    other_box[..., 2:] += 1.0
    missed[..., 0] = -6.0

    with torch.no_grad():
        features_alone = float(imitation._felt(features, seen.features, _any(seen)))
    assert felt == pytest.approx(features_alone, abs=1e-3)
    assert min(loss(one) for one in (other_class, other_box, missed)) > felt + 0.1


def _any(seen: Seen) -> torch.Tensor:
    return torch.from_numpy(seen.answers[..., 4:5] * seen.answers[..., 5:]).amax(-1)


def test_a_student_comes_to_see_and_say_what_its_teacher_does(example: Example) -> None:
    pictures = yard(6)
    for place in pictures.places:  # Not a word of what is there.
        place.boxes[:, 4] = 0
    training = new_training(
        example=example, samples=600, first_share=0.0, four_share=0.0, rate=0.004, busy=False
    )
    apart: list[float] = []

    def judge(_: object) -> None:
        shown = np.stack([pictures.picture(place)[:160, :320] for place in pictures.places])
        seen = example.look(shown)
        network, imitation = training.averaged, training.imitation
        assert imitation is not None
        with torch.no_grad():
            features = network.features(torch.from_numpy(shown).permute(0, 3, 1, 2).float())
            answers = network.answer(features)
            cells = cell_centres(160, 320, torch.device("cpu"))
            apart.append(float(imitation.eval()(answers, features, seen, *cells)))
        imitation.train()

    training.run(pictures, every=25, pause=judge)

    # Threads add in another order each time: about half of it, and all where nothing is learnt.
    assert apart[-1] < 0.85 * apart[0]


def test_an_imitating_training_goes_on_where_it_was(tmp_path: Path, example: Example) -> None:
    kept, pictures = tmp_path / "training.pt", street(3)
    whole = new_training(example=example, samples=24)
    whole.run(pictures, every=3, pause=lambda now: now.step == 3 and now.keep(kept))

    again = new_training(example=example, samples=24)
    again.go_on_from(kept)
    again.run(pictures, every=3, pause=lambda _: None)

    assert whole.step == again.step == 6
    assert whole.imitation is not None and again.imitation is not None
    for one, other in ((whole.network, again.network), (whole.imitation, again.imitation)):
        pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
        assert all(torch.equal(mine, theirs) for mine, theirs in pairs)


def test_a_training_that_did_not_imitate_cannot_go_on_imitating(
    tmp_path: Path, example: Example
) -> None:
    new_training().keep(tmp_path / "training.pt")

    with pytest.raises(BadInput, match="remove it to begin anew"):
        new_training(example=example).go_on_from(tmp_path / "training.pt")
