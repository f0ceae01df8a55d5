"""Tiles over the real ONNX road: small objects, objects on seams, and pixels."""

from __future__ import annotations

import dataclasses
import json
import logging
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest

from detectors.tiny import guessed_card, iou, tiny_detector
from parts import need
from pictures import ArrayFrame
from tiny_onnx import Box, people_picture
from vedette.detectors.base import Detector
from vedette.detectors.card import LetterboxKind, ModelCard
from vedette.detectors.motion import MotionDetector
from vedette.detectors.onnx import OnnxDetector
from vedette.detectors.tiles import TiledDetector, TileFrame, plan_tiles
from vedette.domain.detection import Detections, no_detections
from vedette.domain.errors import BadInput
from vedette.domain.frame import Frame, PixelFormat, Pixels
from vedette.domain.tiles import Tiles

SIZE = (720, 1280)
SURE = 0.5
# For the tiny detector, whose finest grid sees 22 pixels at least: 15 pixels high in one look.
SMALL = (20, 46)
# Wider than the overlap of tiles: cut at every seam it lies on.
LARGE = (260, 160)
# Larger than its coarsest grid sees in a tile: the look at the whole alone finds it.
HUGE = (460, 260)


@pytest.fixture
def card(tmp_path: Path) -> ModelCard:
    tiny_detector(tmp_path)
    return guessed_card(tmp_path / "tiny.onnx")


class TilesAlone(Detector):
    """A detector that finds nothing in whole pictures, as a model does with objects of odd size."""

    def __init__(self, detector: Detector) -> None:
        self.name, self.labels, self.confidence = (
            detector.name, detector.labels, detector.confidence,
        )  # fmt: skip
        self._detector = detector

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        return [
            self._detector.detect([frame])[0]
            if isinstance(frame, TileFrame)
            else no_detections(self.labels)
            for frame in frames
        ]


def tiled(folder: Path, tiles: Tiles) -> TiledDetector:
    detector = tiny_detector(folder)
    return TiledDetector(detector, guessed_card(folder / "tiny.onnx"), tiles)


def frame_with(boxes: dict[Box, str], seed: int = 0) -> ArrayFrame:
    return ArrayFrame(people_picture(boxes, size=SIZE, seed=seed))


def sure(found: Detections) -> list[tuple[float, ...]]:
    return [tuple(box) for box in found.take(found.confidence >= SURE).xyxy.tolist()]


def box_at(x: int, y: int, size: tuple[int, int]) -> Box:
    return (x, y, x + size[0], y + size[1])


def test_what_is_too_small_for_one_look_is_found_in_tiles(tmp_path: Path) -> None:
    detector, plain = tiled(tmp_path, Tiles(2, 2)), tiny_detector(tmp_path)
    truth = {box_at(x, y, SMALL): "person" for x in (90, 400, 900) for y in (60, 300, 560)}

    (found,), (missed,) = detector.detect([frame_with(truth)]), plain.detect([frame_with(truth)])

    assert sure(missed) == []
    assert len(sure(found)) == len(truth)
    for box in truth:
        assert max(iou(one, box) for one in sure(found)) > 0.8


@pytest.mark.parametrize("tiles", [Tiles(2, 2), Tiles(3, 2)], ids=str)
@pytest.mark.parametrize(
    "size", [SMALL, (60, 140), LARGE, HUGE], ids=["small", "tall", "large", "huge"]
)
def test_an_object_that_crosses_the_seams_is_one_object_everywhere(
    tmp_path: Path, tiles: Tiles, size: tuple[int, int]
) -> None:
    detector = tiled(tmp_path, tiles)
    label = "vehicle" if size[0] > size[1] else "person"

    counts = []
    for x in range(0, 1280 - size[0], 97):
        box = box_at(x, 7 * x % (720 - size[1]), size)
        (found,) = detector.detect([frame_with({box: label})])
        counts.append([round(iou(one, box), 1) >= 0.7 for one in sure(found)])

    assert counts == [[True]] * len(counts)


def test_a_large_object_that_the_whole_look_misses_is_put_together(
    tmp_path: Path, card: ModelCard
) -> None:
    detector = TiledDetector(TilesAlone(tiny_detector(tmp_path)), card, Tiles(2, 2))
    bus = (430, 150, 860, 240)
    tiling = plan_tiles(card, Tiles(2, 2), 1280, 720)

    (found,) = detector.detect([frame_with({bus: "vehicle"})])

    scale = 1280 / tiling.width
    edges = (tiling.corners[1][0] * scale, tiling.tile_width * scale)
    assert bus[0] < edges[0] < edges[1] < bus[2]
    assert len(sure(found)) == 1
    assert iou(sure(found)[0], bus) > 0.8


