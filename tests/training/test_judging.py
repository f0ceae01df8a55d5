"""Average precision, uncertainty, calibration and reliability, by cases whose answer is known."""

from __future__ import annotations

import contextlib
import io
import math

import numpy as np
import pytest

from vedette.training.choosing import part
from vedette.training.judging import (
    Judged,
    Matches,
    calibration,
    calibration_error,
    matches_of,
    reliability,
)
from vedette.training.pictures import Labelled

NONE = np.empty((0, 6), np.float32)


def boxes(*rows: tuple[float, ...]) -> np.ndarray:
    return np.array(rows, np.float32).reshape(-1, 6)


def box_at(x: float, score: float = 1.0, kind: int = 0) -> tuple[float, ...]:
    return (x, 0, x + 10, 10, score, kind)


def matches(score: np.ndarray, right: np.ndarray) -> Matches:
    count = len(score)
    order = np.argsort(-score)
    return Matches(score[order], right[order], np.arange(count), np.ones(count, np.int64))


def test_average_precision_is_that_worked_out_by_hand() -> None:
    # Right, wrong, right: precision 1 up to recall 0.5 (51 of 101 places), then 2 of 3.
    judged = Judged(
        boxes(box_at(0, 0.9), box_at(200, 0.8), box_at(50, 0.7)), boxes(box_at(0), box_at(50)), NONE
    )

    assert matches_of([judged], 0).average_precision() == pytest.approx((51 + 50 * 2 / 3) / 101)


def test_an_object_found_twice_is_right_once() -> None:
    judged = Judged(boxes(box_at(0, 0.9), box_at(1, 0.8)), boxes(box_at(0)), NONE)

    assert matches_of([judged], 0).right.tolist() == [True, False]


def test_a_box_of_another_class_finds_nothing() -> None:
    judged = Judged(boxes(box_at(0, 0.9, kind=1)), boxes(box_at(0)), NONE)

    assert matches_of([judged], 0).average_precision() == 0.0
    assert math.isnan(matches_of([judged], 1).average_precision())


def test_what_is_found_in_a_doubtful_box_is_neither_right_nor_wrong() -> None:
    found, true = boxes(box_at(200, 0.9), box_at(0, 0.8)), boxes(box_at(0))
    doubted = Judged(found, true, boxes((195, 0, 230, 12, 0.2, 0)))
    of_another_class = Judged(found, true, boxes((195, 0, 230, 12, 0.2, 1)))

    assert matches_of([doubted], 0).average_precision() == 1.0
    assert matches_of([of_another_class], 0).average_precision() == pytest.approx(0.5)


def random_pictures(chance: np.random.Generator, count: int) -> list[Judged]:
    judged = []
    for _ in range(count):
        corner = chance.uniform(0, 200, (chance.integers(0, 6), 2))
        true = np.column_stack([corner, corner + chance.uniform(15, 60, corner.shape)])
        seen = true[chance.random(len(true)) < 0.8]
        seen = seen + chance.normal(0, 4, seen.shape)
        corner = chance.uniform(0, 200, (chance.integers(0, 4), 2))
        seen = np.concatenate([seen, np.column_stack([corner, corner + 30])])
        score = chance.random(len(seen))
        judged.append(
            Judged(
                np.column_stack([seen, score, np.zeros(len(seen))]).astype(np.float32),
                np.column_stack([true, np.ones(len(true)), np.zeros(len(true))]).astype(np.float32),
                NONE,
            )
        )
    return judged


def test_average_precision_agrees_with_pycocotools() -> None:
    coco = pytest.importorskip("pycocotools.coco")
    evaluation = pytest.importorskip("pycocotools.cocoeval")
    judged = random_pictures(np.random.default_rng(3), 40)
    truth = {"info": {}, "images": [], "annotations": [], "categories": [{"id": 1, "name": "x"}]}
    found = []
    for number, one in enumerate(judged, 1):
        truth["images"].append({"id": number, "width": 300, "height": 300})
        for x0, y0, x1, y1 in one.true[:, :4].tolist():
            side = {"bbox": [x0, y0, x1 - x0, y1 - y0], "area": (x1 - x0) * (y1 - y0)}
            truth["annotations"].append(
                {"id": len(truth["annotations"]) + 1, "image_id": number, "category_id": 1,
                 "iscrowd": 0, **side}
            )  # fmt: skip
        for x0, y0, x1, y1, score, _ in one.found.tolist():
            found.append(
                {"image_id": number, "category_id": 1, "score": score,
                 "bbox": [x0, y0, x1 - x0, y1 - y0]}
            )  # fmt: skip
    with contextlib.redirect_stdout(io.StringIO()):
        known = coco.COCO()
        known.dataset = truth
        known.createIndex()
        judge = evaluation.COCOeval(known, known.loadRes(found), "bbox")
        judge.evaluate()
        judge.accumulate()
        judge.summarize()

    assert matches_of(judged, 0).average_precision() == pytest.approx(judge.stats[1], abs=1e-6)


