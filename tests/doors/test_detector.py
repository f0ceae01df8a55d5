"""The detectors' door: what every engine behind it keeps."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from detectors.tiny import guessed_card, tiny_detector
from pictures import ArrayFrame
from tiny_onnx import people_picture
from vedette.detectors.base import Detector
from vedette.detectors.motion import MotionDetector
from vedette.detectors.scripted import read_script
from vedette.detectors.tiles import TiledDetector
from vedette.domain.detection import Detections
from vedette.domain.tiles import Tiles

SIZE = (360, 640)
FRAMES = 40
LINE = (
    '{{"frame": {n}, "objects": [{{"label": "person", "confidence": 0.9, "x1": 1, "y1": 2, '
    '"x2": 40, "y2": 90}}, {{"label": "person", "confidence": 0.2, "x1": 5, "y1": 2, "x2": 9, '
    '"y2": 9}}]}}\n'
)


def scripted(folder: Path) -> Detector:
    path = folder / "script.jsonl"
    path.write_text("".join(LINE.format(n=n) for n in range(5, FRAMES)), encoding="utf-8")
    return read_script(path)


def tiled(folder: Path) -> Detector:
    detector = tiny_detector(folder)
    return TiledDetector(detector, guessed_card(folder / "tiny.onnx"), Tiles(2, 2))


ENGINES: dict[str, Callable[[Path], Detector]] = {
    "onnx": tiny_detector,
    "tiled": tiled,
    "motion": lambda _: MotionDetector(),
    "scripted": scripted,
}


@pytest.fixture(params=ENGINES)
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Detector]:
    return lambda: ENGINES[request.param](tmp_path)


def walk() -> list[ArrayFrame]:
    """Give a person walking across an empty street, after a second of nothing."""
    return [
        ArrayFrame(
            people_picture(
                {(8 * n - 40, 120, 8 * n - 6, 210): "person"} if n >= 10 else {},
                size=SIZE,
                seed=n,
            ),
            number=n,
        )
        for n in range(FRAMES)
    ]


def same(one: Detections, other: Detections) -> bool:
    return (
        np.array_equal(one.xyxy, other.xyxy)
        and np.array_equal(one.confidence, other.confidence)
        and np.array_equal(one.class_id, other.class_id)
        and one.labels == other.labels
    )


def test_it_finds_somebody_and_keeps_the_doors_promises(make) -> None:
    detector = make()

    answers = [answer for frame in walk() for answer in detector.detect([frame])]

    assert len(answers) == FRAMES
    assert sum(len(found) for found in answers) > 10
    assert 0 < detector.confidence <= 1
    for found in answers:
        assert found.labels == detector.labels
        assert found.xyxy.dtype == np.float32
        assert (found.xyxy >= 0).all()
        assert (found.xyxy <= [640, 360, 640, 360]).all()
        assert (found.xyxy[:, 2:] > found.xyxy[:, :2]).all()
        assert ((found.confidence > 0) & (found.confidence <= 1)).all()
        assert all(one >= other for one, other in pairwise(found.confidence))
        assert (found.class_id >= 0).all()
        assert (found.class_id < len(found.labels)).all()


def test_a_batch_is_answered_frame_by_frame_in_order(make) -> None:
    one_by_one, at_once = make(), make()
    frames = walk()

    alone = [answer for frame in frames for answer in one_by_one.detect([frame])]
    together = at_once.detect(frames)

    assert len(together) == len(frames)
    assert all(same(one, other) for one, other in zip(alone, together, strict=True))


def test_frames_are_left_as_they_were(make) -> None:
    detector, frames = make(), walk()
    before = [frame.picture.copy() for frame in frames]

    detector.detect(frames)

    assert all(
        np.array_equal(frame.picture, kept) for frame, kept in zip(frames, before, strict=True)
    )


def test_what_it_remembers_goes_on_in_a_fresh_one(make) -> None:
    first, frames = make(), walk()
    first.detect(frames[:20])
    state = first.export_state()
    fresh = make()
    fresh.load_state({name: array.copy() for name, array in state.items()})

    assert bool(state) == first.keeps_state
    for frame in frames[20:]:
        assert same(first.detect([frame])[0], fresh.detect([frame])[0])


def test_one_that_keeps_no_state_may_be_shared_by_threads(make) -> None:
    detector, frames = make(), walk()
    if detector.keeps_state:
        pytest.skip("belongs to one source")
    alone = [detector.detect([frame])[0] for frame in frames]

    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(lambda frame: detector.detect([frame])[0], frames))

    assert all(same(one, other) for one, other in zip(alone, together, strict=True))


def test_it_may_be_closed_twice(make) -> None:
    detector = make()

    detector.close()
    detector.close()
