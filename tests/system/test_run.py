"""`vedette run` as a person uses it: another process, its outputs, its last words."""

from __future__ import annotations

import csv
import fcntl
import json
import signal
import subprocess
import threading
import time
from pathlib import Path

import av
import pyarrow.parquet as pq
import pytest

from rtsp_server import RTSPServer
from shell import command, environment, heeding_interrupts, vedette
from tiny_onnx import build_person_detector
from vedette.sources.street.truth import truth

INTERRUPTED = 130
STREET = "synthetic://street?people=3&vehicles=1&seed=5&seconds=6&fps=10&width=640&height=360"
BUILT_IN = "synthetic://street?people=6&vehicles=3&seed={seed}"


def counted(summary: dict) -> int:
    return sum(one["distinct"] for one in summary["objects"].values())


def pictures_of(path: Path) -> int:
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))


def test_all_outputs_of_one_run_agree(tmp_path: Path) -> None:
    told = vedette(
        "run", STREET, "--json", "--annotated", tmp_path / "seen.mp4",
        "--predictions", tmp_path / "seen.parquet", "--snapshots", tmp_path / "snapshots",
        cache_dir=tmp_path / "cache",
    )  # fmt: skip

    assert told.code == 0, told.err
    summary = json.loads(told.out)
    assert summary["frames"]["read"] == summary["frames"]["looked_at"] == 60
    assert summary["frames"]["skipped"] == 0
    assert pictures_of(tmp_path / "seen.mp4") == 60
    table = pq.read_table(tmp_path / "seen.parquet").to_pylist()
    assert [row["frame"] for row in table] == list(range(60))
    tracks = {o["track_id"] for row in table for o in row["objects"]} - {None}
    assert len(tracks) == counted(summary) > 0
    assert len(list((tmp_path / "snapshots").iterdir())) == len(tracks)
    assert set(summary["outputs"]) == {"annotated", "predictions", "snapshots"}


def test_the_same_command_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one.jsonl", "two.jsonl"):
        vedette("run", STREET, "--predictions", tmp_path / name, cache_dir=tmp_path / "cache")

    assert (tmp_path / "one.jsonl").read_bytes() == (tmp_path / "two.jsonl").read_bytes() != b""


def test_results_do_not_depend_on_which_outputs_are_on(tmp_path: Path) -> None:
    vedette("run", STREET, "--predictions", tmp_path / "one.csv", cache_dir=tmp_path / "cache")
    vedette(
        "run", STREET, "--predictions", tmp_path / "two.csv", "--annotated", tmp_path / "two.mp4",
        "--snapshots", tmp_path / "two", cache_dir=tmp_path / "cache",
    )  # fmt: skip

    assert (tmp_path / "one.csv").read_bytes() == (tmp_path / "two.csv").read_bytes() != b""


def test_rows_on_standard_output_leave_the_summary_to_standard_error(tmp_path: Path) -> None:
    told = vedette("run", STREET, "--predictions", "-", "--fps", "2", cache_dir=tmp_path / "cache")

    rows = [json.loads(line) for line in told.out.splitlines()]
    assert [row["frame"] for row in rows] == list(range(0, 60, 5))
    assert rows[0]["scenario_id"] == "run"
    assert rows[0]["camera_id"] == "street"
    assert "looked at 12 of 60 pictures" in told.err


