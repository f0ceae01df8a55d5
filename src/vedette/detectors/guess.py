"""Guessing a model's card from its graph, as far as the graph tells."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

from vedette.detectors.card import (
    INPUT_SIDE_MAX,
    REQUIRED_KEYS,
    Colours,
    Family,
    LetterboxKind,
    ModelCard,
    Scaling,
    Scores,
    card_from_table,
    checked_table,
)
from vedette.detectors.coco import COCO_80, COCO_91
from vedette.detectors.session import ModelFacts, Tensor
from vedette.detectors.yolo import cell_count
from vedette.domain.errors import ModelUnreadable

# Grids of the YOLO families: three, or four where a model is made for large pictures.
STRIDES_KNOWN = ((8, 16, 32), (8, 16, 32, 64))
FLOATS = ("tensor(float)", "tensor(float16)")
METADATA_CHARACTERS_MAX = 1_000_000


def card_for(facts: ModelFacts, *, name: str, given: Mapping[str, Any], origin: str) -> ModelCard:
    """Give the card of a model: what is `given`, and for the rest what the graph tells.

    Args:
        facts: What the model file says of itself.
        name: Its name, unless `given` has one.
        given: Checked values of a card file, possibly only some.
        origin: Begins the message of an error.

    Raises:
        ModelUnreadable: it takes or gives other tensors than a detector, or the graph does not
            tell enough; the message names the keys to put in a card file.
        BadInput: what it tells cannot be.
    """
    picture = picture_input(facts, origin=origin)
    guessed = {"name": name, "input": picture.name} | _size(picture, facts) | _family(facts, given)
    table = guessed | dict(given)
    missing = [key for key in REQUIRED_KEYS if key not in table]
    if missing:
        gives = "; ".join(str(one) for one in facts.outputs)
        raise ModelUnreadable(
            f"{origin}: its graph (giving {gives}) does not tell {' and '.join(missing)}; write "
            f"{', '.join(missing)} into a card file and add it with --card FILE "
            f"(docs/reference/models.md)"
        )
    card = card_from_table(table, origin=origin)
    check_card_input(card, picture, origin=origin)
    return card


def picture_input(facts: ModelFacts, *, origin: str) -> Tensor:
    """Give the one input of a detector.

    Raises:
        ModelUnreadable: there are others, or it is no picture.
    """
    takes = "; ".join(str(one) for one in facts.inputs) or "nothing"
    if len(facts.inputs) != 1:
        raise ModelUnreadable(
            f"{origin}: takes {takes}; a detector takes one picture, float [1, 3, H, W]"
        )
    picture = facts.inputs[0]
    right = (
        picture.kind in FLOATS
        and len(picture.shape) == 4
        and picture.shape[0] in (1, None)
        and picture.shape[1] in (3, None)
        and all(side is None or 16 <= side <= INPUT_SIDE_MAX for side in picture.shape[2:])
    )
    if not right:
        raise ModelUnreadable(
            f"{origin}: takes {takes}; a detector takes one picture, float [1, 3, H, W] with "
            f"sides of 16 to {INPUT_SIDE_MAX}"
        )
    return picture


def check_card_input(card: ModelCard, picture: Tensor, *, origin: str) -> None:
    """Make sure that a card fits the model's input.

    Raises:
        ModelUnreadable: its name or size is another.
    """
    if card.input != picture.name:
        raise ModelUnreadable(
            f"{origin}: the card's input is '{card.input}', the model's is '{picture.name}'"
        )
    for key, said, real in (
        ("height", card.height, picture.shape[2]),
        ("width", card.width, picture.shape[3]),
    ):
        if real is not None and said != real:
            raise ModelUnreadable(f"{origin}: the card's {key} is {said}, the model's is {real}")
        if real is not None and card.dynamic:
            raise ModelUnreadable(
                f"{origin}: the card says dynamic, but the model's {key} is always {real}"
            )


def _size(picture: Tensor, facts: ModelFacts) -> dict[str, Any]:
    height, width = picture.shape[2:]
    if height is not None and width is not None:
        return {"height": height, "width": width}
    said = _literal(facts.metadata.get("imgsz"))
    table: dict[str, Any] = {"dynamic": height is None and width is None}
    if isinstance(said, list | tuple) and len(said) == 2:
        table |= {"height": said[0], "width": said[1]}
    # What the graph fixes counts more than what the metadata says.
    table |= {key: side for key, side in (("height", height), ("width", width)) if side is not None}
    return table


def _family(facts: ModelFacts, given: Mapping[str, Any]) -> dict[str, Any]:
    """Recognise the family by the outputs; nothing where they tell nothing."""
    shapes = [one.shape for one in facts.outputs]
    if not 1 <= len(shapes) <= 2 or any(len(shape) != 3 for shape in shapes):
        return {}
    names = _metadata_labels(facts)
    if len(shapes) == 2:
        return _detr_of_two(facts.outputs, names)
    size = _size(facts.inputs[0], facts) | dict(given)
    canvas = (size["height"], size["width"]) if "height" in size and "width" in size else None
    _, middle, last = shapes[0]
    if names and last == 4 + len(names) and _is_rtdetr(facts):
        return _detr(names, Scores.GIVEN)
    for strides in STRIDES_KNOWN:
        cells = cell_count(canvas, strides) if canvas else None
        if cells and middle == cells and last and last > 5:
            return _yolox(last - 5, strides, names)
        if cells and last == cells and middle and middle > 4:
            return _yolov8(middle - 4, strides, names)
    # With open sizes the number of classes must tell, if the file names them.
    return (
        _yolov8(len(names), STRIDES_KNOWN[0], names) if names and middle == 4 + len(names) else {}
    )


def _yolox(classes: int, strides: tuple[int, ...], names: tuple[str, ...]) -> dict[str, Any]:
    return {
        "family": Family.YOLOX,
        "strides": strides,
        "colours": Colours.BGR,
        "scaling": Scaling.BYTES,
        "letterbox": LetterboxKind.TOP_LEFT,
        **_labels(classes, names),
    }


def _yolov8(classes: int, strides: tuple[int, ...], names: tuple[str, ...]) -> dict[str, Any]:
    return {
        "family": Family.YOLOV8,
        "strides": strides,
        "colours": Colours.RGB,
        "scaling": Scaling.UNIT,
        "letterbox": LetterboxKind.CENTER,
        **_labels(classes, names),
    }


def _detr_of_two(outputs: tuple[Tensor, ...], names: tuple[str, ...]) -> dict[str, Any]:
    boxes = [one for one in outputs if one.shape[2] == 4]
    classes = [one for one in outputs if one.shape[2] != 4]
    if len(boxes) != 1 or boxes[0].shape[1] != classes[0].shape[1]:
        return {}
    entries = classes[0].shape[2]
    # The number of entries tells the kin: 80 RT-DETR and D-FINE; 91 those that keep COCO's ids;
    # 92 the first DETR, whose last entry means "no object".
    if entries == len(COCO_91) + 1:
        return _detr(names or COCO_91, Scores.SOFTMAX, scaling=Scaling.MEAN_STD)
    if entries == len(COCO_91):
        return _detr(names or COCO_91, Scores.SIGMOID, scaling=Scaling.MEAN_STD)
    if entries == len(COCO_80):
        return _detr(names or COCO_80, Scores.SIGMOID)
    return _detr(names, Scores.SIGMOID) if names and len(names) == entries else {}


def _detr(
    names: tuple[str, ...], scores: Scores, *, scaling: Scaling = Scaling.UNIT
) -> dict[str, Any]:
    return {
        "family": Family.DETR,
        "strides": (32,),
        "colours": Colours.RGB,
        "scaling": scaling,
        "letterbox": LetterboxKind.STRETCH,
        "scores": scores,
        "nms_iou": 1.0,  # Its queries settle among themselves who takes which object.
        "labels": names,
    }


def _labels(classes: int, names: tuple[str, ...]) -> dict[str, Any]:
    if len(names) == classes:
        return {"labels": names}
    return {"labels": COCO_80} if classes == len(COCO_80) else {}


def _is_rtdetr(facts: ModelFacts) -> bool:
    return "rtdetr" in facts.metadata.get("description", "").lower().replace("-", "")


def _metadata_labels(facts: ModelFacts) -> tuple[str, ...]:
    """Read `names`, written as a Python dictionary or list by common exporters."""
    said = _literal(facts.metadata.get("names"))
    if isinstance(said, dict) and sorted(map(str, said)) == sorted(map(str, range(len(said)))):
        said = [said.get(number, said.get(str(number))) for number in range(len(said))]
    if not isinstance(said, list | tuple) or not said:
        return ()
    if not all(isinstance(one, str) and one.strip() for one in said):
        return ()
    return tuple(checked_table({"labels": list(said)}, origin="names")["labels"])


def _literal(text: str | None) -> object:
    """Read a Python literal; never evaluates anything."""
    if text is None or len(text) > METADATA_CHARACTERS_MAX:
        return None
    try:
        value: object = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None
    return value