def test_calibration_undoes_a_known_distortion() -> None:
    chance = np.random.default_rng(0)
    truly = chance.uniform(0.02, 0.98, 20_000)
    right = chance.random(20_000) < truly
    logit = np.log(truly / (1 - truly))
    said = matches(1 / (1 + np.exp(-(2 * logit + 1))), right)

    gain, offset = calibration(said)

    assert gain == pytest.approx(0.5, abs=0.03)
    assert offset == pytest.approx(-0.5, abs=0.06)
    mended_logit = gain * np.log(said.score / (1 - said.score)) + offset
    mended = matches(1 / (1 + np.exp(-mended_logit)), said.right)
    assert calibration_error(reliability(said)) > 0.1
    assert calibration_error(reliability(mended)) < 0.02


def test_a_single_detection_changes_the_calibration_little() -> None:
    gain, offset = calibration(matches(np.array([0.6]), np.array([False])))

    assert 0.7 < gain < 1
    assert -0.5 < offset < 0


def test_reliability_rows_say_how_often_each_tenth_was_right() -> None:
    score = np.array([0.95, 0.92, 0.31, 0.35, 0.39, 1.0])
    right = np.array([True, True, True, False, False, False])

    low, high = reliability(matches(score, right))

    assert (low.least, low.most, low.count) == (pytest.approx(0.3), pytest.approx(0.4), 3)
    assert low.said == pytest.approx(0.35)
    assert low.was == pytest.approx(1 / 3)
    assert (high.count, high.was) == (3, pytest.approx(2 / 3))
    assert calibration_error([low, high]) == pytest.approx(
        (abs(0.35 - 1 / 3) + abs(2.87 / 3 - 2 / 3)) / 2
    )


def half_found(pictures: int) -> Matches:
    """Give matches of one object per picture, each second of them found, nothing wrong."""
    found = np.arange(0, pictures, 2)
    return Matches(
        np.full(len(found), 0.9), np.ones(len(found), np.bool_), found, np.ones(pictures, np.int64)
    )


def test_uncertainty_is_that_of_a_share_and_halves_with_four_times_the_pictures() -> None:
    few, many = half_found(100).uncertainty(), half_found(400).uncertainty()

    # The precision is 1 as far as recall goes, so it is the recall that varies.
    assert few == pytest.approx(math.sqrt(0.25 / 100), rel=0.2)
    assert many == pytest.approx(few / 2, rel=0.25)


def test_where_there_is_nothing_to_find_nothing_is_said_of_it() -> None:
    nothing = matches_of([], 0)

    assert math.isnan(nothing.average_precision())
    assert math.isnan(nothing.uncertainty())


def test_the_best_threshold_is_where_precision_and_recall_together_are_best() -> None:
    judged = Judged(
        boxes(box_at(0, 0.9), box_at(50, 0.6), box_at(200, 0.4)), boxes(box_at(0), box_at(50)), NONE
    )

    threshold, f1 = matches_of([judged], 0).best_threshold()

    assert threshold == pytest.approx(0.6)
    assert f1 == 1.0


def test_where_recall_counts_less_the_threshold_is_higher() -> None:
    # Of the weaker half every second one is wrong.
    found = boxes(*(box_at(50 * n, 0.9 - 0.01 * n) for n in range(20)))
    true = boxes(*(box_at(50 * n) for n in range(20) if n < 10 or n % 2))
    matches = matches_of([Judged(found, true, NONE)], 0)

    both, wary = (matches.best_threshold(weight)[0] for weight in (1.0, 0.2))

    assert both == pytest.approx(0.9 - 0.19)
    assert wary == pytest.approx(0.9 - 0.09)


def labelled(file: str) -> Labelled:
    return Labelled(file, 100, 100, boxes(box_at(0)))


def test_every_source_gives_a_run_of_neighbours_to_judge_by() -> None:
    chosen = [labelled(f"{source}_{n:03d}.jpg") for source in ("door", "gate") for n in range(80)]

    learn, held_out = part(chosen)

    assert len(learn) + len(held_out) == 160
    for source in ("door", "gate"):
        numbers = [int(one.file[5:8]) for one in held_out if one.source == source]
        assert numbers == list(range(min(numbers), max(numbers) + 1))
        assert 10 <= len(numbers) <= 30


def test_pictures_whose_names_tell_no_source_are_parted_too() -> None:
    learn, held_out = part([labelled(f"IMG{number:03d}.jpg") for number in range(100)])

    assert 10 <= len(held_out) <= 40
    assert len(learn) + len(held_out) == 100
