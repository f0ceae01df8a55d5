"""A teacher looks twice; what both looks saw is surer, and the boxes are merged as documented."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tiny_onnx import build_person_detector
from training.yard import true_boxes, write_yard, yard_picture
from vedette.domain.errors import BadInput
from vedette.settings import load_settings
from vedette.training.formats import read_coco
from vedette.training.labelling import COCO_FILE, taught_labels
from vedette.training.pictures import read_labels
from vedette.training.teacher import Teacher, merged, overlap
from vedette.wiring import make_teacher

NONE = np.empty((0, 6), np.float32)


def boxes(*rows: tuple[float, ...]) -> np.ndarray:
    return np.array(rows, np.float32)


def test_what_both_looks_saw_is_put_between_them_and_nearer_to_the_first() -> None:
    found = merged(boxes((0, 0, 10, 20, 0.8, 0)), boxes((2, 0, 12, 20, 0.6, 0)))

    # Weights 0.8 * 1.5 and 0.6; the score is the mean, or nine tenths of the first one's.
    assert found == pytest.approx(boxes((2 / 3, 0, 10 + 2 / 3, 20, 0.72, 0)), abs=1e-5)


def test_what_one_look_saw_is_worth_less() -> None:
    found = merged(boxes((0, 0, 10, 20, 0.8, 0)), boxes((50, 0, 60, 20, 0.8, 0)))

    assert found[:, 4] == pytest.approx([0.8 * 0.75, 0.8 * 0.65])


def test_classes_are_merged_each_for_itself() -> None:
    found = merged(boxes((0, 0, 10, 20, 0.8, 0)), boxes((0, 0, 10, 20, 0.8, 1)))

    assert sorted(found[:, 5]) == [0, 1]


def test_a_box_of_the_second_look_answers_for_one_of_the_first() -> None:
    first = boxes((0, 0, 10, 20, 0.9, 0), (3, 0, 13, 20, 0.7, 0))

    found = merged(first, boxes((1, 0, 11, 20, 0.8, 0)))

    # The stronger one takes it; the other was seen once.
    assert found[:, 4] == pytest.approx([0.85, 0.7 * 0.75])


def test_two_looks_at_nothing_find_nothing() -> None:
    assert merged(NONE, NONE).shape == (0, 6)


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Teacher]:
    folder = tmp_path_factory.mktemp("teacher")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VEDETTE_CACHE_DIR", str(folder / "cache"))
        yield make_teacher(str(build_person_detector(folder / "tiny.onnx")), load_settings())


def test_a_real_model_labels_what_is_there_in_pixels_of_the_picture(teacher: Teacher) -> None:
    found = teacher.labelled(Path("yard_0000.png"), yard_picture(0))

    assert (found.width, found.height) == (640, 360)
    sure = found.boxes[found.boxes[:, 4] > 0.5]
    true = true_boxes(0)
    same_class = sure[:, None, 5] == true[None, :, 5]
    assert len(sure) == len(true)
    assert (overlap(sure, true) * same_class).max(axis=0).min() > 0.7


def test_labels_are_kept_line_by_line_and_written_for_a_labelling_tool(
    tmp_path: Path, teacher: Teacher
) -> None:
    write_yard(tmp_path / "pictures", 3)
    kept = tmp_path / "out" / "labels-tiny.jsonl"
    whole = taught_labels(
        tmp_path / "pictures", teacher, keep_in=tmp_path / "out", say=lambda *_: None
    )
    # As a kill leaves it: two lines and half of the third; the first as nobody would label it.
    lines = kept.read_text().splitlines(keepends=True)
    lines[0] = '{"f": "yard_0000.png", "w": 640, "h": 360, "b": []}\n'
    kept.write_text(lines[0] + lines[1] + lines[2][:30])

    again = taught_labels(
        tmp_path / "pictures", teacher, keep_in=tmp_path / "out", say=lambda *_: None
    )

    assert [one.file for one in again] == [one.file for one in whole]
    assert len(again[0].boxes) == 0  # Not looked at again.
    assert np.array_equal(again[2].boxes, whole[2].boxes)
    assert len(read_labels(kept)) == 3
    tool = read_coco(tmp_path / "out" / COCO_FILE)
    assert [len(one.boxes) for one in tool] == [int((one.boxes[:, 4] > 0.3).sum()) for one in again]


def test_a_folder_without_pictures_is_refused(tmp_path: Path, teacher: Teacher) -> None:
    with pytest.raises(BadInput, match="no picture files there"):
        taught_labels(tmp_path, teacher, keep_in=tmp_path / "out", say=lambda *_: None)


def test_a_teacher_knows_whether_it_is_the_model_that_learns(
    tmp_path: Path, teacher: Teacher
) -> None:
    copy = tmp_path / "copy.onnx"
    copy.write_bytes(teacher.model.read_bytes())
    other = tmp_path / "other.onnx"
    other.write_bytes(b"other")

    assert teacher.is_model(copy)
    assert not teacher.is_model(other)
