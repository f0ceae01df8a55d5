"""Rows are read in frame order wherever they lie, and exported in one form."""

from __future__ import annotations

import threading
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from any_rows import any_row
from kept_rows import KeptRun, lines, open_blobs, open_store, row
from pictures import ArrayFrame, grey_picture
from scenes import one_object, scene_of, stream_facts
from vedette.blobs.base import Blobs
from vedette.blobs.files import FileBlobs
from vedette.domain.errors import BlobsUnavailable, NotFound
from vedette.domain.prediction import Origin, prediction_row
from vedette.results import settled
from vedette.results.forms import FileFormat
from vedette.results.reading import export, page, rows
from vedette.results.retention import Retention
from vedette.results.settling import Settler, SettlingOptions
from vedette.sinks.text import prediction_sink
from vedette.store.base import Store

FORMATS: tuple[FileFormat, ...] = ("jsonl", "csv", "parquet")
ALL_AT_ONCE = SettlingOptions(age_s=0)


class NoPaths(FileBlobs):
    """Blobs that no file of this machine holds, as in an object store."""

    def local_path(self, key: str) -> Path | None:  # noqa: ARG002
        return None


def exported(run: KeptRun, file_format: FileFormat, **span: Any) -> bytes:
    pieces = export(
        run.store, run.blobs, run.scenario_id, run.number, file_format=file_format, **span
    )
    return b"".join(pieces)


@pytest.fixture
def half_settled(run: KeptRun, store: Store, blobs: Blobs) -> KeptRun:
    """Frames 0, 2, 4 … 118: two settled parts, then fresh ones."""
    settler = Settler(store, blobs, options=ALL_AT_ONCE)
    for begin in range(0, 120, 40):
        for frame in range(begin, begin + 40, 8):
            run.commit([row(number) for number in range(frame, frame + 8, 2)])
        if begin < 80:
            settler.run_once()
    return run


def test_pages_join_to_all_rows(half_settled: KeptRun, store: Store, blobs: Blobs) -> None:
    got: list[dict[str, Any]] = []
    after = None
    while more := page(store, blobs, half_settled.scenario_id, 1, after_frame=after, limit=7):
        got += more
        after = more[-1]["frame"]

    assert len(got) == 60
    assert lines(half_settled.rows()) == lines(got)


@pytest.mark.parametrize(
    ("span", "frames"),
    [
        ({}, range(0, 120, 2)),
        ({"after_frame": 0}, range(2, 120, 2)),
        ({"after_frame": 38}, range(40, 120, 2)),
        ({"after_frame": 39, "from_frame": 3, "to_frame": 41}, range(40, 42, 2)),
        ({"from_frame": 31, "to_frame": 90}, range(32, 92, 2)),
        ({"from_frame": 39, "to_frame": 39}, range(0)),
        ({"from_frame": 118}, range(118, 119)),
        ({"from_frame": 119}, range(0)),
        ({"to_frame": 0}, range(1)),
        ({"from_s": 5.0}, range(40, 120, 2)),
        ({"from_s": 1.25, "to_s": 5.25}, range(10, 44, 2)),
        ({"from_s": 100.0}, range(0)),
        ({"from_frame": 50, "to_s": 7.5}, range(50, 62, 2)),
    ],
)
def test_ranges_give_the_rows_within_both_ends(
    half_settled: KeptRun, span: dict[str, float], frames: range
) -> None:
    assert list(frames) == [one["frame"] for one in half_settled.rows(**span)]


def test_time_that_went_back_in_a_live_stream_hides_no_row(
    run: KeptRun, store: Store, blobs: Blobs
) -> None:
    times_s = [10.0, 11.0, 2.0, 3.0, 12.0, 1.0]
    made = [row(frame, pts_s=pts_s) for frame, pts_s in enumerate(times_s)]
    run.commit(made[:3])
    run.commit(made[3:])

    fresh = run.rows(from_s=2.0, to_s=3.0)
    Settler(store, blobs, options=ALL_AT_ONCE).run_once()

    assert [one["frame"] for one in fresh] == [2, 3]
    assert fresh == run.rows(from_s=2.0, to_s=3.0)


