"""The same questions to every sink that writes to a place of its own."""

from __future__ import annotations

import resource
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from pictures import ArrayFrame, grey_picture
from scenes import one_object, scene_of, stream_facts
from vedette.domain.errors import SinkRefused
from vedette.domain.prediction import Origin
from vedette.domain.zone import Line, ScenePlan, Zone
from vedette.sinks.annotated import AnnotatedSink
from vedette.sinks.base import Sink
from vedette.sinks.fanout import Fanout
from vedette.sinks.snapshots import SnapshotSink
from vedette.sinks.text import prediction_sink

PLAN = ScenePlan(
    zones=(Zone("yard", ((0.1, 0.5), (0.6, 0.5), (0.6, 0.9), (0.1, 0.9))),),
    lines=(Line("gate", (0.7, 0.9), (0.7, 0.3)),),
)
ORIGIN = Origin("run", "door")


@dataclass(frozen=True)
class Kind:
    """A sink to be asked: how to make it, and what it is called in its folder."""

    name: str
    target: str
    make: Callable[[Path], Sink]


def _in_a_thread(sink: Sink) -> Sink:
    return Fanout([sink], queue_frames_max=2)


KINDS = (
    Kind("annotated", "out.mp4", lambda path: AnnotatedSink(path, PLAN)),
    Kind("annotated in a thread", "out.mp4", lambda path: _in_a_thread(AnnotatedSink(path, PLAN))),
    Kind("jsonl", "out.jsonl", lambda path: prediction_sink(path, ORIGIN)),
    Kind("csv", "out.csv", lambda path: prediction_sink(path, ORIGIN)),
    Kind("parquet", "out.parquet", lambda path: prediction_sink(path, ORIGIN)),
    Kind("snapshots", "out", SnapshotSink),
    Kind("snapshots in a thread", "out", lambda path: _in_a_thread(SnapshotSink(path))),
)
FILES = tuple(kind for kind in KINDS if not kind.name.startswith("snapshots"))


@pytest.fixture(params=KINDS, ids=lambda kind: kind.name)
def kind(request: pytest.FixtureRequest) -> Kind:
    return request.param


@pytest.fixture(params=FILES, ids=lambda kind: kind.name)
def file_kind(request: pytest.FixtureRequest) -> Kind:
    return request.param


def write_some(sink: Sink, count: int = 5, *, width: int = 320, height: int = 180) -> None:
    noise = np.random.default_rng(1)
    for number in range(count):
        picture = noise.integers(0, 255, (height, width, 3), dtype=np.uint8)
        sink.write(ArrayFrame(picture, number=number), scene_of(one_object(50 + number)))


def write_all_and_finish(sink: Sink) -> None:
    write_some(sink, 20)
    sink.finish()


