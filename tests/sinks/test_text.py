"""Prediction rows as JSON Lines, CSV, Parquet, and on standard output."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pictures import ArrayFrame, grey_picture
from scenes import one_object, scene_of, stream_facts
from vedette.domain.errors import SinkClosed, SinkRefused, SinkUnavailable
from vedette.domain.frame import Frame
from vedette.domain.prediction import Origin, prediction_row
from vedette.domain.scene import Scene
from vedette.sinks import table
from vedette.sinks.base import Sink
from vedette.sinks.text import prediction_sink

ORIGIN = Origin("run", "door")
NOON = datetime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC)
PICTURE = grey_picture(320, 180)
SEEN: Sequence[tuple[Frame, Scene]] = (
    (
        ArrayFrame(PICTURE, number=0, captured_at=NOON),
        scene_of(
            one_object(10.126, 20, zones=("yard", "a;b")),
            one_object(90, 20, label="car, red", track_id=None, confidence=0.123456),
        ),
    ),
    (ArrayFrame(PICTURE, number=3), scene_of()),
)
ROWS = [prediction_row(ORIGIN, frame, scene) for frame, scene in SEEN]


def written(path: Path, *, live: bool = False, times: int = 1) -> Path:
    sink = prediction_sink(path, ORIGIN)
    sink.open(stream_facts(live=live))
    for _ in range(times):
        for frame, scene in SEEN:
            sink.write(frame, scene)
    sink.finish()
    return path


def test_json_lines_hold_the_rows_with_keys_in_order_and_no_spaces(tmp_path: Path) -> None:
    lines = written(tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()

    assert [json.loads(line) for line in lines] == ROWS
    assert lines[1] == (
        '{"scenario_id":"run","camera_id":"door","run":null,"frame":3,"pts_s":0.3,'
        '"captured_at":null,"width":320,"height":180,"objects":[]}'
    )
    assert list(ROWS[0]["objects"][0]) == list(json.loads(lines[0])["objects"][0])


def test_csv_has_a_line_per_object_and_one_for_a_frame_without(tmp_path: Path) -> None:
    with written(tmp_path / "out.csv").open(encoding="utf-8", newline="") as file:
        first, second, empty = csv.DictReader(file)

    assert (
        first["label"], first["confidence"], first["x1"], first["track_id"], first["zones"],
    ) == ("person", "0.875", "10.13", "1", "yard;a\\;b")  # fmt: skip
    assert first["captured_at"] == "2026-03-01T12:00:00.250Z"
    assert (second["label"], second["confidence"], second["track_id"]) == ("car, red", "0.1235", "")
    assert (empty["frame"], empty["pts_s"]) == ("3", "0.3")
    assert {""} == {empty[column] for column in ("label", "confidence", "x1", "track_id", "zones")}


def test_csv_without_a_frame_still_names_its_columns(tmp_path: Path) -> None:
    for live in (False, True):
        sink = prediction_sink(tmp_path / "out.csv", ORIGIN)
        sink.open(stream_facts(live=live))
        sink.finish()

        assert (tmp_path / "out.csv").read_text().startswith("scenario_id,camera_id,run,frame,")


def test_parquet_gives_back_the_rows(tmp_path: Path) -> None:
    read = pq.read_table(written(tmp_path / "out.parquet"))

    assert table.SCHEMA.equals(read.schema)
    rows = read.to_pylist()
    assert rows[0].pop("captured_at") == NOON
    assert rows[1].pop("captured_at") is None
    assert [{key: row[key] for key in row if key != "captured_at"} for row in ROWS] == rows


def test_parquet_is_written_in_groups_so_that_memory_stays_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table, "GROUP_ROWS_MAX", 5)

    path = written(tmp_path / "out.parquet", times=6)

    assert [pq.ParquetFile(path).metadata.row_group(group).num_rows for group in range(3)] == [
        5,
        5,
        2,
    ]


@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".parquet"])
def test_same_rows_give_the_same_bytes(tmp_path: Path, suffix: str) -> None:
    one = written(tmp_path / f"one{suffix}", times=3)
    other = written(tmp_path / f"other{suffix}", times=3)

    assert one.read_bytes() == other.read_bytes()


@pytest.mark.parametrize("suffix", [".jsonl", ".csv"])
def test_live_and_finite_sources_leave_the_same_lines(tmp_path: Path, suffix: str) -> None:
    finite = written(tmp_path / f"finite{suffix}", times=2)
    live = written(tmp_path / f"live{suffix}", live=True, times=2)

    assert finite.read_bytes() == live.read_bytes()


@pytest.mark.parametrize("suffix", [".jsonl", ".csv"])
def test_live_lines_are_there_as_soon_as_written(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"out{suffix}"
    path.write_text("of last week\n")
    sink = prediction_sink(path, ORIGIN)
    sink.open(stream_facts(live=True))
    before = path.read_text()

    contents = []
    for frame, scene in SEEN:
        sink.write(frame, scene)
        contents.append(path.read_text(encoding="utf-8"))
    sink.discard()

    assert before == "of last week\n"
    assert "of last week" not in contents[0]
    assert all(content.endswith("\n") for content in contents)
    assert contents[1].startswith(contents[0])
    assert contents[1] == path.read_text(encoding="utf-8")


def test_live_parquet_appears_at_the_end(tmp_path: Path) -> None:
    sink = prediction_sink(tmp_path / "out.parquet", ORIGIN)
    sink.open(stream_facts(live=True))
    sink.write(*SEEN[0])
    before = (tmp_path / "out.parquet").exists()
    sink.finish()

    assert not before
    assert pq.read_metadata(tmp_path / "out.parquet").num_rows == 1


@pytest.mark.parametrize("name", ["out.txt", "out", "out.json", ".csv"])
def test_suffix_that_names_no_format_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(SinkRefused, match=r"\.jsonl, \.csv or \.parquet"):
        prediction_sink(tmp_path / name, ORIGIN)


def test_dash_writes_each_line_to_standard_output_at_once() -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb", buffering=0) as reader, os.fdopen(writing, "wb") as pipe:
        sink = prediction_sink("-", ORIGIN, stdout=pipe)
        sink.open(stream_facts())
        sink.write(*SEEN[0])
        first = reader.read(65_536)
        sink.write(*SEEN[1])
        second = reader.read(65_536)
        sink.finish()

    assert [json.loads(first), json.loads(second)] == ROWS
    assert first.endswith(b"\n")


def test_dash_writes_to_a_stream_without_a_file_behind_it() -> None:
    stream = io.BytesIO()
    sink = prediction_sink("-", ORIGIN, stdout=stream)
    sink.open(stream_facts())
    sink.write(*SEEN[0])
    sink.finish()

    assert ROWS[:1] == [json.loads(stream.getvalue())]


def test_reader_that_goes_away_is_told_apart_from_a_fault() -> None:
    reading, writing = os.pipe()
    with os.fdopen(writing, "wb") as pipe:
        sink = prediction_sink("-", ORIGIN, stdout=pipe)
        sink.open(stream_facts())
        os.close(reading)

        with pytest.raises(SinkClosed, match="standard output"):
            sink.write(*SEEN[0])
        sink.discard()


def test_process_whose_reader_went_away_ends_without_a_word() -> None:
    program = (
        "import sys; sys.path.insert(0, 'tests')\n"
        "from sinks_child import write_until_closed\n"
        "write_until_closed()\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    with child:
        assert child.stdout is not None
        assert child.stderr is not None
        first = child.stdout.readline()
        child.stdout.close()
        said = child.stderr.read()

    assert ROWS[1] | {"frame": 0, "pts_s": 0.0} == json.loads(first)
    assert (child.returncode, said) == (0, b"")


def test_full_pipe_that_does_not_block_is_waited_for() -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with os.fdopen(writing, "wb", buffering=0) as pipe, os.fdopen(reading, "rb") as reader:
        sink = prediction_sink("-", ORIGIN, stdout=pipe)
        sink.open(stream_facts())
        lines = _written_while_read(sink, reader.fileno(), count=400)

    assert len(lines) == 400
    assert all(json.loads(line) == ROWS[0] for line in lines)


def test_line_longer_than_a_pipe_holds_can_be_let_go() -> None:
    crowd = scene_of(*(one_object(track_id=number) for number in range(1000)))
    refused: list[SinkUnavailable] = []
    reading, writing = os.pipe()
    with os.fdopen(writing, "wb") as pipe, os.fdopen(reading, "rb"):
        sink = prediction_sink("-", ORIGIN, stdout=pipe)
        sink.open(stream_facts())

        def write() -> None:
            try:
                sink.write(ArrayFrame(PICTURE), crowd)
            except SinkUnavailable as error:
                refused.append(error)

        # A daemon: should it not be let go, the test fails and does not hang.
        writer = threading.Thread(target=write, daemon=True)
        writer.start()
        writer.join(0.3)
        waited = writer.is_alive()
        sink.let_go()
        writer.join(2)
        ended = not writer.is_alive()

    assert waited
    assert ended
    assert len(refused) == 1


def _written_while_read(sink: Sink, reading: int, count: int) -> list[bytes]:
    got = bytearray()

    def read() -> None:
        while got.count(b"\n") < count:
            got.extend(os.read(reading, 4096))

    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(count):
        sink.write(*SEEN[0])
    reader.join(240)
    return bytes(got).splitlines()
