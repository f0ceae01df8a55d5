"""Point 8 of the first issue: one clear sentence, the right exit code, nothing half-written."""

from __future__ import annotations

import http.server
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from pace import Pace
from rtsp_server import RTSPServer
from shell import Told, command, environment, heeding_interrupts, vedette
from tiny_onnx import build_person_detector

CALLERS_MISTAKE, ENGINES_FAULT = 2, 3
SECRET = "hunter2"
# A camera on this machine answers at once; a silent one is given up after about twice this.
QUICK = {"VEDETTE_OPEN_TIMEOUT_S": "1", "VEDETTE_READ_TIMEOUT_S": "1"}


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Told]:
    """Run `vedette run` with outputs, and see that a refusal leaves none of them."""
    outputs = tmp_path / "outputs"
    outputs.mkdir()

    def run_it(*words: object, **settings: str) -> Told:
        told = vedette(
            "run", *words, "--annotated", outputs / "seen.mp4",
            "--predictions", outputs / "seen.jsonl",
            cache_dir=tmp_path / "cache", **settings,
        )  # fmt: skip
        assert list(outputs.iterdir()) == [] or told.code == 0
        return told

    return run_it


def write_video(
    path: Path, *, width: int = 96, height: int = 64, pictures: int = 30, codec: str = "libx264"
) -> Path:
    with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
        stream = container.add_stream(codec, rate=10)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        random = np.random.default_rng(1)
        for _ in range(pictures):
            noise = random.integers(0, 255, (height, width, 3), np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(noise, format="bgr24")))
        container.mux(stream.encode(None))
    return path


def write_audio(path: Path) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=8000, layout="mono")
        for start in range(0, 8192, 1024):
            frame = av.AudioFrame.from_ndarray(
                np.zeros((1, 1024), np.float32), format="fltp", layout="mono"
            )
            frame.rate, frame.pts = 8000, start
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


# Files


def test_no_such_file(run) -> None:
    told = run("no-such.mp4")

    assert told.code == CALLERS_MISTAKE
    assert "no-such.mp4" in told.sentence()


def test_a_directory(run, tmp_path: Path) -> None:
    told = run(tmp_path)

    assert told.code == CALLERS_MISTAKE
    assert "folder" in told.sentence() or "directory" in told.sentence()


@pytest.mark.parametrize("content", [b"", b"this is no video\n" * 100])
def test_an_empty_file_and_text_named_mp4(run, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "odd.mp4").write_bytes(content)

    told = run(tmp_path / "odd.mp4")

    assert told.code == CALLERS_MISTAKE
    assert "odd.mp4" in told.sentence()


