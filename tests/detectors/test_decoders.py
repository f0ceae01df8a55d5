"""Raw tensors → boxes: worked by hand, and against plain loops on random tensors."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest

from vedette.detectors.card import Family, ModelCard, Scores
from vedette.detectors.detr import DetrDecoder
from vedette.detectors.letterbox import Letterbox
from vedette.detectors.nms import DETECTIONS_MAX, LOOP_MAX, RawBoxes, finished, suppressed
from vedette.detectors.yolo import Yolov8Decoder, YoloxDecoder
from vedette.domain.errors import DetectorError, ModelUnreadable

CANVAS = (64, 96)
CELLS = 8 * 12 + 4 * 6 + 2 * 3
LABELS = ("person", "car", "dog")
FLOOR = 0.1
Rows = list[tuple[list[float], float, int]]


def card(family: Family, scores: Scores = Scores.GIVEN) -> ModelCard:
    return ModelCard(
        name="m", family=family, input="x", height=64, width=96, labels=LABELS, scores=scores
    )


def rows_of(raw: RawBoxes) -> Rows:
    return sorted(
        (box, score, number)
        for box, score, number in zip(
            raw.xyxy.tolist(), raw.score.tolist(), raw.class_id.tolist(), strict=True
        )
    )


def assert_same(found: RawBoxes, expected: Rows) -> None:
    rows = rows_of(found)
    assert len(expected) > 10
    assert [row[2] for row in rows] == [row[2] for row in sorted(expected)]
    assert [row[1] for row in rows] == pytest.approx([row[1] for row in sorted(expected)], rel=1e-5)
    boxes = np.array([row[0] for row in rows])
    assert boxes == pytest.approx(np.array([row[0] for row in sorted(expected)]), abs=1e-3)


def test_one_yolox_cell_worked_by_hand() -> None:
    raw = np.zeros((1, CELLS, 8), np.float32)
    # Row 1, column 2 of the grid of stride 16, which begins after the 96 cells of stride 8.
    raw[0, 96 + 6 + 2] = [0.5, 0.25, math.log(2), math.log(3), 0.9, 0.1, 0.8, 0.2]

    found = YoloxDecoder(card(Family.YOLOX), floor=FLOOR)([raw], CANVAS)

    # Centre ((2 + 0.5) 16, (1 + 0.25) 16) = (40, 20), size (32, 48).
    assert found.xyxy[0].tolist() == pytest.approx([24, -4, 56, 44])
    assert found.score.tolist() == pytest.approx([0.72])
    assert found.class_id.tolist() == [1]


@pytest.mark.parametrize("seed", range(5))
def test_yolox_agrees_with_a_plain_loop(seed: int) -> None:
    rng = np.random.default_rng(seed)
    raw = rng.normal(0, 1, (1, CELLS, 8)).astype(np.float32)
    raw[..., 4:] = rng.random((1, CELLS, 4))
    expected: Rows = []
    number = 0
    for stride in (8, 16, 32):
        for row in range(CANVAS[0] // stride):
            for column in range(CANVAS[1] // stride):
                dx, dy, w, h, objectness, *classes = (float(v) for v in raw[0, number])
                score = objectness * max(classes)
                if score >= FLOOR:
                    x, y = (column + dx) * stride, (row + dy) * stride
                    w, h = math.exp(w) * stride, math.exp(h) * stride
                    box = [x - w / 2, y - h / 2, x + w / 2, y + h / 2]
                    expected.append((box, score, classes.index(max(classes))))
                number += 1

    assert_same(YoloxDecoder(card(Family.YOLOX), floor=FLOOR)([raw], CANVAS), expected)


@pytest.mark.parametrize("scores", [Scores.GIVEN, Scores.SIGMOID])
@pytest.mark.parametrize("seed", range(3))
def test_yolov8_agrees_with_a_plain_loop(seed: int, scores: Scores) -> None:
    rng = np.random.default_rng(seed)
    raw = np.concatenate([rng.random((4, CELLS)) * 60, rng.random((3, CELLS)) ** 6])[None]
    if scores is Scores.SIGMOID:
        raw[0, 4:] = 8 * raw[0, 4:] - 4
    raw = raw.astype(np.float32)
    expected: Rows = []
    for number in range(CELLS):
        x, y, w, h, *classes = (float(v) for v in raw[0, :, number])
        best = max(classes)
        score = 1 / (1 + math.exp(-best)) if scores is Scores.SIGMOID else best
        if score >= FLOOR:
            box = [x - w / 2, y - h / 2, x + w / 2, y + h / 2]
            expected.append((box, score, classes.index(best)))

    assert_same(Yolov8Decoder(card(Family.YOLOV8, scores), floor=FLOOR)([raw], CANVAS), expected)


@pytest.mark.parametrize("together", [False, True])
@pytest.mark.parametrize("scores", list(Scores))
def test_detr_agrees_with_a_plain_loop(scores: Scores, together: bool) -> None:
    rng = np.random.default_rng(11)
    entries = 4 if scores is Scores.SOFTMAX else 3
    boxes = rng.random((1, 50, 4)).astype(np.float32)
    classes = rng.normal(0, 3, (1, 50, entries)).astype(np.float32)
    if scores is Scores.GIVEN:
        classes = rng.random((1, 50, entries)).astype(np.float32)
    expected: Rows = []
    for (x, y, w, h), logits in zip(boxes[0].tolist(), classes[0].tolist(), strict=True):
        if scores is Scores.SOFTMAX:
            total = sum(math.exp(one) for one in logits)
            probabilities = [math.exp(one) / total for one in logits[:-1]]
        elif scores is Scores.SIGMOID:
            probabilities = [1 / (1 + math.exp(-one)) for one in logits]
        else:
            probabilities = logits
        score = max(probabilities)
        if score >= FLOOR:
            box = [(x - w / 2) * 96, (y - h / 2) * 64, (x + w / 2) * 96, (y + h / 2) * 64]
            expected.append((box, score, probabilities.index(score)))
    outputs = [np.concatenate([boxes, classes], axis=2)] if together else [classes, boxes]

    found = DetrDecoder(card(Family.DETR, scores), floor=FLOOR)(outputs, CANVAS)

    assert_same(found, expected)


@pytest.mark.parametrize(
    ("value", "place"),
    # Not minus infinity in sizes (a logarithm of nought) or in a class that is not the best.
    [*((value, place) for value in (np.nan, np.inf) for place in (0, 2, 4, 6)), (-np.inf, 0)],
)
def test_numbers_that_are_none_are_told_in_one_sentence(value: float, place: int) -> None:
    yolox = np.full((1, CELLS, 8), 0.9, np.float32)
    yolox[0, 5, place] = value
    queries = np.full((1, 7, 7), 0.9, np.float32)
    queries[0, 3, place] = value
    cases = [
        (YoloxDecoder(card(Family.YOLOX), floor=FLOOR), yolox),
        (Yolov8Decoder(card(Family.YOLOV8), floor=FLOOR), yolox[:, :, :7].transpose(0, 2, 1)),
        (DetrDecoder(card(Family.DETR), floor=FLOOR), queries),
    ]

    for decode, answer in cases:
        with pytest.raises(DetectorError, match="not finite") as told:
            decode([answer], CANVAS)
        assert not isinstance(told.value, ModelUnreadable)


def test_boxes_too_big_for_any_number_are_told() -> None:
    raw = np.full((1, CELLS, 8), 0.9, np.float32)
    raw[0, 0, 2] = 1000.0

    with pytest.raises(DetectorError, match="not finite"):
        YoloxDecoder(card(Family.YOLOX), floor=FLOOR)([raw], CANVAS)


def test_scores_that_are_logits_are_told_with_the_key_to_set() -> None:
    raw = np.full((1, 7, CELLS), 5.0, np.float32)

    with pytest.raises(DetectorError, match='scores = "sigmoid"'):
        Yolov8Decoder(card(Family.YOLOV8), floor=FLOOR)([raw], CANVAS)


@pytest.mark.parametrize(
    ("decoder", "shapes"),
    [
        (YoloxDecoder, [(1, CELLS, 85)]),
        (YoloxDecoder, [(1, 8, CELLS)]),
        (YoloxDecoder, [(1, CELLS, 8), (1, CELLS, 8)]),
        (Yolov8Decoder, [(1, 7, CELLS + 1)]),
        (DetrDecoder, [(1, 50, 3), (1, 49, 4)]),
        (DetrDecoder, [(50, 7)]),
        (DetrDecoder, []),
    ],
)
def test_tensors_of_another_shape_are_refused(
    decoder: type[YoloxDecoder | Yolov8Decoder | DetrDecoder], shapes: list[tuple[int, ...]]
) -> None:
    family = {YoloxDecoder: Family.YOLOX, Yolov8Decoder: Family.YOLOV8}.get(decoder, Family.DETR)

    with pytest.raises(ModelUnreadable, match="correct its card"):
        decoder(card(family), floor=FLOOR)([np.zeros(s, np.float32) for s in shapes], CANVAS)


def loop_nms(
    xyxy: npt.NDArray[np.float32], class_id: npt.NDArray[np.int32], iou: float
) -> list[int]:
    """Suppress as the definition says it, pair by pair."""
    kept: list[int] = []
    for number, (x1, y1, x2, y2) in enumerate(xyxy.astype(float)):
        for other in kept:
            a1, b1, a2, b2 = xyxy[other].astype(float)
            common = max(0, min(x2, a2) - max(x1, a1)) * max(0, min(y2, b2) - max(y1, b1))
            union = (x2 - x1) * (y2 - y1) + (a2 - a1) * (b2 - b1) - common
            if class_id[other] == class_id[number] and common > iou * union:
                break
        else:
            kept.append(number)
    return kept


@pytest.mark.parametrize("seed", range(5))
def test_suppression_agrees_with_its_definition(seed: int) -> None:
    rng = np.random.default_rng(seed)
    corner = rng.random((200, 2)) * 100
    xyxy = np.concatenate([corner, corner + 1 + rng.random((200, 2)) * 60], axis=1)
    xyxy = xyxy.astype(np.float32)
    class_id = rng.integers(0, 3, 200).astype(np.int32)

    found = suppressed(xyxy, class_id, iou_max=0.45)

    assert found.tolist() == loop_nms(xyxy, class_id, 0.45)
    assert 3 < len(found) < 200


def raw_boxes(count: int, seed: int, *, spread: float = 400) -> RawBoxes:
    rng = np.random.default_rng(seed)
    corner = rng.random((count, 2)) * spread
    size = 2 + rng.random((count, 2)) * 5
    return RawBoxes(
        np.concatenate([corner, corner + size], axis=1).astype(np.float32),
        np.round(rng.random(count), 2).astype(np.float32),  # Many are equal.
        rng.integers(0, 3, count).astype(np.int32),
    )


WIDE = Letterbox(832, 512, 416, 256, 0, 0, 416, 256)


@pytest.mark.parametrize("count", [40, 150])
def test_detections_do_not_depend_on_the_order_of_the_cells(count: int) -> None:
    raw = raw_boxes(count, 3)
    order = np.random.default_rng(4).permutation(count)

    one = finished(raw, WIDE, LABELS, nms_iou=0.45)
    other = finished(RawBoxes(*(part[order] for part in raw)), WIDE, LABELS, nms_iou=0.45)

    assert np.array_equal(one.xyxy, other.xyxy)
    assert np.array_equal(one.class_id, other.class_id)
    assert (np.diff(one.confidence) <= 0).all()


def test_few_boxes_are_finished_as_among_many() -> None:
    few, others = raw_boxes(LOOP_MAX, 3, spread=20), raw_boxes(LOOP_MAX, 4, spread=20)
    many = RawBoxes(
        np.concatenate([few.xyxy, others.xyxy + 100]),  # Touching none of the few.
        np.concatenate([few.score, others.score]),
        np.concatenate([few.class_id, others.class_id]),
    )

    found = finished(few, WIDE, LABELS, nms_iou=0.45)

    among_many = finished(many, WIDE, LABELS, nms_iou=0.45)
    ours = among_many.take(among_many.xyxy[:, 0] < 200)
    assert 10 < len(found) < LOOP_MAX
    assert len(among_many) > len(found)
    assert found.xyxy.tolist() == ours.xyxy.tolist()
    assert found.confidence.tolist() == ours.confidence.tolist()
    assert found.class_id.tolist() == ours.class_id.tolist()


def test_there_are_never_more_than_three_hundred_detections() -> None:
    found = finished(raw_boxes(2000, 5), WIDE, LABELS, nms_iou=1.0)

    assert len(found) == DETECTIONS_MAX


def test_a_box_in_the_padding_alone_is_dropped() -> None:
    letterbox = Letterbox(416, 234, 416, 256, 0, 0, 416, 234)
    raw = RawBoxes(
        np.array([[10, 240, 40, 250], [10, 200, 40, 250]], np.float32),
        np.array([0.9, 0.8], np.float32),
        np.zeros(2, np.int32),
    )

    found = finished(raw, letterbox, LABELS, nms_iou=0.45)

    assert found.xyxy.tolist() == [[10, 200, 40, 234]]
