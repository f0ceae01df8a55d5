"""The model card: what must be known of a model file besides its weights.

A card is a small TOML file beside the model. Every key stands in docs/reference/models.md. A card
can be given whole, in part (the rest is guessed from the graph, see `guess.py`), or not at all.
"""

from __future__ import annotations

import json
import math
import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from enum import StrEnum
from itertools import pairwise
from pathlib import Path
from typing import Any

from vedette.domain.errors import BadInput

CARD_FILE = "card.toml"
# A card is a page of text; more is another file given by mistake.
CARD_BYTES_MAX = 1_000_000
# Pixels along one side of a model's input; 4K pictures are looked at with less.
INPUT_SIDE_MAX = 4096
LABELS_MAX = 10_000


class Family(StrEnum):
    """How the raw tensors are to be read."""

    YOLOX = "yolox"
    """[1, A, 5 + classes]: offsets in cells, log sizes, objectness, class scores"""
    YOLOV8 = "yolov8"
    """[1, 4 + classes, A]: centre, size in input pixels, class scores"""
    DETR = "detr"
    """[1, Q, 4] centre, size in [0, 1] and [1, Q, classes]; or both in one tensor, boxes first"""


class Colours(StrEnum):
    """Order of the colour planes."""

    BGR = "bgr"
    RGB = "rgb"


class Scaling(StrEnum):
    """What becomes of the bytes 0 to 255."""

    BYTES = "0..255"
    """nothing: float of the byte"""
    UNIT = "0..1"
    """byte / 255"""
    MEAN_STD = "mean_std"
    """(byte / 255 - mean) / std, per colour in the model's order"""


class LetterboxKind(StrEnum):
    """How a picture is fitted into the input."""

    TOP_LEFT = "top_left"
    CENTER = "center"
    STRETCH = "stretch"
    """both sides to full length, the aspect ratio is lost"""


class Scores(StrEnum):
    """What the class numbers are."""

    GIVEN = "given"
    """scores in [0, 1] already"""
    SIGMOID = "sigmoid"
    """logits, each class for itself"""
    SOFTMAX = "softmax"
    """logits over the classes and one last entry that means "no object" """


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCard:
    """What must be known of a model to use it.

    Attributes:
        name: For people; also its folder on the shelf.
        family: How its raw tensors are to be read.
        input: Name of its input, float32 (1, 3, height, width).
        height: Pixels of the input. A model that takes many sizes: the box a picture is fitted in.
        width: Likewise.
        dynamic: True where the graph takes any size that is a multiple of the largest stride.
        strides: Pixels per cell of each grid, finest first.
        colours: Order of the colour planes.
        scaling: What becomes of the bytes.
        mean: Per colour, for `mean_std`.
        std: Likewise.
        letterbox: How a picture is fitted in.
        pad: Byte that fills the rest.
        scores: What the class numbers are.
        labels: Name of every class, in the model's order.
        confidence: From here on a detection counts, unless the user says otherwise.
        label_confidence: Likewise for each label, in the order of `labels`; empty where
            `confidence` holds for all of them.
        nms_iou: Of two boxes of one class that overlap more, the weaker goes; 1 keeps all.
        licence: Of the weights, as their maker states it.
        source: Where the weights come from.
    """

    name: str
    family: Family
    input: str
    height: int
    width: int
    labels: tuple[str, ...]
    dynamic: bool = False
    strides: tuple[int, ...] = (8, 16, 32)
    colours: Colours = Colours.RGB
    scaling: Scaling = Scaling.UNIT
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    std: tuple[float, ...] = (0.229, 0.224, 0.225)
    letterbox: LetterboxKind = LetterboxKind.CENTER
    pad: int = 114
    scores: Scores = Scores.GIVEN
    confidence: float = 0.5
    label_confidence: tuple[float, ...] = ()
    nms_iou: float = 0.45
    licence: str = "unknown"
    source: str = "unknown"


REQUIRED_KEYS = tuple(one.name for one in fields(ModelCard) if one.default is MISSING)


