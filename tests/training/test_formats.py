"""Labels that others write: read as they are meant, refused with a sentence where they are not."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from training.yard import SIZE, true_boxes, write_yard, write_yard_coco, yard_truth
from vedette.domain.errors import BadInput
from vedette.training.formats import coco_json, read_any_labels, read_coco
from vedette.training.labelling import given_labels
from vedette.training.pictures import Labelled, label_line


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    write_yard(tmp_path / "pictures", 3)
    return tmp_path / "pictures"


def names_in(pictures: Path) -> list[str]:
    return sorted(one.name for one in pictures.iterdir())


def write_yolo(folder: Path, pictures: Path, names: tuple[str, ...] = ()) -> Path:
    folder.mkdir()
    for number, name in enumerate(names_in(pictures)):
        lines = []
        for (x0, y0, x1, y1), label in yard_truth(number).items():
            kind = names.index(label) if names else ("person", "vehicle").index(label)
            shares = (x0 + x1) / 2 / SIZE[1], (y0 + y1) / 2 / SIZE[0]
            sides = (x1 - x0) / SIZE[1], (y1 - y0) / SIZE[0]
            lines.append(" ".join(map(str, (kind, *shares, *sides))))
        (folder / Path(name).with_suffix(".txt")).write_text("\n".join(lines) + "\n")
    if names:
        (folder / "classes.txt").write_text("\n".join(names) + "\n")
    return folder


def test_coco_labels_are_read_by_name_of_the_pictures(tmp_path: Path, pictures: Path) -> None:
    path = write_yard_coco(tmp_path / "labels.json", names_in(pictures))

    found = given_labels(path, pictures)

    assert [one.file for one in found] == names_in(pictures)
    assert all(np.array_equal(one.boxes, true_boxes(n)) for n, one in enumerate(found))


@pytest.mark.parametrize("names", [(), ("dog", "vehicle", "person")], ids=["plain", "named"])
def test_yolo_labels_are_read(tmp_path: Path, pictures: Path, names: tuple[str, ...]) -> None:
    found = given_labels(write_yolo(tmp_path / "yolo", pictures, names), pictures)

    assert [one.file for one in found] == names_in(pictures)
    for number, one in enumerate(found):
        assert one.boxes == pytest.approx(true_boxes(number), abs=0.01)


def test_crowds_and_other_things_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "labels.json"
    path.write_text(
        json.dumps(
            {
                "images": [{"id": 1, "file_name": "deep/a.jpg", "width": 100, "height": 50}],
                "categories": [{"id": 7, "name": "Person"}, {"id": 8, "name": "dog"}],
                "annotations": [
                    {"image_id": 1, "category_id": 7, "bbox": [1, 2, 30, 40], "iscrowd": 0},
                    {"image_id": 1, "category_id": 7, "bbox": [0, 0, 90, 40], "iscrowd": 1},
                    {"image_id": 1, "category_id": 8, "bbox": [0, 0, 9, 9]},
                ],
            }
        )
    )

    (found,) = read_coco(path)

    assert found.file == "a.jpg"
    assert found.boxes.tolist() == [[1, 2, 31, 42, 1, 0]]


def test_what_is_written_for_a_labelling_tool_comes_back_the_same(tmp_path: Path) -> None:
    sure = np.array([[1, 2, 31, 42, 0.8, 0], [5, 5, 60, 45, 0.4, 1]], np.float32)
    doubtful = np.array([[70, 5, 80, 30, 0.2, 0]], np.float32)
    written = [
        Labelled("a_1.jpg", 100, 50, np.concatenate([sure, doubtful])),
        Labelled("a_2.jpg", 100, 50, np.empty((0, 6), np.float32)),
    ]
    path = tmp_path / "labels.json"
    path.write_text(coco_json(written))

    found = read_any_labels(path, tmp_path)

    assert [(one.file, one.width, one.height) for one in found] == [
        ("a_1.jpg", 100, 50),
        ("a_2.jpg", 100, 50),
    ]
    # Whoever gives labels back is certain of them.
    assert found[0].boxes[:, [0, 1, 2, 3, 5]].tolist() == sure[:, [0, 1, 2, 3, 5]].tolist()
    assert found[0].boxes[:, 4].tolist() == [1, 1]
    assert len(found[1].boxes) == 0


def test_lines_of_ours_come_back_as_they_were_written(tmp_path: Path) -> None:
    one = Labelled("a_1.jpg", 100, 50, np.array([[1, 2, 31.5, 42, 0.25, 2]], np.float32))
    path = tmp_path / "labels.jsonl"
    path.write_text(label_line(one))

    (found,) = read_any_labels(path, tmp_path)

    assert (found.file, found.width, found.height) == (one.file, one.width, one.height)
    assert np.array_equal(found.boxes, one.boxes)


IMAGE = {"id": 1, "file_name": "a.jpg", "width": 100, "height": 50}
PERSON = {"id": 1, "name": "person"}
SOUND = {"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]}


def coco(**changes: object) -> str:
    return json.dumps({"images": [IMAGE], "categories": [PERSON], "annotations": [SOUND]} | changes)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{", "are no JSON"),
        ("[1, 2]", "are not COCO's, which has lists"),
        ("{}", "are not COCO's, which has lists"),
        (coco(annotations=3), "are not COCO's, which has lists"),
        (coco(images=[{"id": 1}]), "entry 0 of 'images' is not as COCO has it (no 'width')"),
        (coco(images=[IMAGE | {"width": 0}]), "entry 0 of 'images'"),
        (coco(categories=[{"id": 1}]), "entry 0 of 'categories'"),
        (coco(categories=[{"id": 1, "name": "dog"}]), "none of their categories"),
        (coco(annotations=[SOUND, SOUND | {"image_id": 9}]), "entry 1 of 'annotations'"),
        (coco(annotations=[SOUND | {"category_id": 9}]), "(no 9)"),
        (coco(annotations=[SOUND | {"bbox": [1, 2]}]), "entry 0 of 'annotations'"),
        (coco(annotations=[SOUND | {"bbox": "none"}]), "entry 0 of 'annotations'"),
        (coco(annotations=[SOUND | {"bbox": [1, 2, -3, 4]}]), "empty or outside"),
        (coco(annotations=[SOUND | {"bbox": [900, 2, 3, 4]}]), "empty or outside"),
        (coco(annotations=[SOUND | {"bbox": [float("nan"), 2, 3, 4]}]), "empty or outside"),
        (coco(annotations=["x"]), "entry 0 of 'annotations'"),
        ("\\ud800", "are no JSON"),
    ],
)
def test_damaged_coco_is_refused_with_the_place(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "labels.json"
    path.write_text(text)

    with pytest.raises(BadInput) as refused:
        read_coco(path)

    assert sentence in str(refused.value)
    assert str(path) in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("0 0.5 0.5", "line 1: must be: class x y width height"),
        ("person 0.5 0.5 0.1 0.1", "line 1: must be: class x y width height"),
        ("0 160 90 20 20", "line 1: must be: class x y width height"),
        ("0 0.5 0.5 0 0.1", "line 1: must be: class x y width height"),
        ("0 nan 0.5 0.1 0.1", "line 1: must be: class x y width height"),
        ("2 0.5 0.5 0.1 0.1", "line 1: class 2 has no name"),
    ],
)
def test_a_damaged_yolo_line_is_refused_with_its_number(
    tmp_path: Path, pictures: Path, line: str, sentence: str
) -> None:
    folder = write_yolo(tmp_path / "yolo", pictures)
    (folder / "yard_0001.txt").write_text(line + "\n")

    with pytest.raises(BadInput, match=r"yard_0001\.txt") as refused:
        given_labels(folder, pictures)

    assert sentence in str(refused.value)


def test_yolo_bytes_that_are_no_text_are_refused(tmp_path: Path, pictures: Path) -> None:
    folder = write_yolo(tmp_path / "yolo", pictures)
    (folder / "yard_0001.txt").write_bytes(b"\xff\xfe\x00")

    with pytest.raises(BadInput, match="are no text"):
        given_labels(folder, pictures)


def test_a_text_without_its_picture_is_refused(tmp_path: Path, pictures: Path) -> None:
    folder = write_yolo(tmp_path / "yolo", pictures)
    (pictures / "yard_0002.png").unlink()

    with pytest.raises(BadInput, match=r"yard_0002\.txt: no picture of that name"):
        given_labels(folder, pictures)


def test_labels_of_pictures_that_are_not_there_are_refused(tmp_path: Path, pictures: Path) -> None:
    path = write_yard_coco(tmp_path / "labels.json", [*names_in(pictures), "yard_0003.png"])

    with pytest.raises(BadInput, match=r"name 1 of 4 pictures that are not in .*yard_0003\.png"):
        given_labels(path, pictures)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("none.json", "cannot be read: No such file"),
        ("none.jsonl", "cannot be read: No such file"),
        ("labels.xml", "neither COCO's .json"),
        ("empty", "no .txt of YOLO's there"),
    ],
)
def test_what_holds_no_labels_is_refused(
    tmp_path: Path, pictures: Path, name: str, sentence: str
) -> None:
    (tmp_path / "empty").mkdir()

    with pytest.raises(BadInput) as refused:
        given_labels(tmp_path / name, pictures)

    assert sentence in str(refused.value)


def test_a_line_that_is_none_of_ours_is_named(tmp_path: Path) -> None:
    path = tmp_path / "labels.jsonl"
    path.write_text('{"f": "a.jpg", "w": 10, "h": 10, "b": []}\n{"f": 1}\n')

    with pytest.raises(BadInput, match=r"line 2: is not one of Vedette's labels"):
        read_any_labels(path, tmp_path)
