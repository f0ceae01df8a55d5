"""The model card as a file."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.detectors.card import (
    CARD_BYTES_MAX,
    Family,
    LetterboxKind,
    ModelCard,
    Scaling,
    card_toml,
    read_card,
    read_card_table,
)
from vedette.domain.errors import BadInput

WHOLE = """
name = "shop"
family = "yolov8"
input = "images"
height = 640
width = 640
labels = ["person", "trolley"]
"""


def card_file(folder: Path, text: str) -> Path:
    path = folder / "shop.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_card_file_is_read_with_its_defaults(tmp_path: Path) -> None:
    card = read_card(card_file(tmp_path, WHOLE))

    assert card.family is Family.YOLOV8
    assert card.labels == ("person", "trolley")
    assert card.scaling is Scaling.UNIT
    assert card.letterbox is LetterboxKind.CENTER
    assert card.licence == "unknown"


@given(
    label=st.text(min_size=1, max_size=30).filter(lambda text: text.strip() != ""),
    confidence=st.floats(0, 1),
    mean=st.tuples(*[st.floats(-10, 10)] * 3),
    own=st.one_of(st.just(()), st.tuples(*[st.floats(0, 1)] * 2)),
)
def test_a_written_card_reads_the_same(
    tmp_path_factory: pytest.TempPathFactory,
    label: str,
    confidence: float,
    mean: tuple[float, ...],
    own: tuple[float, ...],
) -> None:
    card = ModelCard(
        name="shop", family=Family.DETR, input=label, height=32, width=64, labels=(label, "x"),
        dynamic=True, confidence=confidence, label_confidence=own, mean=mean, strides=(32,),
    )  # fmt: skip
    path = tmp_path_factory.mktemp("card") / "card.toml"

    path.write_text(card_toml(card), encoding="utf-8")

    assert read_card(path) == card


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ('family = "yolo"', "family"),
        ("height = 5", "height"),
        ("height = true", "height"),
        ("width = 100000", "width"),
        ("labels = []", "labels"),
        ('labels = ["a", 2]', "labels"),
        ('name = "../up"', "name"),
        ("confidence = 1.5", "confidence"),
        ("confidence = nan", "confidence"),
        ("label_confidence = 0.5", "label_confidence"),
        ("label_confidence = [0.5, 1.5]", "label_confidence"),
        ('label_confidence = [0.5, "low"]', "label_confidence"),
        ("std = [0, 1, 1]", "std"),
        ("strides = [8, 12]", "strides"),
        ('dynamic = "yes"', "dynamic"),
        ("pad = 256", "pad"),
        ("iou = 0.5", "iou"),
    ],
)
def test_a_wrong_key_is_named_with_the_file(tmp_path: Path, line: str, key: str) -> None:
    path = card_file(tmp_path, line)

    with pytest.raises(BadInput, match=f"'{key}'") as told:
        read_card_table(path)

    assert str(path) in str(told.value)


def test_every_label_has_a_threshold_of_its_own_or_none_has(tmp_path: Path) -> None:
    whole = read_card(card_file(tmp_path, WHOLE + "label_confidence = [0.42, 0.38]"))

    assert whole.label_confidence == (0.42, 0.38)
    assert read_card(card_file(tmp_path, WHOLE)).label_confidence == ()
    with pytest.raises(BadInput, match=r"'label_confidence' must have as many .* \(2\), not 1"):
        read_card(card_file(tmp_path, WHOLE + "label_confidence = [0.42]"))


def test_what_a_card_lacks_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="lacks name, input, height, width, labels"):
        read_card(card_file(tmp_path, 'family = "yolox"'))


@pytest.mark.parametrize("text", ["family yolox", "a" * (CARD_BYTES_MAX + 1)])
def test_what_is_no_card_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(BadInput, match=r"shop\.toml"):
        read_card(card_file(tmp_path, text))


def test_a_card_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="No such file"):
        read_card(tmp_path / "none.toml")