def test_only_row_groups_that_are_touched_are_read(
    run: KeptRun, store: Store, blobs: Blobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settled, "GROUP_ROWS_MAX", 10)
    rows_read: list[int] = []
    rows_of = settled.rows_of

    def counted(batch: Any) -> list[dict[str, Any]]:
        rows_read.append(batch.num_rows)
        return rows_of(batch)

    monkeypatch.setattr(settled, "rows_of", counted)
    run.commit_frames(200, each=50)
    Settler(store, blobs, options=ALL_AT_ONCE).run_once()

    assert [one["frame"] for one in run.rows(from_frame=95, to_frame=104)] == list(range(95, 105))
    assert [one["frame"] for one in run.rows(from_s=2.5, to_s=2.75)] == [20, 21, 22]
    assert rows_read == [10, 10]


def test_blobs_that_no_local_file_holds_are_read_too(half_settled: KeptRun, tmp_path: Path) -> None:
    far = NoPaths(tmp_path / "blobs")

    got = rows(half_settled.store, far, half_settled.scenario_id, 1)

    assert lines(half_settled.rows()) == lines(list(got))


def test_unknown_run_is_told_and_one_never_started_has_no_rows(
    run: KeptRun, store: Store, blobs: Blobs
) -> None:
    with pytest.raises(NotFound, match="no run 7"):
        page(store, blobs, run.scenario_id, 7, limit=1)
    with pytest.raises(NotFound, match="no run 7"):
        export(store, blobs, run.scenario_id, 7, file_format="csv")

    assert page(store, blobs, run.scenario_id, 0, limit=1) == []
    assert run.rows() == []


@pytest.mark.parametrize("file_format", FORMATS)
def test_export_has_the_very_form_of_vedette_run(
    file_format: FileFormat, run: KeptRun, store: Store, blobs: Blobs, tmp_path: Path
) -> None:
    origin = Origin(run.scenario_id, "door", "1")
    noon = datetime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC)
    seen = [
        (
            ArrayFrame(
                grey_picture(320, 180),
                number=number,
                captured_at=noon + timedelta(seconds=number) if number % 3 else None,
            ),
            scene_of(
                *(one_object(number + 0.126, 20.0, zones=("a;b",)) for _ in range(number % 3))
            ),
        )
        for number in range(12)
    ]
    sink = prediction_sink(tmp_path / f"out.{file_format}", origin)
    sink.open(stream_facts())
    for frame, scene in seen:
        sink.write(frame, scene)
    sink.finish()
    for at in range(0, 12, 2):
        run.commit([prediction_row(origin, frame, scene) for frame, scene in seen[at : at + 2]])

    fresh = exported(run, file_format)
    Settler(store, blobs, options=ALL_AT_ONCE).run_once()

    assert (tmp_path / f"out.{file_format}").read_bytes() == fresh == exported(run, file_format)


@pytest.mark.parametrize("file_format", FORMATS)
def test_export_of_a_run_without_rows_is_that_of_vedette_run(
    file_format: FileFormat, run: KeptRun, tmp_path: Path
) -> None:
    sink = prediction_sink(tmp_path / f"out.{file_format}", Origin("s", "door"))
    sink.open(stream_facts())
    sink.finish()

    assert (tmp_path / f"out.{file_format}").read_bytes() == exported(run, file_format)


@settings(max_examples=40, deadline=None)
@given(
    made=st.lists(st.lists(any_row(), min_size=1, max_size=5), min_size=1, max_size=8),
    settled_after=st.sets(st.integers(0, 7)),
)
def test_export_is_the_same_bytes_however_the_run_was_settled(
    tmp_path_factory: pytest.TempPathFactory,
    made: list[list[dict[str, Any]]],
    settled_after: set[int],
) -> None:
    store, blobs = _shared(tmp_path_factory)
    never, pieces = KeptRun(store, blobs), KeptRun(store, blobs)
    for number, one in enumerate(one for part in made for one in part):
        one["frame"] = number
    settler = Settler(store, blobs, options=SettlingOptions(age_s=100))
    for at, part in enumerate(made):
        never.commit(part)
        pieces.commit(part)
        if at in settled_after:
            pieces.age(200)
            settler.run_once()

    assert lines(never.rows()) == lines([one for part in made for one in part])
    assert lines(never.rows()) == lines(pieces.rows())
    for file_format in FORMATS:
        assert exported(never, file_format) == exported(pieces, file_format)


