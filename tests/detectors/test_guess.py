"""What a graph tells of its card, and what must be said by hand."""

from __future__ import annotations

from typing import Any

import pytest

from vedette.detectors.card import Colours, Family, LetterboxKind, Scaling, Scores
from vedette.detectors.coco import COCO_80, COCO_91
from vedette.detectors.guess import card_for
from vedette.detectors.session import ModelFacts, Tensor
from vedette.domain.errors import BadInput, ModelUnreadable

FLOAT = "tensor(float)"


def facts(
    *outputs: tuple[int | None, ...],
    size: tuple[int | None, int | None] = (416, 416),
    batch: int | None = 1,
    **metadata: str,
) -> ModelFacts:
    return ModelFacts(
        (Tensor("images", (batch, 3, *size), FLOAT),),
        tuple(Tensor(f"output{n}", shape, FLOAT) for n, shape in enumerate(outputs)),
        metadata,
    )


def guessed(model: ModelFacts, **given: Any):
    return card_for(model, name="m", given=given, origin="model m.onnx")


def test_the_published_yolox_is_recognised() -> None:
    card = guessed(facts((1, 3549, 85)))

    assert card.family is Family.YOLOX
    assert (card.colours, card.scaling) == (Colours.BGR, Scaling.BYTES)
    assert card.letterbox is LetterboxKind.TOP_LEFT
    assert card.labels == COCO_80
    assert (card.height, card.width, card.dynamic) == (416, 416, False)


def test_four_grids_are_recognised_by_the_number_of_cells() -> None:
    cells = 160 * 160 + 80 * 80 + 40 * 40 + 20 * 20

    card = guessed(facts((1, cells, 85), size=(1280, 1280)))

    assert card.strides == (8, 16, 32, 64)


def test_a_yolov8_export_is_recognised_with_its_own_labels() -> None:
    model = facts((1, 6, 8400), size=(640, 640), names="{0: 'cat', 1: 'dog'}", stride="32")

    card = guessed(model)

    assert card.family is Family.YOLOV8
    assert (card.colours, card.scaling) == (Colours.RGB, Scaling.UNIT)
    assert card.labels == ("cat", "dog")


def test_a_yolov8_export_of_any_size_takes_it_from_the_metadata() -> None:
    model = facts(
        (None, 6, None), size=(None, None), batch=None,
        names="{0: 'cat', 1: 'dog'}", imgsz="[480, 640]",
    )  # fmt: skip

    card = guessed(model)

    assert (card.height, card.width, card.dynamic) == (480, 640, True)
    assert card.family is Family.YOLOV8


@pytest.mark.parametrize(
    ("entries", "labels", "scores", "scaling"),
    [
        (80, COCO_80, Scores.SIGMOID, Scaling.UNIT),
        (91, COCO_91, Scores.SIGMOID, Scaling.MEAN_STD),
        (92, COCO_91, Scores.SOFTMAX, Scaling.MEAN_STD),
    ],
)
@pytest.mark.parametrize("turned", [False, True])
def test_the_kin_of_detr_are_told_apart_by_their_entries(
    entries: int, labels: tuple[str, ...], scores: Scores, scaling: Scaling, turned: bool
) -> None:
    outputs = [(1, 300, entries), (1, 300, 4)]

    card = guessed(facts(*(reversed(outputs) if turned else outputs), size=(640, 640)))

    assert card.family is Family.DETR
    assert (card.labels, card.scores, card.scaling) == (labels, scores, scaling)
    assert card.letterbox is LetterboxKind.STRETCH
    assert card.nms_iou == 1.0


def test_cocos_own_numbering_puts_a_toothbrush_at_ninety() -> None:
    assert len(COCO_80) == len(set(COCO_80)) == 80
    assert len(COCO_91) == len(set(COCO_91)) == 91
    assert [COCO_91[number] for number in (1, 3, 18, 90)] == ["person", "car", "dog", "toothbrush"]


@pytest.mark.parametrize(
    ("model", "keys"),
    [
        (facts((1, 3549, 12)), ["labels"]),
        (facts((1, 1234, 85)), ["labels", "family"]),
        (facts((1, 85, 22, 22)), ["labels", "family"]),
        (facts((1, 3549, 85), size=(None, None)), ["height", "width", "family"]),
        (facts((1, 300, 33), (1, 300, 4)), ["labels", "family"]),
    ],
)
def test_what_the_graph_does_not_tell_is_named_as_keys(model: ModelFacts, keys: list[str]) -> None:
    with pytest.raises(ModelUnreadable, match="--card FILE") as told:
        guessed(model)

    sentence = str(told.value)
    assert all(key in sentence for key in keys)
    assert "\n" not in sentence


def test_what_is_given_fills_what_is_missing_and_wins() -> None:
    card = guessed(facts((1, 3549, 7)), labels=("a", "b"), confidence=0.3, colours=Colours.RGB)

    assert card.family is Family.YOLOX
    assert card.labels == ("a", "b")
    assert (card.confidence, card.colours) == (0.3, Colours.RGB)


@pytest.mark.parametrize(
    "names",
    [
        "__import__('os').abort()",
        "{0: 'cat'",
        "[" * 5000,
        "{0: 'cat', 2: 'dog'}",
        "[1, 2]",
        "('',)",
    ],
)
def test_odd_metadata_is_never_run_and_counts_as_none(names: str) -> None:
    card = guessed(facts((1, 3549, 85), names=names))

    assert card.labels == COCO_80


def test_absurd_sizes_in_the_metadata_are_refused() -> None:
    model = facts((None, 6, None), size=(None, None), names="['cat', 'dog']", imgsz="[10**9, 640]")
    with pytest.raises(ModelUnreadable, match="height"):
        guessed(model)

    model.metadata["imgsz"] = "[1000000000, 640]"
    with pytest.raises(BadInput, match="'height' must be"):
        guessed(model)


@pytest.mark.parametrize(
    "picture",
    [
        Tensor("images", (1, 1, 416, 416), FLOAT),
        Tensor("images", (8, 3, 416, 416), FLOAT),
        Tensor("images", (1, 416, 416, 3), FLOAT),
        Tensor("images", (1, 3, 416, 416), "tensor(uint8)"),
        Tensor("images", (3, 416, 416), FLOAT),
        Tensor("images", (1, 3, 8, 8), FLOAT),
    ],
)
def test_what_takes_no_picture_is_refused(picture: Tensor) -> None:
    with pytest.raises(ModelUnreadable, match="takes images"):
        guessed(ModelFacts((picture,), (Tensor("o", (1, 3549, 85), FLOAT),)))