def test_boxes_stay_within_the_picture_and_scores_are_those_of_a_look(tmp_path: Path) -> None:
    detector, plain = tiled(tmp_path, Tiles(2, 2)), tiny_detector(tmp_path)
    truth = {(1180, 640, 1280, 720): "vehicle", (0, 0, 40, 110): "person"}
    frame = frame_with(truth)

    (found,) = detector.detect([frame])

    tiling = plan_tiles(guessed_card(tmp_path / "tiny.onnx"), Tiles(2, 2), 1280, 720)
    looks = [frame, *(TileFrame(frame, tiling, corner) for corner in tiling.corners)]
    scores = {float(one) for answer in plain.detect(looks) for one in answer.confidence}
    assert len(found) >= 2
    assert (found.xyxy >= 0).all()
    assert (found.xyxy <= [1280, 720, 1280, 720]).all()
    assert {float(one) for one in found.confidence} <= scores


def test_many_threads_get_the_same_bytes(tmp_path: Path) -> None:
    detector = tiled(tmp_path, Tiles(2, 2))
    truth = {box_at(x, 300, SMALL): "person" for x in range(20, 1200, 110)}
    frames = [frame_with(truth, seed=seed % 3) for seed in range(9)]
    alone = [detector.detect([frame])[0] for frame in frames[:3]]

    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(lambda frame: detector.detect([frame])[0], frames))

    for number, answer in enumerate(answers):
        expected = alone[number % 3]
        assert answer.xyxy.tobytes() == expected.xyxy.tobytes()
        assert answer.confidence.tobytes() == expected.confidence.tobytes()


@pytest.mark.parametrize("tiles", [Tiles(2, 2), Tiles(3, 2), Tiles(4, 4), Tiles(2, 3)], ids=str)
@pytest.mark.parametrize("size", [(1920, 1080), (3840, 2160), (1080, 1920), (2047, 1535)])
def test_tiles_cover_the_picture_overlap_and_fit_the_input(
    card: ModelCard, tiles: Tiles, size: tuple[int, int]
) -> None:
    plan = plan_tiles(card, tiles, *size)

    covered = np.zeros((plan.height, plan.width), np.int32)
    for left, top in plan.corners:
        covered[top : top + plan.tile_height, left : left + plan.tile_width] += 1
        assert 0 <= left <= plan.width - plan.tile_width
        assert 0 <= top <= plan.height - plan.tile_height
    assert len(plan.corners) == tiles.columns * tiles.rows
    assert (covered >= 1).all()
    assert plan.tile_width == card.width or plan.tile_height == card.height
    lefts = sorted({left for left, _ in plan.corners})
    tops = sorted({top for _, top in plan.corners})
    for starts, length in ((lefts, plan.tile_width), (tops, plan.tile_height)):
        for one, next_one in pairwise(starts):
            assert one + length - next_one >= 0.15 * length - 2  # As the guide says.
    assert plan.width / plan.height == pytest.approx(size[0] / size[1], rel=0.01)


def test_a_tile_is_asked_for_at_its_own_size_so_nothing_is_scaled_twice(
    tmp_path: Path, card: ModelCard
) -> None:
    frame = frame_with({box_at(600, 300, SMALL): "person"})
    tiling = plan_tiles(card, Tiles(2, 2), 1280, 720)
    asked: list[tuple[int, int]] = []

    class Watching(TileFrame):
        def pixels(self, width: int, height: int, pixel_format: PixelFormat):
            asked.append((width, height))
            return super().pixels(width, height, pixel_format)

    tiny_detector(tmp_path).detect([Watching(frame, tiling, corner) for corner in tiling.corners])

    assert asked == [(tiling.tile_width, tiling.tile_height)] * 4
    assert frame._made.keys() == {(tiling.width, tiling.height, PixelFormat.BGR24)}


def test_a_model_that_stretches_gets_tiles_of_its_own_shape(card: ModelCard) -> None:
    stretching = dataclasses.replace(card, letterbox=LetterboxKind.STRETCH)

    plan = plan_tiles(stretching, Tiles(2, 2), 1920, 1080)

    assert (plan.tile_width, plan.tile_height) == (416, 416)
    assert plan.width == plan.height