_opened: list[tuple[Store, Blobs]] = []


@pytest.fixture(autouse=True, scope="module")
def _close_shared() -> Iterator[None]:
    yield
    while _opened:
        _opened.pop()[0].close()


def _shared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, Blobs]:
    """Give one store for all examples of a property: making one takes longer than an example."""
    if not _opened:
        folder = tmp_path_factory.mktemp("shared")
        _opened.append((open_store(folder), open_blobs(folder)))
    return _opened[0]


def test_reader_does_not_see_parts_being_settled(
    run: KeptRun, store: Store, blobs: Blobs, tmp_path: Path
) -> None:
    made = run.commit_frames(400, each=2)
    stop = threading.Event()
    failures: list[BaseException] = []

    def settle_piece_by_piece() -> None:
        own = open_store(tmp_path)
        try:
            settler = Settler(own, blobs, options=SettlingOptions(age_s=0, size_bytes=3000))
            while not stop.is_set():
                settler.run_once()
        except BaseException as error:  # noqa: BLE001
            failures.append(error)
        finally:
            own.close()

    settler = threading.Thread(target=settle_piece_by_piece)
    settler.start()
    read: list[list[str]] = [lines(run.rows()) for _ in range(10)]
    stop.set()
    settler.join(240)

    assert failures == []
    assert all(one == lines(made) for one in read)


def test_reader_goes_on_after_the_last_row_given_when_parts_are_settled_under_it(
    run: KeptRun, store: Store, blobs: Blobs
) -> None:
    made = run.commit_frames(300, each=3)
    reading = rows(store, blobs, run.scenario_id, 1)
    got = [next(reading) for _ in range(5)]

    Settler(store, blobs, options=ALL_AT_ONCE).run_once()
    got += reading

    assert lines(made) == lines(got)


def test_reader_from_under_whom_retention_deletes_is_told(
    run: KeptRun, store: Store, blobs: Blobs
) -> None:
    run.commit_frames(300, each=1)
    reading = rows(store, blobs, run.scenario_id, 1)
    next(reading)

    Retention(store, blobs, age_s_max=None, bytes_max=0).run_once()

    with pytest.raises(NotFound, match="up to frame 299 were deleted by retention"):
        list(reading)


def test_settled_part_that_retention_deletes_under_its_reader_is_told(
    run: KeptRun, store: Store, blobs: Blobs
) -> None:
    settler = Settler(store, blobs, options=ALL_AT_ONCE)
    for begin in (0, 10):
        run.commit([row(frame) for frame in range(begin, begin + 10)])
        settler.run_once()
    reading = rows(store, blobs, run.scenario_id, 1)
    next(reading)

    Retention(store, blobs, age_s_max=None, bytes_max=0).run_once()

    with pytest.raises(NotFound, match="deleted by retention"):
        list(reading)


def test_blob_that_is_lost_is_told(half_settled: KeptRun, blobs: Blobs) -> None:
    key = next(key for first, _, key in half_settled.manifest() if first)
    assert key is not None
    blobs.delete([key])

    with pytest.raises(BlobsUnavailable, match=r"frames 40 to 78 are missing"):
        half_settled.rows()


@pytest.mark.parametrize("file_format", FORMATS)
def test_export_takes_bounded_memory(
    file_format: FileFormat, run: KeptRun, store: Store, blobs: Blobs
) -> None:
    for begin in range(0, 4000, 500):
        run.commit([row(frame, objects=3) for frame in range(begin, begin + 500)])
        if begin % 1000 == 0:
            Settler(store, blobs, options=ALL_AT_ONCE).run_once()
    pieces = export(store, blobs, run.scenario_id, 1, file_format=file_format)
    tracemalloc.start()

    size_bytes = sum(len(piece) for piece in pieces)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    rows_bytes = 4000 * 3 * 300
    assert size_bytes > 10_000
    # Parquet holds one row group of up to 20,000 rows.
    assert peak_bytes < (rows_bytes * 6 if file_format == "parquet" else rows_bytes)