def test_a_reader_that_has_enough_is_no_error(tmp_path: Path) -> None:
    with subprocess.Popen(
        command("run", STREET, "--predictions", "-"), env=environment(tmp_path / "cache"),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as child:  # fmt: skip
        assert child.stdout is not None
        assert child.stderr is not None
        child.stdout.readline()
        child.stdout.close()
        err = child.stderr.read().decode()
        code = child.wait(240)

    assert "Traceback" not in err
    assert code == 0


@pytest.mark.parametrize("limit", ["25f", "2.5s"])
def test_a_limit_ends_the_run_in_order(limit: str, tmp_path: Path) -> None:
    told = vedette(
        "run", STREET, "--limit", limit, "--predictions", tmp_path / "seen.csv", "--json",
        cache_dir=tmp_path / "cache",
    )  # fmt: skip

    assert told.code == 0
    assert json.loads(told.out)["frames"]["looked_at"] == 25
    with (tmp_path / "seen.csv").open(newline="") as file:
        assert {int(row["frame"]) for row in csv.DictReader(file)} <= set(range(25))


def test_only_the_classes_asked_for_are_seen(tmp_path: Path) -> None:
    model = build_person_detector(tmp_path / "tiny.onnx")

    told = vedette(
        "run", STREET, "--detector", model, "--classes", "person", "--json",
        cache_dir=tmp_path / "cache",
    )  # fmt: skip

    assert told.code == 0, told.err
    assert set(json.loads(told.out)["objects"]) <= {"person"}


ENDLESS = STREET.replace("seconds=6", "seconds=600")


def start_run(out: Path, cache_dir: Path) -> subprocess.Popen[str]:
    """Begin a run that would take minutes, with every kind of output."""
    out.mkdir()
    return subprocess.Popen(
        command("run", ENDLESS, "--annotated", out / "seen.mp4",
                "--predictions", out / "seen.parquet", "--snapshots", out / "snapshots"),
        env=environment(cache_dir), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, preexec_fn=heeding_interrupts,
    )  # fmt: skip


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_run_that_is_stopped_leaves_every_output_whole(number: int, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with start_run(out, tmp_path / "cache") as child:
        assert child.stderr is not None
        while "so far" not in (line := child.stderr.readline()):
            assert line, "the run ended by itself"
        child.send_signal(number)
        told, err = child.communicate(timeout=240)

    assert child.returncode == INTERRUPTED, err
    assert "stopped on request" in told
    assert {path.name for path in out.iterdir()} == {"seen.mp4", "seen.parquet", "snapshots"}
    rows = pq.read_table(out / "seen.parquet").to_pylist()
    assert len(rows) >= 10
    assert pictures_of(out / "seen.mp4") == len(rows)
    tracks = {one["track_id"] for row in rows for one in row["objects"]} - {None}
    assert len(list((out / "snapshots").iterdir())) == len(tracks) >= 1


def test_ctrl_c_is_heard_while_nobody_reads_the_rows(tmp_path: Path) -> None:
    """Like `| less`: the pipe is full, and the run stands still with it."""
    video = tmp_path / "seen.mp4"
    with subprocess.Popen(
        command("run", ENDLESS, "--predictions", "-", "--annotated", video),
        env=environment(tmp_path / "cache"), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, preexec_fn=heeding_interrupts,
    ) as child:  # fmt: skip
        assert child.stdout is not None
        assert child.stderr is not None
        fcntl.fcntl(child.stdout, fcntl.F_SETPIPE_SZ, 4096)
        while "of 10:00" not in (line := child.stderr.readline()):
            assert line, "the run ended by itself"
        time.sleep(1)
        child.send_signal(signal.SIGINT)
        code = child.wait(240)
        child.stdout.close()
        err = child.stderr.read()

    assert code == INTERRUPTED, err
    assert "Traceback" not in err
    assert pictures_of(video) > 0


@pytest.mark.parametrize("after_s", [0.1, 0.3, 0.6, 1.0])
def test_ctrl_c_at_any_moment_leaves_nothing_half_written(after_s: float, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with start_run(out, tmp_path / "cache") as child:
        time.sleep(after_s)
        child.send_signal(signal.SIGINT)
        try:
            _, err = child.communicate(timeout=240)
        except subprocess.TimeoutExpired:
            child.kill()
            raise

    # A shell shows 130 for both. Dying of the signal is how Python ends where the interrupt fell
    # into its own start, or into a library's; a traceback may then be Python's, but never ours.
    assert child.returncode in (INTERRUPTED, -signal.SIGINT), err
    assert "vedette" not in err or "Traceback" not in err, err
    left = {path.name for path in out.iterdir()}
    assert left in (set(), {"seen.mp4", "seen.parquet", "snapshots"})
    if left:
        rows = pq.read_table(out / "seen.parquet").num_rows
        # Where nothing was looked at yet, the video is one picture that says so.
        assert pictures_of(out / "seen.mp4") == max(rows, 1)


def test_a_live_camera_is_followed_until_its_limit(start_rtsp_server, tmp_path: Path) -> None:
    server: RTSPServer = start_rtsp_server(user="viewer", password="hunter2")

    told = vedette(
        "run", server.url(user="viewer", password="hunter2"), "--limit", "2s", "--json",
        "--predictions", tmp_path / "seen.jsonl", "--annotated", tmp_path / "seen.mp4",
        cache_dir=tmp_path / "cache",
    )  # fmt: skip

    assert told.code == 0, told.err
    assert "hunter2" not in told.out + told.err
    summary = json.loads(told.out)
    rows = [json.loads(line) for line in (tmp_path / "seen.jsonl").read_text().splitlines()]
    frames = summary["frames"]
    assert len(rows) == frames["looked_at"] == pictures_of(tmp_path / "seen.mp4") > 10
    assert frames["read"] == frames["looked_at"] + frames["skipped"]
    assert [row["frame"] for row in rows] == list(range(len(rows)))
    assert all(row["captured_at"].endswith("Z") for row in rows)
    assert max(row["pts_s"] for row in rows) < 2


def test_a_detector_that_is_too_slow_for_a_live_camera_is_never_behind(
    start_rtsp_server, tmp_path: Path
) -> None:
    """Twenty-five pictures a second against a model that takes far longer."""
    server: RTSPServer = start_rtsp_server()
    model = build_person_detector(tmp_path / "tiny.onnx", size=(1280, 1280))
    rows: list[tuple[float, dict]] = []

    with subprocess.Popen(
        command("run", server.url(), "--detector", model, "--predictions", "-", "--limit", "4s"),
        env=environment(tmp_path / "cache"), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True,
    ) as child:  # fmt: skip
        assert child.stdout is not None
        assert child.stderr is not None
        told: list[str] = []
        drain = threading.Thread(target=lambda: told.append(child.stderr.read()))
        drain.start()
        rows.extend((time.time(), json.loads(line)) for line in child.stdout)
        drain.join(240)

    from datetime import datetime

    ages = [now - datetime.fromisoformat(row["captured_at"]).timestamp() for now, row in rows]
    assert len(rows) >= 2
    assert "left out" in told[0]
    assert max(ages) < 3  # A queue would have grown to the length of the run.


def test_the_summary_ends_with_the_truth_and_what_to_try_next(tmp_path: Path) -> None:
    scene = Path(__file__).parents[2] / "examples" / "street.yaml"
    known = truth(STREET)

    told = vedette("run", STREET, "--fps", "5", "--scene", scene, cache_dir=tmp_path / "cache")
    without = vedette("run", STREET, "--fps", "5", cache_dir=tmp_path / "cache")

    held = told.out.split("what the whole built-in scene truly holds:")[1].splitlines()
    assert held[1].strip().startswith(f"{len(known.objects)} moving objects (3 people, 1 vehicle")
    assert f"zone crossing: {known.zones['crossing']} entered" in held[2]
    assert "run YOUR.mp4" in told.out.splitlines()[-1]
    assert "zone" not in without.out  # Its places mean nothing where nobody asked for them.


def test_the_built_in_scene_is_counted_right_and_so_is_its_transcoded_copy(tmp_path: Path) -> None:
    address = BUILT_IN.format(seed=1)
    copy = tmp_path / "some film.mp4"
    _transcode(address, copy)
    known = truth(address)

    summaries = []
    for source in (address, copy):
        told = vedette("run", source, "--json", cache_dir=tmp_path / "cache")
        assert told.code == 0, told.err
        summaries.append(json.loads(told.out))

    assert abs(counted(summaries[0]) - len(known.objects)) <= 1
    assert counted(summaries[1]) == counted(summaries[0])


@pytest.mark.parametrize("seed", [2, 3])
def test_other_seeds_come_out_within_one_object(seed: int, tmp_path: Path) -> None:
    address = BUILT_IN.format(seed=seed)

    told = vedette("run", address, "--json", cache_dir=tmp_path / "cache")

    assert told.code == 0, told.err
    assert abs(counted(json.loads(told.out)) - len(truth(address).objects)) <= 1


def _transcode(address: str, target: Path) -> None:
    """Write the scene's pictures with another encoder setting, and no name that tells."""
    from vedette.domain.frame import PixelFormat
    from vedette.domain.packet import LOOK_AT_ALL
    from vedette.settings import Settings
    from vedette.wiring import make_source

    source = make_source(address, Settings())
    facts = source.open()
    decoder = source.decoder()
    with av.open(str(target), "w") as container:
        stream = container.add_stream("libx264", rate=15)
        stream.width, stream.height, stream.pix_fmt = facts.width, facts.height, "yuv420p"
        stream.options = {"crf": "20", "preset": "veryfast", "bf": "2", "g": "50"}
        for packet in source.packets():
            for frame in decoder.frames(packet, LOOK_AT_ALL):
                pixels = frame.pixels(facts.width, facts.height, PixelFormat.BGR24)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="bgr24")))
        container.mux(stream.encode(None))
    source.close()
