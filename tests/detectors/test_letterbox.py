"""Fitting pictures into a model's input."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.detectors.card import Family, LetterboxKind, ModelCard
from vedette.detectors.letterbox import fit


def card(kind: LetterboxKind, *, dynamic: bool, height: int = 416, width: int = 416) -> ModelCard:
    return ModelCard(
        name="m", family=Family.YOLOX, input="x", height=height, width=width, labels=("a",),
        letterbox=kind, dynamic=dynamic,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("frame", "canvas", "picture"),
    [
        ((1920, 1080), (416, 256), (416, 234)),
        ((1080, 1920), (256, 416), (234, 416)),
        ((640, 480), (416, 352), (416, 312)),  # 320 would leave no margin of half a stride.
        ((500, 500), (416, 416), (416, 416)),
        ((4000, 40), (416, 32), (416, 4)),
    ],
)
def test_a_dynamic_model_is_given_the_padding_of_its_stride_and_a_margin(
    frame: tuple[int, int], canvas: tuple[int, int], picture: tuple[int, int]
) -> None:
    box = fit(card(LetterboxKind.TOP_LEFT, dynamic=True), *frame)

    assert (box.canvas_width, box.canvas_height) == canvas
    assert (box.width, box.height) == picture
    assert (box.left, box.top) == (0, 0)


def test_a_fixed_model_is_given_its_size_with_the_picture_in_the_middle() -> None:
    box = fit(card(LetterboxKind.CENTER, dynamic=False), 1920, 1080)

    assert (box.canvas_width, box.canvas_height) == (416, 416)
    assert (box.left, box.top, box.width, box.height) == (0, 91, 416, 234)


def test_a_stretched_picture_fills_the_input() -> None:
    box = fit(card(LetterboxKind.STRETCH, dynamic=True), 1920, 1080)

    assert (box.width, box.height, box.left, box.top) == (416, 416, 0, 0)


@given(
    kind=st.sampled_from(list(LetterboxKind)),
    dynamic=st.booleans(),
    frame=st.tuples(st.integers(1, 8000), st.integers(1, 8000)),
    corner=st.tuples(st.floats(0, 1), st.floats(0, 1)),
)
def test_a_box_of_the_input_comes_back_to_where_it_is_in_the_frame(
    kind: LetterboxKind, dynamic: bool, frame: tuple[int, int], corner: tuple[float, float]
) -> None:
    box = fit(card(kind, dynamic=dynamic), *frame)
    x = box.left + corner[0] * box.width
    y = box.top + corner[1] * box.height

    (found,) = box.to_source(np.array([[x, y, x, y]], np.float32))

    assert 0 < box.width <= box.canvas_width <= 416
    assert 0 < box.height <= box.canvas_height <= 416
    assert found[:2] == pytest.approx(
        [corner[0] * frame[0], corner[1] * frame[1]], abs=1e-3 + 2e-4 * max(frame)
    )


def test_boxes_are_clipped_to_the_frame() -> None:
    box = fit(card(LetterboxKind.CENTER, dynamic=False), 1920, 1080)

    (found,) = box.to_source(np.array([[-50, 10, 900, 410]], np.float32))

    assert found.tolist() == [0, 0, 1920, 1080]