def test_a_tile_can_be_had_at_any_size(card: ModelCard) -> None:
    frame = frame_with({})
    tiling = plan_tiles(card, Tiles(2, 2), 1280, 720)

    tile = TileFrame(frame, tiling, tiling.corners[3])

    for size in ((100, 60), (600, 500)):
        pixels = tile.pixels(*size, PixelFormat.RGB24)
        assert pixels.shape == (size[1], size[0], 3)
        assert not pixels.flags.writeable


@pytest.mark.parametrize(
    ("tiles", "size", "what"),
    [
        (Tiles(1, 2), (1280, 720), r"no larger than in one look.*2x2"),
        (Tiles(2, 1), (600, 600), r"no larger than in one look.*2x2"),
        (Tiles(4, 4), (640, 360), r"enlarged 2.3 times.*use fewer"),
        (Tiles(2, 2), (320, 240), r"enlarged 2.4 times"),
    ],
)
def test_tiles_that_show_nothing_more_are_refused(
    tmp_path: Path, tiles: Tiles, size: tuple[int, int], what: str
) -> None:
    detector = tiled(tmp_path, tiles)

    with pytest.raises(BadInput, match=what):
        detector.detect([ArrayFrame(people_picture({}, size=(size[1], size[0])))])


def test_tiles_with_fewer_pixels_than_the_input_are_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    detector = tiled(tmp_path, Tiles(2, 2))
    small = ArrayFrame(people_picture({}, size=(360, 640)))

    with caplog.at_level(logging.WARNING):
        detector.detect([small])
        detector.detect([small])
        detector.detect([frame_with({})])

    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 1
    assert "pictures of 640x360 have fewer pixels than model 'tiny' takes" in told[0]
    assert told[0].endswith("enlarged 1.2 times")


def test_a_detector_that_remembers_takes_no_tiles(card: ModelCard) -> None:
    with pytest.raises(BadInput, match="motion detector looks at whole pictures only"):
        TiledDetector(MotionDetector(), card, Tiles(2, 2))


def test_the_cost_is_counted(tmp_path: Path) -> None:
    detector = tiled(tmp_path, Tiles(2, 2))
    assert detector.cost.time_share is None

    for seed in range(4):
        detector.detect([frame_with({}, seed)])

    assert detector.cost.tiles.looks == 5
    # Four of five looks; its input is of one size, whole or tile.
    assert detector.cost.time_share == pytest.approx(0.8, abs=0.15)


def test_yolox_finds_more_small_people_in_tiles_and_loses_no_large_ones(tmp_path: Path) -> None:
    data = Path(os.environ.get("VEDETTE_DATA", "/nowhere"))
    need("data", (data / "models").is_dir(), "VEDETTE_DATA names no folder of models and images")
    model = data / "models" / "yolox_nano.onnx"
    plain = OnnxDetector(
        model, guessed_card(model), cache_dir=tmp_path / "cache", classes=["person"]
    )
    detector = TiledDetector(plain, guessed_card(model), Tiles(2, 2))

    found = {"small": [0, 0], "large": [0, 0]}
    for picture, people in small_people(data):
        frame = ArrayFrame(picture)
        for place, one in enumerate((plain, detector)):
            (seen,) = one.detect([frame])
            boxes = seen.take(seen.confidence >= 0.3).xyxy.tolist()
            for person in people:
                height = (person[3] - person[1]) * 416 / max(picture.shape)
                size = "small" if height < 32 else "large"
                found[size][place] += any(iou(box, person) > 0.5 for box in boxes)

    assert found["small"][1] >= found["small"][0] + 3
    assert found["large"][1] >= found["large"][0]


def small_people(data: Path) -> list[tuple[Pixels, list[tuple[float, ...]]]]:
    """Give the labelled pictures with people under 32 pixels high at 416, and all their people."""
    truth = json.loads((data / "annotations" / "coco.json").read_text())
    person = next(one["id"] for one in truth["categories"] if one["name"] == "person")
    pictures = []
    for image in truth["images"]:
        people = []
        for one in truth["annotations"]:
            if (one["image_id"], one["category_id"]) == (image["id"], person):
                x, y, width, height = one["bbox"]
                people.append((x, y, x + width, y + height))
        longer = max(image["width"], image["height"])
        if any((y2 - y1) * 416 < 32 * longer for _, y1, _, y2 in people):
            picture = cv2.imread(str(data / "images" / "coco" / image["file_name"]))
            pictures.append((np.asarray(picture, np.uint8), people))
    return pictures