def test_a_file_that_lost_its_end_says_where_it_ends(run, tmp_path: Path) -> None:
    whole = write_video(tmp_path / "whole.mp4", pictures=50).read_bytes()
    (tmp_path / "cut.mp4").write_bytes(whole[: len(whole) // 2])

    told = run(tmp_path / "cut.mp4")

    assert told.code == ENGINES_FAULT
    assert "cut.mp4" in told.sentence()
    assert "--limit" in told.sentence()


def test_the_readable_part_of_a_cut_off_file_can_be_analysed(tmp_path: Path) -> None:
    whole = write_video(tmp_path / "whole.mp4", pictures=50).read_bytes()
    (tmp_path / "cut.mp4").write_bytes(whole[: len(whole) // 2])

    told = vedette(
        "run", tmp_path / "cut.mp4", "--limit", "1s", "--predictions", tmp_path / "seen.jsonl",
        cache_dir=tmp_path / "cache",
    )  # fmt: skip

    assert told.code == 0
    assert (tmp_path / "seen.jsonl").read_bytes().count(b"\n") == 10


def test_a_file_whose_index_is_missing(run, tmp_path: Path) -> None:
    with av.open(str(tmp_path / "whole.mp4"), "w") as container:  # The index stands at the end.
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for _ in range(30):
            picture = np.zeros((64, 96, 3), np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
        container.mux(stream.encode(None))
    whole = (tmp_path / "whole.mp4").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(whole[: len(whole) // 3])

    told = run(tmp_path / "cut.mp4")

    assert told.code == CALLERS_MISTAKE
    assert "cut.mp4" in told.sentence()


def test_audio_alone(run, tmp_path: Path) -> None:
    told = run(write_audio(tmp_path / "song.m4a"))

    assert told.code == CALLERS_MISTAKE
    assert "song.m4a" in told.sentence()


def test_a_picture_of_absurd_size(run, tmp_path: Path) -> None:
    """A raw film whose header says 99999x99999."""
    (tmp_path / "huge.y4m").write_bytes(
        b"YUV4MPEG2 W99999 H99999 F25:1 Ip A1:1 C420jpeg\nFRAME\n" + bytes(9000)
    )

    told = run(tmp_path / "huge.y4m")

    assert told.code == CALLERS_MISTAKE
    assert "larger than" in told.sentence()


def test_a_photo_is_called_a_picture(run, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "photo.png"), np.zeros((64, 96), np.uint8))

    told = run(tmp_path / "photo.png")

    assert told.code == CALLERS_MISTAKE
    assert "it is a picture" in told.sentence()


def test_a_stream_of_no_pictures_per_second(run, tmp_path: Path) -> None:
    """A raw picture file whose header says 0 pictures a second."""
    (tmp_path / "still.y4m").write_bytes(
        b"YUV4MPEG2 W96 H64 F0:1 Ip A1:1 C420jpeg\n" + (b"FRAME\n" + b"\x80" * 9216) * 3
    )

    told = run(tmp_path / "still.y4m")

    if told.code != 0:  # Refused in one sentence, or read by the pictures' own time: both are fair.
        assert told.code == CALLERS_MISTAKE
        assert "still.y4m" in told.sentence()


# Addresses


@pytest.mark.parametrize("address", ["gopher://host/x", "concat:a.mp4|b.mp4", "subfile,,:a.mp4"])
def test_an_unknown_scheme_is_told_what_there_is(run, address: str) -> None:
    told = run(address)

    assert told.code == CALLERS_MISTAKE
    assert "rtsp://" in told.sentence() or "no such file" in told.sentence()


@pytest.fixture
def silent_port() -> Iterator[int]:
    """Give a port that accepts and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def test_a_camera_that_refuses_the_connection(run, closed_port: int) -> None:
    told = run(f"rtsp://viewer:{SECRET}@127.0.0.1:{closed_port}/main")

    assert told.code == ENGINES_FAULT
    assert f"127.0.0.1:{closed_port}" in told.sentence()
    assert SECRET not in told.out + told.err


@pytest.mark.parametrize("scheme", ["rtsp", "http"])
def test_a_host_that_accepts_and_says_nothing(run, silent_port: int, scheme: str) -> None:
    with Pace() as pace:
        told = run(f"{scheme}://viewer:{SECRET}@127.0.0.1:{silent_port}/main", **QUICK)

    assert told.code == ENGINES_FAULT
    assert f"127.0.0.1:{silent_port}" in told.sentence()
    assert SECRET not in told.out + told.err
    assert pace.kept(20), pace


def test_ctrl_c_while_a_host_says_nothing_is_heard_at_once(silent_port: int, tmp_path) -> None:
    with subprocess.Popen(
        command("run", f"rtsp://127.0.0.1:{silent_port}/main"), preexec_fn=heeding_interrupts,
        env=environment(tmp_path / "cache"), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True,
    ) as child:  # fmt: skip
        time.sleep(3)
        child.send_signal(signal.SIGINT)
        with Pace() as pace:
            _, err = child.communicate(timeout=240)

    assert pace.kept(3), pace
    assert child.returncode == 130
    assert "Traceback" not in err


def test_a_camera_that_refuses_the_password(run, start_rtsp_server) -> None:
    server: RTSPServer = start_rtsp_server(user="viewer", password="right")

    told = run(server.url(user="viewer", password=SECRET))

    assert told.code == ENGINES_FAULT
    assert "password" in told.sentence()
    assert SECRET not in told.out + told.err


def test_a_camera_that_knows_no_such_path(run, start_rtsp_server) -> None:
    server: RTSPServer = start_rtsp_server()

    told = run(server.url("/elsewhere"))

    assert told.code == ENGINES_FAULT
    assert "/elsewhere" in told.sentence()


@pytest.mark.parametrize("fate", ["freeze", "kill"])
def test_a_camera_that_freezes_or_dies_midway_leaves_whole_outputs(
    fate: str, start_rtsp_server, tmp_path: Path
) -> None:
    server: RTSPServer = start_rtsp_server()
    rows, video = tmp_path / "seen.jsonl", tmp_path / "seen.mp4"
    with subprocess.Popen(
        command("run", server.url(), "--predictions", rows, "--annotated", video),
        env=environment(tmp_path / "cache", **QUICK),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as child:  # fmt: skip
        deadline = time.monotonic() + 20
        while not (rows.exists() and rows.read_bytes().count(b"\n") >= 5):
            assert time.monotonic() < deadline, "no row came"
            time.sleep(0.05)
        getattr(server, fate)()
        out, err = child.communicate(timeout=240)

    told = Told(child.returncode, out, err)
    assert told.code == ENGINES_FAULT
    assert "127.0.0.1" in told.sentence()
    assert "looked at" in told.out  # What was seen until then is told all the same.
    assert rows.read_bytes().endswith(b"}\n")
    with av.open(str(video)) as container:
        assert sum(1 for _ in container.decode(video=0)) >= 5
    assert {path.name for path in tmp_path.iterdir()} <= {"seen.jsonl", "seen.mp4", "cache"}


def test_http_that_answers_404(run) -> None:
    class Nothing(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(404)

        def log_message(self, *_: object) -> None: ...

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Nothing) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        told = run(f"http://127.0.0.1:{server.server_port}/clip.mp4")
        server.shutdown()

    assert told.code == ENGINES_FAULT
    assert "/clip.mp4" in told.sentence()


# Models


@pytest.mark.parametrize("content", [b"", b"no model", b"\x08\x07" * 1000])
def test_a_model_file_that_is_no_model(run, tmp_path: Path, content: bytes) -> None:
    clip = write_video(tmp_path / "clip.mp4")
    (tmp_path / "odd.onnx").write_bytes(content)

    told = run(clip, "--detector", tmp_path / "odd.onnx")

    assert told.code == ENGINES_FAULT
    assert "odd.onnx" in told.sentence()


def test_a_model_that_is_not_there(run, tmp_path: Path) -> None:
    told = run(write_video(tmp_path / "clip.mp4"), "--detector", "no-such-model")

    assert told.code == CALLERS_MISTAKE
    assert "no-such-model" in told.sentence()


def test_classes_the_model_does_not_know(run, tmp_path: Path) -> None:
    model = build_person_detector(tmp_path / "tiny.onnx")

    told = run(write_video(tmp_path / "clip.mp4"), "--detector", model, "--classes", "unicorn")

    assert told.code == CALLERS_MISTAKE
    assert "unicorn" in told.sentence()


# Scene files


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("zones:\n  - name: a\n    polygon: [[0, 0], [1, 0]]\n", 3),
        ("zones:\n  - name: a\n    poligon: [[0, 0], [1, 0], [1, 1]]\n", 3),
        ("zones:\n  - name: a\n    polygon: [[0, 0], [640, 0], [1, 1]]\n", 3),
        (
            "lines:\n  - name: a\n    from: [0, 0]\n    to: [1\n",
            5,
        ),  # Where it ends, and the bracket does not.
    ],
)
def test_a_bad_scene_file_says_which_line(run, tmp_path: Path, text: str, line: int) -> None:
    (tmp_path / "scene.yaml").write_text(text)

    told = run(write_video(tmp_path / "clip.mp4"), "--scene", tmp_path / "scene.yaml")

    assert told.code == CALLERS_MISTAKE
    assert "scene.yaml" in told.sentence()
    assert f"line {line}" in told.sentence()


# Outputs


@pytest.mark.parametrize("option", ["--annotated", "--predictions", "--snapshots"])
@pytest.mark.parametrize("place", ["no-such-folder", "a-file"])
def test_a_place_that_cannot_be_written(tmp_path: Path, option: str, place: str) -> None:
    (tmp_path / "a-file").write_bytes(b"kept")
    name = {"--annotated": "o.mp4", "--predictions": "o.csv", "--snapshots": "o"}[option]
    target = tmp_path / place / name

    told = vedette(
        "run", write_video(tmp_path / "clip.mp4"), option, target, cache_dir=tmp_path / "cache"
    )

    assert told.code == CALLERS_MISTAKE
    assert place in told.sentence()
    assert (tmp_path / "a-file").read_bytes() == b"kept"


@pytest.mark.parametrize("named", ["path", "url", "link"])
def test_an_output_that_is_the_source_itself(tmp_path: Path, named: str) -> None:
    clip = write_video(tmp_path / "clip.mp4")
    kept = clip.read_bytes()
    (tmp_path / "link.mp4").hardlink_to(clip)
    source = {"path": clip, "url": f"file://{clip}", "link": tmp_path / "link.mp4"}[named]

    told = vedette("run", source, "--annotated", clip, cache_dir=tmp_path / "cache")

    assert told.code == CALLERS_MISTAKE
    assert "the source itself" in told.sentence()
    assert clip.read_bytes() == kept


def test_a_scene_file_that_never_ends(run, tmp_path: Path) -> None:
    told = run(write_video(tmp_path / "clip.mp4"), "--scene", "/dev/zero")

    assert told.code == CALLERS_MISTAKE
    assert "/dev/zero" in told.sentence()


def test_a_format_nobody_knows(run, tmp_path: Path) -> None:
    told = vedette(
        "run", write_video(tmp_path / "clip.mp4"), "--predictions", tmp_path / "rows.xml",
        cache_dir=tmp_path / "cache",
    )  # fmt: skip

    assert told.code == CALLERS_MISTAKE
    assert ".parquet" in told.sentence()


@pytest.mark.parametrize(
    "words",
    [
        ["--fps", "0"], ["--fps", "many"], ["--limit", "10"], ["--limit", "-3s"],
        ["--limit", "1.5f"], ["--classes", ","], ["--json", "--predictions", "-"],
    ],
)  # fmt: skip
def test_options_that_make_no_sense(tmp_path: Path, words: list[str]) -> None:
    told = vedette("run", "clip.mp4", *words, cache_dir=tmp_path / "cache")

    assert told.code == CALLERS_MISTAKE
    assert words[0] in told.sentence()


def test_a_setting_that_makes_no_sense(tmp_path: Path) -> None:
    told = vedette("run", "clip.mp4", cache_dir=tmp_path, VEDETTE_OPEN_TIMEOUT_S="soon")

    assert told.code == CALLERS_MISTAKE
    assert "VEDETTE_OPEN_TIMEOUT_S" in told.sentence()
