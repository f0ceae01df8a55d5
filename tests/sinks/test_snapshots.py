"""Snapshots: which moment, which name, which part of the picture."""

from __future__ import annotations

import contextlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from pictures import ArrayFrame, grey_picture
from scenes import one_object, scene_of, stream_facts
from vedette.domain.errors import SinkRefused
from vedette.domain.event import Event, EventType
from vedette.sinks.snapshots import SnapshotSink, snapshot_name

PICTURE = grey_picture(640, 360)


def opened(folder: Path, *, live: bool = False, tracks_max: int = 1000) -> SnapshotSink:
    sink = SnapshotSink(folder, tracks_max=tracks_max)
    sink.open(stream_facts(640, 360, live=live))
    return sink


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_each_track_gets_one_picture_of_its_best_moment(tmp_path: Path) -> None:
    sink = opened(tmp_path / "seen")

    for number, size in enumerate([40, 60, 160, 80]):
        sink.write(ArrayFrame(PICTURE, number=number), scene_of(one_object(200, 100, size=size)))
    sink.write(
        ArrayFrame(PICTURE, number=124), scene_of(one_object(300, 90, label="car", track_id=12))
    )
    sink.finish()

    assert names(tmp_path / "seen") == ["car-012-00012.4s.jpg", "person-001-00000.2s.jpg"]


def test_whole_object_is_better_than_a_bigger_one_cut_off_by_the_edge(tmp_path: Path) -> None:
    sink = opened(tmp_path / "seen")

    sink.write(ArrayFrame(PICTURE, number=0), scene_of(one_object(200, 100, size=100)))
    sink.write(ArrayFrame(PICTURE, number=1), scene_of(one_object(560, 100, size=200)))
    sink.finish()

    assert names(tmp_path / "seen") == ["person-001-00000.0s.jpg"]


def test_unconfirmed_objects_get_no_snapshot(tmp_path: Path) -> None:
    sink = opened(tmp_path / "seen")

    sink.write(ArrayFrame(PICTURE), scene_of(one_object(track_id=None)))
    sink.finish()

    assert names(tmp_path / "seen") == []


def test_snapshot_shows_the_object_with_ground_around_it(tmp_path: Path) -> None:
    picture = grey_picture(640, 360)
    picture[100:260, 200:280] = (40, 40, 220)
    sink = opened(tmp_path / "seen")

    sink.write(ArrayFrame(picture), scene_of(one_object(200, 100, size=160)))
    sink.finish()

    seen = cv2.imread(str(tmp_path / "seen" / "person-001-00000.0s.jpg")).astype(int)
    height, width = seen.shape[:2]
    assert max(height, width) == 320
    assert np.abs(seen[height // 2, width // 2] - (40, 40, 220)).max() < 16
    assert np.abs(seen[height // 2, 8] - 90).max() < 16


def test_live_snapshot_appears_when_its_track_ends(tmp_path: Path) -> None:
    sink = opened(tmp_path / "seen", live=True)
    ended = Event(0, EventType.TRACK_ENDED, 1, 0.1, 1, "person")

    sink.write(ArrayFrame(PICTURE, number=0), scene_of(one_object(), one_object(track_id=2)))
    before = (tmp_path / "seen").exists()
    sink.write(ArrayFrame(PICTURE, number=1), scene_of(events=(ended,)))
    after = names(tmp_path / "seen")
    sink.finish()

    assert not before
    assert after == ["person-001-00000.0s.jpg"]
    assert names(tmp_path / "seen") == ["person-001-00000.0s.jpg", "person-002-00000.0s.jpg"]


def test_number_of_snapshots_is_bounded(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    sink = opened(tmp_path / "seen", tracks_max=2)

    for track_id in range(1, 6):
        sink.write(ArrayFrame(PICTURE, number=track_id), scene_of(one_object(track_id=track_id)))
    sink.finish()

    assert len(names(tmp_path / "seen")) == 2
    assert len(caplog.records) == 1


def test_live_source_gets_a_snapshot_of_every_track_however_many(tmp_path: Path) -> None:
    sink = opened(tmp_path / "seen", live=True, tracks_max=2)
    seen = tmp_path / "seen"

    # The ends of these tracks are never told: their frames were dropped to stay live.
    for number, track_id in enumerate([1, 2, 1, 3]):
        sink.write(ArrayFrame(PICTURE, number=number), scene_of(one_object(track_id=track_id)))
    left_first = [path.name for path in seen.glob("*.jpg")]
    for track_id in range(4, 12):
        sink.write(ArrayFrame(PICTURE), scene_of(one_object(track_id=track_id)))
    held = len(sink._best)
    sink.finish()

    assert left_first == ["person-002-00000.1s.jpg"]
    assert held == 2
    assert len(names(seen)) == 11


def test_label_by_the_last_vote_names_the_file(tmp_path: Path) -> None:
    sink = opened(tmp_path / "seen")

    sink.write(ArrayFrame(PICTURE, number=0), scene_of(one_object(label="dog")))
    sink.write(ArrayFrame(PICTURE, number=1), scene_of(one_object(label="cat")))
    sink.finish()

    assert names(tmp_path / "seen") == ["cat-001-00000.0s.jpg"]


def test_folder_that_is_there_keeps_what_is_in_it(tmp_path: Path) -> None:
    (tmp_path / "seen").mkdir()
    (tmp_path / "seen" / "mine.txt").write_text("mine")
    sink = opened(tmp_path / "seen")

    sink.write(ArrayFrame(PICTURE), scene_of(one_object()))
    sink.finish()

    assert names(tmp_path / "seen") == ["mine.txt", "person-001-00000.0s.jpg"]


def test_folder_that_is_there_may_be_a_mount_point(tmp_path: Path) -> None:
    (tmp_path / "seen").mkdir()

    sink = opened(tmp_path / "seen")
    beside, inside = names(tmp_path), len(names(tmp_path / "seen"))
    sink.discard()

    # Nothing is renamed into it from outside, which would be another file system.
    assert (beside, inside) == (["seen"], 1)
    assert names(tmp_path / "seen") == []


def test_root_folder_is_taken_or_refused_like_any_other() -> None:
    sink = SnapshotSink(Path("/"))
    with contextlib.suppress(SinkRefused):
        sink.open(stream_facts())
    sink.discard()


def test_rest_of_a_killed_run_with_the_same_process_id_does_not_stand_in_the_way(
    tmp_path: Path,
) -> None:
    opened(tmp_path / "seen")  # Never finished.

    sink = opened(tmp_path / "seen")
    sink.write(ArrayFrame(PICTURE), scene_of(one_object()))
    sink.finish()

    assert names(tmp_path / "seen") == ["person-001-00000.0s.jpg"]


def test_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "seen").write_text("mine")

    with pytest.raises(SinkRefused, match="is a file"):
        opened(tmp_path / "seen")


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("person", "person-003-00012.4s.jpg"),
        ("traffic light", "traffic-light-003-00012.4s.jpg"),
        ("../../etc/passwd", "etc-passwd-003-00012.4s.jpg"),
        ("???", "object-003-00012.4s.jpg"),
    ],
)
def test_names_sort_and_are_safe(label: str, expected: str) -> None:
    assert expected == snapshot_name(label, 3, 12.4)