def read_card_table(path: Path) -> dict[str, Any]:
    """Read a card file, whole or partial, checking every key that is there.

    Raises:
        BadInput: it is no TOML, or a key or value cannot be; names the file and the key.
    """
    try:
        with path.open("rb") as file:
            text = file.read(CARD_BYTES_MAX + 1)
        if len(text) > CARD_BYTES_MAX:
            raise BadInput(f"model card {path}: more than {CARD_BYTES_MAX} bytes; not a card")
        table = tomllib.loads(text.decode("utf-8"))
    except OSError as error:
        raise BadInput(f"model card {path}: cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadInput(f"model card {path}: is not TOML: {error}") from error
    return checked_table(table, origin=f"model card {path}")


def checked_table(table: Mapping[str, Any], *, origin: str) -> dict[str, Any]:
    """Give the values of `table` in the card's own types.

    Raises:
        BadInput: a key is unknown or its value cannot be; begins with `origin`, names the key.
    """
    chosen: dict[str, Any] = {}
    for key, value in table.items():
        rule = _RULES.get(key)
        if rule is None:
            raise BadInput(
                f"{origin}: there is no key '{key}'; the keys are {', '.join(sorted(_RULES))}"
            )
        try:
            chosen[key] = rule(value)
        except (ValueError, TypeError) as error:
            raise BadInput(f"{origin}: '{key}' must be {error}, not {value!r}") from error
    return chosen


def card_from_table(table: Mapping[str, Any], *, origin: str) -> ModelCard:
    """Make the card of checked values.

    Raises:
        BadInput: a key without default is missing, or two do not fit together; names them.
    """
    missing = [key for key in REQUIRED_KEYS if key not in table]
    if missing:
        raise BadInput(f"{origin}: lacks {', '.join(missing)}; see docs/reference/models.md")
    card = ModelCard(**checked_table(table, origin=origin))
    if len(card.label_confidence) not in (0, len(card.labels)):
        raise BadInput(
            f"{origin}: 'label_confidence' must have as many numbers as 'labels' has names "
            f"({len(card.labels)}), not {len(card.label_confidence)}"
        )
    return card


def read_card(path: Path) -> ModelCard:
    """Read a whole card file.

    Raises:
        BadInput: it cannot be used; names the key.
    """
    return card_from_table(read_card_table(path), origin=f"model card {path}")


def card_toml(card: ModelCard) -> str:
    """Write a card so that `read_card` gives the same card."""
    return "".join(f"{one.name} = {_toml(getattr(card, one.name))}\n" for one in fields(card))


def _toml(value: Any) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(_toml(one) for one in value)}]"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        # TOML's basic strings escape as JSON's do, and want DEL escaped as well.
        return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")
    return repr(value)


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip() or len(value) > 1000:
        raise ValueError("some words")
    return value


def _name(value: Any) -> str:
    if not is_model_name(value):
        raise ValueError("a name of letters, digits, '.', '_' or '-', at most 80 of them")
    return str(value)


def is_model_name(value: object) -> bool:
    """Tell whether `value` can name a model, and so a folder."""
    return (
        isinstance(value, str)
        and 0 < len(value) <= 80
        and value[0].isalnum()
        and value.isascii()
        and all(sign.isalnum() or sign in "._-" for sign in value)
    )


def _whole(least: int, most: int) -> Any:
    def rule(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise ValueError(f"a whole number from {least} to {most}")
        return value

    return rule


def _number(value: Any, least: float, most: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"a number from {least:g} to {most:g}")
    if not math.isfinite(value) or not least <= value <= most:
        raise ValueError(f"a number from {least:g} to {most:g}")
    return float(value)


def _fraction(value: Any) -> float:
    return _number(value, 0, 1)


def _fractions(value: Any) -> tuple[float, ...]:
    if not isinstance(value, list | tuple) or len(value) > LABELS_MAX:
        raise ValueError("a list of numbers from 0 to 1, one per label")
    return tuple(_fraction(one) for one in value)


def _three(least: float, most: float) -> Any:
    def rule(value: Any) -> tuple[float, ...]:
        if not isinstance(value, list | tuple) or len(value) != 3:
            raise ValueError("three numbers, one per colour")
        return tuple(_number(one, least, most) for one in value)

    return rule


def _one_of(kind: type[StrEnum]) -> Any:
    def rule(value: Any) -> StrEnum:
        words = [word.value for word in kind]
        if value not in words:
            raise ValueError(f"one of {', '.join(words)}")
        return kind(value)

    return rule


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError("true or false")
    return value


def _labels(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not 0 < len(value) <= LABELS_MAX:
        raise ValueError("a list of class names, in the model's order")
    if not all(isinstance(one, str) and one.strip() for one in value):
        raise ValueError("a list of class names, in the model's order")
    return tuple(value)


def _strides(value: Any) -> tuple[int, ...]:
    if not isinstance(value, list | tuple) or not 0 < len(value) <= 8:
        raise ValueError("a list of pixels per cell, finest grid first")
    strides = tuple(_whole(1, 256)(one) for one in value)
    if any(later % earlier for earlier, later in pairwise(strides)):
        raise ValueError("a list of pixels per cell, each a multiple of the one before")
    return strides


_RULES: dict[str, Any] = {
    "name": _name,
    "family": _one_of(Family),
    "input": _text,
    "height": _whole(16, INPUT_SIDE_MAX),
    "width": _whole(16, INPUT_SIDE_MAX),
    "labels": _labels,
    "dynamic": _flag,
    "strides": _strides,
    "colours": _one_of(Colours),
    "scaling": _one_of(Scaling),
    "mean": _three(-10, 10),
    "std": _three(1e-6, 10),
    "letterbox": _one_of(LetterboxKind),
    "pad": _whole(0, 255),
    "scores": _one_of(Scores),
    "confidence": _fraction,
    "label_confidence": _fractions,
    "nms_iou": _fraction,
    "licence": _text,
    "source": _text,
}