@contextmanager
def files_no_bigger_than(size_bytes: int) -> Iterator[None]:
    """Let the system refuse what a full disk would; Python ignores the signal that comes along."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_output_appears_under_its_name_at_finish_and_not_before(kind: Kind, tmp_path: Path) -> None:
    target = tmp_path / kind.target
    sink = kind.make(target)

    sink.open(stream_facts())
    write_some(sink)
    before = target.exists()
    sink.finish()

    assert not before
    assert [kind.target] == [path.name for path in tmp_path.iterdir()]


def test_finish_without_a_frame_gives_an_output_all_the_same(kind: Kind, tmp_path: Path) -> None:
    sink = kind.make(tmp_path / kind.target)

    sink.open(stream_facts())
    sink.finish()

    assert [kind.target] == [path.name for path in tmp_path.iterdir()]


def test_discard_leaves_nothing(kind: Kind, tmp_path: Path) -> None:
    sink = kind.make(tmp_path / kind.target)

    sink.open(stream_facts())
    write_some(sink)
    sink.discard()

    assert list(tmp_path.iterdir()) == []


def test_discard_is_harmless_before_open_and_after_the_end(kind: Kind, tmp_path: Path) -> None:
    sink = kind.make(tmp_path / kind.target)

    sink.discard()
    sink.open(stream_facts())
    write_some(sink)
    sink.finish()
    sink.discard()
    sink.discard()

    assert [kind.target] == [path.name for path in tmp_path.iterdir()]


def test_what_was_there_stays_untouched_until_finish(file_kind: Kind, tmp_path: Path) -> None:
    target = tmp_path / file_kind.target
    target.write_bytes(b"of last week")
    sink = file_kind.make(target)

    sink.open(stream_facts())
    write_some(sink)
    before = target.read_bytes()
    sink.finish()

    assert before == b"of last week"
    assert b"of last week" not in target.read_bytes()


def test_what_was_there_survives_a_discard(file_kind: Kind, tmp_path: Path) -> None:
    target = tmp_path / file_kind.target
    target.write_bytes(b"of last week")
    sink = file_kind.make(target)

    sink.open(stream_facts())
    write_some(sink)
    sink.discard()

    assert target.read_bytes() == b"of last week"


def test_missing_folder_is_refused_at_open_and_not_made(kind: Kind, tmp_path: Path) -> None:
    sink = kind.make(tmp_path / "missing" / kind.target)

    with pytest.raises(SinkRefused, match=r"there is no folder .*missing"):
        sink.open(stream_facts())
    sink.discard()

    assert list(tmp_path.iterdir()) == []


def test_place_that_cannot_be_written_is_refused_at_open(kind: Kind) -> None:
    # Nobody can make files there, not even the superuser.
    sink = kind.make(Path("/proc") / kind.target)

    with pytest.raises(SinkRefused, match="/proc/out"):
        sink.open(stream_facts())
    sink.discard()


def test_folder_in_place_of_the_file_is_refused(file_kind: Kind, tmp_path: Path) -> None:
    (tmp_path / file_kind.target).mkdir()

    with pytest.raises(SinkRefused, match="is a folder"):
        file_kind.make(tmp_path / file_kind.target).open(stream_facts())


@pytest.mark.parametrize("live", [False, True], ids=["finite", "live"])
@pytest.mark.parametrize("written", [0, 2])
def test_second_run_to_the_same_target_is_refused(
    file_kind: Kind, tmp_path: Path, live: bool, written: int
) -> None:
    first = file_kind.make(tmp_path / file_kind.target)
    first.open(stream_facts(live=live))
    # With its first row a live line format takes its name.
    write_some(first, written)

    with pytest.raises(SinkRefused, match="another run"):
        file_kind.make(tmp_path / file_kind.target).open(stream_facts(live=live))
    write_some(first)
    first.finish()

    assert [file_kind.target] == [path.name for path in tmp_path.iterdir()]


@pytest.mark.parametrize("live", [False, True], ids=["finite", "live"])
def test_next_run_to_the_same_target_replaces_it(
    file_kind: Kind, tmp_path: Path, live: bool
) -> None:
    for _ in range(2):
        sink = file_kind.make(tmp_path / file_kind.target)
        sink.open(stream_facts(live=live))
        write_some(sink)
        sink.finish()

    assert [file_kind.target] == [path.name for path in tmp_path.iterdir()]


def test_rest_of_a_killed_run_does_not_stand_in_the_way(file_kind: Kind, tmp_path: Path) -> None:
    (tmp_path / f".{file_kind.target}.part").write_bytes(b"x" * 1_000_000)
    sink = file_kind.make(tmp_path / file_kind.target)

    sink.open(stream_facts())
    write_some(sink, 2)
    sink.finish()

    assert (tmp_path / file_kind.target).stat().st_size < 500_000
    assert [file_kind.target] == [path.name for path in tmp_path.iterdir()]


@pytest.mark.parametrize("live", [False, True], ids=["finite", "live"])
def test_full_disk_is_one_sentence_and_leaves_nothing_half_written(
    kind: Kind, tmp_path: Path, live: bool
) -> None:
    sink = kind.make(tmp_path / kind.target)
    sink.open(stream_facts(live=live))

    refused = r"out[^:]*: cannot be written: [a-z].*[^.]$"
    with files_no_bigger_than(700), pytest.raises(SinkRefused, match=refused):
        write_all_and_finish(sink)
    sink.discard()

    # A live line format has grown by whole lines, which stay.
    left = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert (live and kind.name in ("jsonl", "csv")) == bool(left)
    assert all(path.read_bytes().endswith(b"\n") for path in left)


def test_odd_and_tiny_pictures_are_taken(kind: Kind, tmp_path: Path) -> None:
    for number, (width, height) in enumerate([(641, 361), (33, 7), (1, 1)]):
        folder = tmp_path / str(number)
        folder.mkdir()
        sink = kind.make(folder / kind.target)

        sink.open(stream_facts(width, height))
        write_some(sink, 2, width=width, height=height)
        sink.finish()

        assert [kind.target] == [path.name for path in folder.iterdir()]


def test_frames_whose_size_changes_midway_are_taken(kind: Kind, tmp_path: Path) -> None:
    sink = kind.make(tmp_path / kind.target)

    sink.open(stream_facts(320, 180))
    write_some(sink, 2)
    sink.write(ArrayFrame(grey_picture(640, 480), number=2), scene_of(one_object()))
    sink.finish()

    assert [kind.target] == [path.name for path in tmp_path.iterdir()]


def test_boxes_far_outside_the_picture_do_no_harm(kind: Kind, tmp_path: Path) -> None:
    sink = kind.make(tmp_path / kind.target)
    far = [
        one_object(-1e9, -1e9, size=3e9),
        one_object(5000, 5000, track_id=2),
        one_object(-500, 20, track_id=3),
        one_object(10, 10, size=0, track_id=4),
    ]

    sink.open(stream_facts())
    sink.write(ArrayFrame(grey_picture(320, 180)), scene_of(*far))
    sink.finish()

    assert (tmp_path / kind.target).exists()


def test_no_thread_is_left_over(kind: Kind, tmp_path: Path) -> None:
    before = threading.active_count()

    for ending in ("finish", "discard"):
        sink = kind.make(tmp_path / kind.target)
        sink.open(stream_facts())
        write_some(sink, 2)
        getattr(sink, ending)()

    assert before == threading.active_count()


def test_pixels_of_a_frame_are_not_drawn_upon(kind: Kind, tmp_path: Path) -> None:
    frame = ArrayFrame(grey_picture(320, 180))
    sink = kind.make(tmp_path / kind.target)

    sink.open(stream_facts())
    sink.write(frame, scene_of(one_object()))
    sink.finish()

    assert (frame.picture == 90).all()
