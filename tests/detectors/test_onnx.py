"""The whole road of a model file: loading, letterbox, rewritten graph, decoding, suppression."""

from __future__ import annotations

import dataclasses
import logging
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from detectors.tiny import (
    SIZE,
    assert_finds_the_truth,
    guessed_card,
    people_frame,
    tiny_detector,
)
from pictures import ArrayFrame, grey_picture
from tiny_onnx import (
    build_constant_head,
    build_huge_input,
    build_other_inputs,
    build_person_detector,
    people_picture,
    write_no_onnx,
)
from vedette.detectors.card import Colours, Family, LetterboxKind, ModelCard, Scaling
from vedette.detectors.onnx import OnnxDetector
from vedette.domain.errors import BadInput, DetectorError, ModelUnreadable
from vedette.domain.frame import PixelFormat, Pixels

CELLS_64 = 8 * 8 + 4 * 4 + 2 * 2


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder that keeps the small detector and its rewritten graph."""
    return tmp_path_factory.mktemp("tiny")


def constant_card(**changes: object) -> ModelCard:
    card = ModelCard(
        name="constant", family=Family.YOLOX, input="images", height=64, width=64,
        labels=("person", "car", "dog"),
    )  # fmt: skip
    return dataclasses.replace(card, **changes)


@pytest.mark.parametrize("options", [{}, {"cache_dir": None}, {"rectangular": False}])
def test_people_and_vehicles_are_found_where_they_are(
    tiny_folder: Path, options: dict[str, object]
) -> None:
    detector = tiny_detector(tiny_folder, **options)

    (found,) = detector.detect([people_frame()])

    assert_finds_the_truth(found)


def test_an_upright_picture_is_looked_at_as_well(tiny_folder: Path) -> None:
    detector = tiny_detector(tiny_folder)
    picture = people_picture({(100, 300, 140, 410): "person"}, size=(640, 360))

    (found,) = detector.detect([ArrayFrame(picture)])

    assert found.xyxy[0] == pytest.approx([100, 300, 140, 410], abs=6)
    assert found.confidence[0] > 0.5


class WatchedFrame(ArrayFrame):
    """Tells which pixels it was asked for."""

    __slots__ = ("asked",)

    def __init__(self, picture: Pixels) -> None:
        super().__init__(picture)
        self.asked: list[tuple[int, int, PixelFormat]] = []

    def pixels(self, width: int, height: int, pixel_format: PixelFormat) -> Pixels:
        self.asked.append((width, height, pixel_format))
        return super().pixels(width, height, pixel_format)


def test_a_frame_is_asked_once_and_for_no_more_than_the_model_sees(tiny_folder: Path) -> None:
    frame = WatchedFrame(grey_picture(1920, 1080))

    tiny_detector(tiny_folder).detect([frame])

    assert frame.asked == [(416, 234, PixelFormat.BGR24)]


def test_the_rewritten_graph_is_given_the_frames_own_shape(tiny_folder: Path) -> None:
    kept = tiny_detector(tiny_folder)
    kept.detect([people_frame()])

    assert [path.suffix for path in (tiny_folder / "cache" / "graphs").iterdir()] == [".onnx"]
    letterbox = kept._fit(1920, 1080)
    assert (letterbox.canvas_height, letterbox.canvas_width) == (256, 416)


def test_many_threads_at_once_get_the_answers_one_would_get(tiny_folder: Path) -> None:
    detector = tiny_detector(tiny_folder)
    shapes = [(360, 640), (480, 640), (640, 360)]
    frames = [
        ArrayFrame(people_picture({(40 + 3 * n, 60, 75 + 3 * n, 160): "person"}, size=shape))
        for n, shape in enumerate(shapes * 4)
    ]
    alone = [detector.detect([frame])[0] for frame in frames]

    with ThreadPoolExecutor(6) as threads:
        together = list(threads.map(lambda frame: detector.detect([frame])[0], frames * 2))

    for one, other in zip(alone * 2, together, strict=True):
        assert len(one) > 0
        assert np.array_equal(one.xyxy, other.xyxy)
        assert np.array_equal(one.confidence, other.confidence)


def test_every_thread_fills_an_input_of_its_own(tiny_folder: Path) -> None:
    detector = tiny_detector(tiny_folder)
    letterbox = detector._fit(640, 360)
    pixels = people_frame().pixels(letterbox.width, letterbox.height, PixelFormat.BGR24)

    mine = detector._filled(pixels, letterbox)
    with ThreadPoolExecutor(1) as threads:
        others = threads.submit(detector._filled, pixels, letterbox).result()

    assert mine is detector._filled(pixels, letterbox)
    assert mine is not others


def test_a_frame_leaves_nothing_behind_for_the_next(tiny_folder: Path) -> None:
    detector = tiny_detector(tiny_folder)
    empty = ArrayFrame(people_picture({}, size=SIZE))
    (before,) = detector.detect([empty])

    detector.detect([people_frame()])
    (after,) = detector.detect([empty])

    assert len(before) == len(after) == 0


def test_only_wanted_classes_are_given(tiny_folder: Path) -> None:
    (found,) = tiny_detector(tiny_folder, classes=["vehicle"]).detect([people_frame()])

    assert set(found.class_id.tolist()) == {1}
    assert found.labels == ("person", "vehicle")


def test_a_class_the_model_does_not_know_is_refused_with_those_it_knows(tiny_folder: Path) -> None:
    with pytest.raises(BadInput, match="no class 'unicorn'; it knows person, vehicle"):
        tiny_detector(tiny_folder, classes=["person", "unicorn"])


def test_the_floor_says_how_weak_a_detection_may_be(tmp_path: Path) -> None:
    answer = np.zeros((1, CELLS_64, 8), np.float32)
    answer[0, :, 4] = np.linspace(0, 1, CELLS_64)
    answer[0, :, 5] = 1
    path = build_constant_head(tmp_path / "m.onnx", answer)
    frame = ArrayFrame(grey_picture(64, 64))

    counts = {
        floor: len(
            OnnxDetector(
                path, constant_card(nms_iou=1.0), cache_dir=None, confidence_floor=floor
            ).detect([frame])[0]
        )
        for floor in (0.01, 0.5)
    }

    assert counts == {0.01: CELLS_64 - 1, 0.5: CELLS_64 // 2}


@pytest.mark.parametrize(
    ("scaling", "expected"),
    [
        (Scaling.BYTES, [10, 20, 30]),
        (Scaling.UNIT, [10 / 255, 20 / 255, 30 / 255]),
        (Scaling.MEAN_STD, [(10 / 255 - 0.5) / 0.1, (20 / 255 - 0.4) / 0.2, (30 / 255) / 0.5]),
    ],
)
@pytest.mark.parametrize("colours", list(Colours))
def test_pixels_reach_the_model_as_its_card_says(
    tmp_path: Path, scaling: Scaling, expected: list[float], colours: Colours
) -> None:
    card = constant_card(
        scaling=scaling, colours=colours, mean=(0.5, 0.4, 0.0), std=(0.1, 0.2, 0.5), pad=0,
        letterbox=LetterboxKind.CENTER,
    )  # fmt: skip
    path = build_constant_head(tmp_path / "m.onnx", np.zeros((1, CELLS_64, 8), np.float32))
    detector = OnnxDetector(path, card, cache_dir=None)
    picture = np.zeros((32, 64, 3), np.uint8)
    picture[:] = [10, 20, 30] if colours is Colours.BGR else [30, 20, 10]
    letterbox = detector._fit(64, 32)

    frame = ArrayFrame(picture)
    tensor = detector._filled(frame.pixels(64, 32, detector._format), letterbox)

    assert (
        pytest.approx(np.tile(expected, (32 * 64, 1)), abs=1e-5)
        == tensor[0, :, 16:48].reshape(3, -1).T
    )
    nothing = {Scaling.MEAN_STD: [-5, -2, 0]}.get(scaling, [0, 0, 0])
    assert (
        pytest.approx(np.tile(nothing, (16 * 64, 1)), abs=1e-5)
        == tensor[0, :, :16].reshape(3, -1).T
    )


def test_a_yolov8_model_and_a_detr_model_take_the_same_road(tmp_path: Path) -> None:
    yolov8 = np.zeros((1, 7, CELLS_64), np.float32)
    yolov8[0, :, 9] = [32, 32, 16, 8, 0.1, 0.9, 0.0]
    detr = np.zeros((1, 20, 7), np.float32)
    detr[0, 4] = [0.5, 0.5, 0.25, 0.125, 0.1, 0.9, 0.0]
    frame = ArrayFrame(grey_picture(128, 64))

    for family, letterbox, answer, expected in (
        (Family.YOLOV8, LetterboxKind.CENTER, yolov8, [48, 24, 80, 40]),
        (Family.DETR, LetterboxKind.STRETCH, detr, [48, 28, 80, 36]),
    ):
        path = build_constant_head(tmp_path / f"{family}.onnx", answer)
        card = constant_card(family=family, letterbox=letterbox)
        (found,) = OnnxDetector(path, card, cache_dir=tmp_path / "cache").detect([frame])

        assert found.xyxy.tolist() == [expected]
        assert found.labels[found.class_id[0]] == "car"


def test_nan_is_told_at_the_first_frame_and_warned_of_at_the_start(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = build_constant_head(tmp_path / "m.onnx", np.full((1, CELLS_64, 8), np.nan, np.float32))
    with caplog.at_level(logging.WARNING):
        detector = OnnxDetector(path, constant_card(), cache_dir=tmp_path / "cache")

    with pytest.raises(DetectorError, match=r"'constant'.*not finite"):
        detector.detect([ArrayFrame(grey_picture(64, 64))])

    assert "empty picture" in caplog.text


@pytest.mark.parametrize("shape", [(1, CELLS_64, 85), (1, CELLS_64 + 1, 8), (CELLS_64, 8)])
def test_an_answer_of_another_shape_is_refused_at_the_start(
    tmp_path: Path, shape: tuple[int, ...]
) -> None:
    path = build_constant_head(tmp_path / "m.onnx", np.zeros(shape, np.float32))

    with pytest.raises(ModelUnreadable, match="correct its card"):
        OnnxDetector(path, constant_card(), cache_dir=tmp_path / "cache")


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (build_other_inputs, r"takes left \[4, 4\] float; right"),
        (build_huge_input, "sides of 16 to"),
        (write_no_onnx, "not an ONNX model"),
        (lambda path: path.write_bytes(b"") or path, "is empty"),
    ],
)
def test_files_that_are_no_detectors_are_refused_in_one_sentence(
    tmp_path: Path, build, words: str
) -> None:
    path = tmp_path / "odd.onnx"
    build(path)

    with pytest.raises(ModelUnreadable, match=words) as told:
        OnnxDetector(path, constant_card(), cache_dir=tmp_path / "cache")

    assert "odd.onnx" in str(told.value)
    assert "\n" not in str(told.value)


def test_a_truncated_model_is_refused(tmp_path: Path) -> None:
    whole = build_person_detector(tmp_path / "whole.onnx").read_bytes()
    (tmp_path / "half.onnx").write_bytes(whole[: len(whole) // 2])

    with pytest.raises(ModelUnreadable, match=r"half\.onnx"):
        OnnxDetector(tmp_path / "half.onnx", constant_card(), cache_dir=None)


@pytest.mark.parametrize(
    ("make", "words"),
    [(lambda _: None, "no such file"), (lambda p: p.mkdir(), "not a file")],
)
def test_a_missing_file_or_a_folder_is_refused(tmp_path: Path, make, words: str) -> None:
    make(tmp_path / "m.onnx")

    with pytest.raises(BadInput, match=words):
        OnnxDetector(tmp_path / "m.onnx", constant_card(), cache_dir=tmp_path / "cache")


def test_a_model_file_that_is_too_big_is_not_read(tmp_path: Path) -> None:
    path = build_person_detector(tmp_path / "m.onnx")

    with pytest.raises(BadInput, match="VEDETTE_MODEL_BYTES_MAX=1000"):
        OnnxDetector(path, guessed_card(path), cache_dir=tmp_path / "cache", bytes_max=1000)


def test_a_card_that_does_not_fit_the_model_is_refused(tmp_path: Path) -> None:
    path = build_person_detector(tmp_path / "m.onnx")
    card = guessed_card(path)

    for change, words in (
        ({"input": "x"}, "card's input is 'x'"),
        ({"height": 320}, "card's height is 320"),
        ({"dynamic": True}, "always 416"),
    ):
        with pytest.raises(ModelUnreadable, match=words):
            OnnxDetector(path, dataclasses.replace(card, **change), cache_dir=None)
