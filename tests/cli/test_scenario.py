"""`vedette scenario`, as a person or a program uses it, against a Vedette that runs."""

from __future__ import annotations

import csv
import http.server
import json
import os
import pty
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from running_up import Up, running_up
from shell import Told, command, environment, heeding_interrupts, vedette
from street_clip import make_street_clip

# A scene that nobody is done with during a test, at a price of nearly nothing.
LONG = "synthetic://street?people=1&vehicles=0&seed=1&seconds=3600&fps=1&width=160&height=120"
SCENE = """
zones:
  - name: near
    polygon: [[0, 0.5], [1, 0.5], [1, 1], [0, 1]]
lines:
  - name: middle
    from: [0.5, 1]
    to: [0.5, 0]
"""
NO_SUCH_ID = "0199c0de-0000-7000-8000-000000000000"


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    with running_up(tmp_path_factory.mktemp("scenario") / "data") as one:
        yield one


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clip") / "street.mp4"
    make_street_clip(path, seed=3)
    return path


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    path = tmp_path / "scene.yaml"
    path.write_text(SCENE)
    return path


def started(up: Up, *words: object) -> str:
    told = up.cli("scenario", "start", *words, "--json")
    assert told.code == 0, told.err
    return json.loads(told.out)["scenario_id"]


def test_a_file_is_uploaded_and_what_came_out_is_what_run_tells(
    up: Up, clip: Path, scene: Path, tmp_path: Path
) -> None:
    words = [clip, "--scene", scene, "--detector", "motion"]

    told = up.cli("scenario", "start", *words, "--wait")
    alone = vedette("run", *words, cache_dir=tmp_path / "cache")

    assert told.code == 0, told.err
    steps, _, summary = told.out.partition("\n\n")
    assert "is started" in steps
    assert "vedette scenario watch" in steps
    headline, *rest = summary.splitlines()
    assert headline.startswith("street.mp4: 0:08 of video in ")
    assert headline.endswith("completed")
    assert rest == alone.out.strip().splitlines()[1:]
    assert any("line middle:" in line for line in rest)


def test_the_built_in_scene_is_told_beside_its_truth(up: Up) -> None:
    address = "synthetic://street?people=1&vehicles=1&seconds=4&fps=5&width=320&height=180"

    told = up.cli("scenario", "start", address, "--scene", "examples/street.yaml", "--wait")

    assert told.code == 0
    assert "what the whole built-in scene truly holds:" in told.out
    assert "2 moving objects (1 people, 1 vehicles)" in told.out


def test_every_option_reaches_the_scenario(up: Up, clip: Path, scene: Path) -> None:
    scenario_id = started(
        up, clip, "--detector", "motion", "--classes", "moving,person", "--confidence", "0.35",
        "--fps", "5/2", "--scene", scene, "--recorded-at", "2026-03-01T12:00:00+01:00",
    )  # fmt: skip

    asked = up.scenario(scenario_id)["parameters"]

    assert asked["detector"] == "motion"
    assert asked["classes"] == ["moving", "person"]
    assert (asked["confidence"], asked["fps"]) == (0.35, 2.5)
    assert [one["name"] for one in asked["scene"]["lines"]] == ["middle"]
    assert datetime.fromisoformat(asked["recorded_at"]) == datetime(2026, 3, 1, 11, tzinfo=UTC)


def test_stop_waits_until_nothing_runs_any_more(up: Up) -> None:
    scenario_id = started(up, LONG, "--detector", "motion", "--fps", "1")
    up.wait_until(scenario_id, lambda one: one["state"] == "active")

    stopped = up.cli("scenario", "stop", scenario_id)

    assert (stopped.code, stopped.out.strip()) == (0, f"{scenario_id}: inactive")
    assert up.scenario(scenario_id)["status_reason"] == "stopped"
    again = up.cli("scenario", "stop", scenario_id, "--json")
    assert json.loads(again.out) == {"scenario_id": scenario_id, "status": "inactive"}


def test_stop_need_not_wait(up: Up) -> None:
    scenario_id = started(up, LONG, "--detector", "motion")

    stopped = up.cli("scenario", "stop", scenario_id, "--no-wait", "--json")

    assert json.loads(stopped.out)["status"] in {"init_shutdown", "in_shutdown_processing"}
    up.wait_until(scenario_id, lambda one: one["state"] == "inactive")


def test_a_scenario_runs_again_by_its_id_and_not_twice_at_once(up: Up) -> None:
    scenario_id = started(up, LONG, "--detector", "motion")
    refused = up.cli("scenario", "start", scenario_id)
    up.cli("scenario", "stop", scenario_id)

    with_options = up.cli("scenario", "start", scenario_id, "--fps", "2")
    again = up.cli("scenario", "start", scenario_id)

    assert refused.code == with_options.code == 2
    assert "already" in refused.sentence()
    assert "leave the options out" in with_options.sentence()
    assert again.code == 0
    assert up.scenario(scenario_id)["run"] == 2
    up.cli("scenario", "stop", scenario_id)


def test_the_list_shows_every_scenario_with_state_and_reason(up: Up) -> None:
    resting, active = started(up, LONG), started(up, LONG)
    up.cli("scenario", "stop", resting)
    up.wait_until(active, lambda one: one["state"] == "active")

    table = up.cli("scenario", "list").out.splitlines()
    found = json.loads(up.cli("scenario", "list", "--json", "--state", "active").out)

    assert table[0].split() == ["scenario", "state", "reason", "source", "run", "frames", "since"]
    (line,) = [line for line in table if line.startswith(resting)]
    assert line.split()[1:5] == ["inactive", "stopped", "street", "1"]
    assert active in [one["scenario_id"] for one in found]
    assert resting not in [one["scenario_id"] for one in found]
    up.cli("scenario", "stop", active)


def test_the_list_tells_how_far_each_one_is(up: Up, clip: Path) -> None:
    scenario_id = started(up, clip, "--detector", "motion")
    up.wait_until(scenario_id, lambda one: one["state"] == "inactive")

    table = up.cli("scenario", "list").out.splitlines()

    (line,) = [line for line in table if line.startswith(scenario_id)]
    assert line.split()[1:6] == ["inactive", "completed", "street.mp4", "1", "80"]


def test_show_tells_state_health_totals_and_history(up: Up, clip: Path, scene: Path) -> None:
    scenario_id = started(up, clip, "--scene", scene, "--detector", "motion")
    up.wait_until(scenario_id, lambda one: one["state"] == "inactive")

    told = up.cli("scenario", "show", scenario_id)
    whole = json.loads(up.cli("scenario", "show", scenario_id, "--json").out)

    assert told.code == 0
    for words in (
        "inactive for", "completed", "street.mp4 (uploaded)", "detector motion; every picture",
        "zone near", "finite, h264, 320x180", "looked at 80 of 80 pictures", "line middle:",
        "inactive → init_startup", "in_shutdown_processing → inactive",
        "model     motion, licence Apache-2.0; part of Vedette",
    ):  # fmt: skip
        assert words in told.out, words
    assert whole["totals"]["frames"]["looked_at"] == 80
    assert whole["model"] == whole["runs"][0]["facts"]["model"]
    assert (whole["model"]["name"], whole["model"]["card"]) == ("motion", None)


def test_watch_tells_lines_until_the_end(up: Up, clip: Path) -> None:
    scenario_id = started(up, clip, "--detector", "motion")

    told = up.cli("scenario", "watch", scenario_id)
    messages = up.cli("scenario", "watch", scenario_id, "--json").out.splitlines()

    assert told.code == 0
    assert told.out == ""
    assert told.err.splitlines()[-1].startswith("street.mp4: inactive, 0:07, moving")
    assert json.loads(messages[-1])["scenario"]["state"] == "inactive"
    assert json.loads(messages[-1])["rows"][-1]["frame"] == 79


@contextmanager
def watching(up: Up, scenario_id: str, **streams: int) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        command("scenario", "watch", scenario_id, "--server", up.url),
        env=environment(up.cache_dir, TERM="xterm", COLUMNS="100"),
        preexec_fn=heeding_interrupts, **{"stderr": subprocess.PIPE, **streams},
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.wait(240)
        if process.stderr is not None:
            process.stderr.close()


def test_watch_ends_at_ctrl_c_and_the_scenario_goes_on(up: Up) -> None:
    scenario_id = started(up, LONG, "--detector", "motion", "--fps", "1")
    up.wait_until(scenario_id, lambda one: one["totals"])

    with watching(up, scenario_id) as process:
        assert process.stderr is not None
        first = process.stderr.readline()
        process.send_signal(signal.SIGINT)
        code = process.wait(240)

    assert first.startswith(b"street: active")
    assert code == 130
    assert up.scenario(scenario_id)["state"] == "active"
    up.cli("scenario", "stop", scenario_id)


def test_watch_shows_rows_and_counts_in_place_on_a_terminal(up: Up, clip: Path) -> None:
    scenario_id = started(up, clip, "--detector", "motion")
    ours, theirs = pty.openpty()

    with watching(up, scenario_id, stdout=theirs) as process:
        os.close(theirs)
        drawn = b""
        try:
            while piece := os.read(ours, 4096):
                drawn += piece
        except OSError:  # The other end is gone.
            pass
        os.close(ours)
        code = process.wait(240)

    assert code == 0
    assert b"frame 79" in drawn
    assert b"distinct" in drawn
    assert b"completed" in drawn


def test_an_export_is_the_same_in_every_form(up: Up, clip: Path, tmp_path: Path) -> None:
    scenario_id = started(up, clip, "--detector", "motion")
    up.wait_until(scenario_id, lambda one: one["state"] == "inactive")
    targets = [tmp_path / f"seen.{form}" for form in ("jsonl", "csv", "parquet")]

    told = [up.cli("scenario", "export", scenario_id, "--predictions", one) for one in targets]
    piped = up.cli("scenario", "export", scenario_id, "--predictions", "-")

    assert [one.code for one in [*told, piped]] == [0, 0, 0, 0]
    lines = targets[0].read_text()
    assert piped.out == lines
    rows = [json.loads(line) for line in lines.splitlines()]
    assert [row["frame"] for row in rows] == list(range(80))
    with targets[1].open(newline="") as file:
        assert {int(row["frame"]) for row in csv.DictReader(file)} == set(range(80))
    table = pq.read_table(targets[2]).to_pylist()
    assert [row["objects"] for row in table] == [row["objects"] for row in rows]


def test_a_source_that_is_known_is_looked_at_anew(up: Up, clip: Path) -> None:
    first = up.scenario(started(up, clip, "--detector", "motion"))

    second = up.scenario(started(up, "--source-id", first["source"]["id"], "--fps", "2"))

    assert second["source"]["id"] == first["source"]["id"]
    assert second["parameters"]["fps"] == 2
    for words in ([], [clip, "--source-id", first["source"]["id"]]):
        wrong = up.cli("scenario", "start", *words)
        assert (wrong.code, wrong.sentence()) == (2, "name one: a SOURCE, or --source-id ID")
    nobody = up.cli("scenario", "start", "--source-id", "nobody")
    assert nobody.code == 2
    assert "nobody" in nobody.sentence()


def test_an_export_is_bounded_by_wall_time_and_by_frames(
    up: Up, clip: Path, tmp_path: Path
) -> None:
    words = ["--detector", "motion", "--recorded-at", "2026-03-01T12:00:00+01:00"]
    scenario_id = started(up, clip, *words)
    up.wait_until(scenario_id, lambda one: one["state"] == "inactive")

    def exported(*bounds: str) -> list[dict]:
        told = up.cli("scenario", "export", scenario_id, "--predictions", "-", *bounds)
        assert told.code == 0, told.err
        return [json.loads(line) for line in told.out.splitlines()]

    every = exported()
    within = exported("--from", "2026-03-01T11:00:02Z", "--to", "2026-03-01T12:00:03+01:00")
    frames = exported("--from-frame", "5", "--to-frame", "7")

    assert 0 < len(within) < len(every)
    assert within == [
        row for row in every
        if "2026-03-01T11:00:02.000Z" <= row["captured_at"] < "2026-03-01T11:00:03.000Z"
    ]  # fmt: skip
    assert [row["frame"] for row in frames] == [5, 6, 7]
    wrong = up.cli(
        "scenario", "export", scenario_id, "--predictions", "-", "--from", "2026-03-01T12:00:00"
    )
    assert wrong.code == 2
    assert wrong.sentence().startswith("--from 2026-03-01T12:00:00: write date, time and zone")


def test_an_export_of_what_still_runs_says_so(up: Up, tmp_path: Path) -> None:
    scenario_id = started(up, LONG, "--detector", "motion")
    up.wait_until(scenario_id, lambda one: one["totals"])
    target = tmp_path / "seen.jsonl"

    told = up.cli("scenario", "export", scenario_id, "--predictions", target, "--json")

    assert told.code == 0
    assert "it is active; this is what it holds so far" in told.err
    assert json.loads(told.out) == {
        "predictions": str(target), "size_bytes": target.stat().st_size,
    }  # fmt: skip
    up.cli("scenario", "stop", scenario_id)


def test_what_is_no_video_fails_with_its_reason(up: Up, tmp_path: Path) -> None:
    letter = tmp_path / "letter.mp4"
    letter.write_text("Dear reader, this is no video. " * 100)

    told = up.cli("scenario", "start", letter, "--wait")

    assert told.code == 3
    assert "failed" in told.sentence()
    assert "letter.mp4" in told.out


def test_an_upload_is_never_whole_in_memory(up: Up, tmp_path: Path) -> None:
    large = tmp_path / "large.mp4"
    with large.open("wb") as file:
        file.truncate(200 * 2**20)

    watched = (
        "import atexit, sys; from vedette.__main__ import main; "
        "atexit.register(lambda: print(open('/proc/self/status').read())); main()"
    )
    told = subprocess.run(
        [sys.executable, "-c", watched, "scenario", "start", str(large), "--server", up.url],
        env=environment(up.cache_dir), capture_output=True, text=True, check=True, timeout=240,
    )  # fmt: skip

    (most,) = re.findall(r"VmHWM:\s+(\d+) kB", told.stdout)
    assert int(most) < 120_000


def test_an_upload_that_is_too_large_or_empty_is_refused_in_one_sentence(tmp_path: Path) -> None:
    clips = {"far": 50_000_000, "just": 1_500_000, "empty": 0}
    with running_up(tmp_path / "data", VEDETTE_UPLOAD_BYTES_MAX="1000000") as up:
        told = {}
        for name, size_bytes in clips.items():
            path = tmp_path / f"{name}.mp4"
            with path.open("wb") as file:
                file.truncate(size_bytes)
            told[name] = up.cli("scenario", "start", path)
        kept = [path for path in (tmp_path / "data" / "blobs").rglob("*") if path.is_file()]

    assert {name: one.code for name, one in told.items()} == dict.fromkeys(clips, 2)
    assert "bytes" in told["far"].sentence()
    assert "larger than 1000000 bytes" in told["just"].sentence()
    assert "empty" in told["empty"].sentence()
    assert kept == []


def test_a_password_is_shown_nowhere(up: Up) -> None:
    address = "rtsp://ann:geheim@127.0.0.1:9/main"
    scenario_id = started(up, address)

    shown = [
        up.cli("scenario", *words)
        for words in (
            ["list"], ["list", "--json"], ["show", scenario_id], ["show", scenario_id, "--json"],
            ["stop", scenario_id],
        )
    ]  # fmt: skip

    assert [one.code for one in shown] == [0] * 5
    assert "127.0.0.1:9/main" in shown[2].out
    assert "geheim" not in "".join(one.out + one.err for one in shown)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["show", NO_SUCH_ID], "there is none of that id"),
        (["stop", "../../healthz"], "there is none of that id"),
        (["export", NO_SUCH_ID, "--predictions", "{folder}/x.jsonl"], "there is none of that id"),
        (["watch", NO_SUCH_ID], "there is none of that id"),
        (["list", "--state", "asleep"], "state"),
        (["start", "{folder}/none.mp4"], "none.mp4: no such file"),
        (["start", "{folder}"], "is no file that can be uploaded"),
        (["start", "/dev/null"], "vedette run /dev/null"),
        (["start", "ftp://ann:geheim@10.0.0.7/x"], "'ftp:' is not opened from here"),
        (["start", "http://ann:geheim@169.254.169.254/x"], "leads to this machine's own link"),
        (["start", LONG, "--scene", "{folder}/none.yaml"], "none.yaml"),
        (["start", LONG, "--fps", "0"], "--fps 0"),
        (["start", LONG, "--classes", ","], "--classes"),
        (["start", LONG, "--detector", "../x.onnx"], "name 'auto', 'motion' or an installed"),
        (["start", LONG, "--recorded-at", "yesterday"], "write date, time and zone"),
        (["start", LONG, "--recorded-at", "2026-03-01T12:00:00"], "write date, time and zone"),
        (["export", "x", "--predictions", "seen.txt"], ".jsonl, .csv or .parquet"),
        (["export", "x", "--predictions", "-", "--json"], "both want standard output"),
        (["list", "--server", "127.0.0.1:8470"], "write http://HOST:PORT"),
    ],
)
def test_mistakes_are_told_in_one_sentence(
    up: Up, tmp_path: Path, words: list[str], sentence: str
) -> None:
    told = up.cli("scenario", *[word.format(folder=tmp_path) for word in words])

    assert told.code == 2, told
    assert sentence in told.sentence()
    assert "geheim" not in told.out + told.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "words",
    [["list"], ["start", LONG], ["watch", NO_SUCH_ID], ["stop", NO_SUCH_ID]],
)
def test_where_nobody_answers_it_says_how_to_start_one(tmp_path: Path, words: list[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # And nobody listens.
        url = f"http://ann:geheim@127.0.0.1:{taken.getsockname()[1]}"
        told = vedette("scenario", *words, "--server", url, cache_dir=tmp_path)

    assert told.code == 3
    assert "start one with `vedette up`" in told.sentence()
    assert "geheim" not in told.err


class _Stranger(http.server.BaseHTTPRequestHandler):
    """A server that is no Vedette, and one that breaks off in the middle of an export."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path.startswith(f"/api/v1/scenarios/{NO_SUCH_ID}/export"):
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"a\r\n0123456789\r\n")
            self.close_connection = True
        elif NO_SUCH_ID in self.path:
            self._say(200, b'{"state": "inactive", "run": 1}')
        else:
            self._say(404, b"<html>no such page</html>")

    def _say(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def stranger() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Stranger)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_server_that_is_no_vedette_is_told_apart(stranger: str, tmp_path: Path) -> None:
    told = vedette("scenario", "list", "--server", stranger, cache_dir=tmp_path)

    assert told.code == 2
    assert "is no Vedette" in told.sentence()


def test_an_export_that_breaks_off_leaves_what_was_there(stranger: str, tmp_path: Path) -> None:
    target = tmp_path / "seen.jsonl"
    target.write_text("from yesterday\n")

    told = vedette(
        "scenario", "export", NO_SUCH_ID, "--predictions", target, "--server", stranger,
        cache_dir=tmp_path,
    )  # fmt: skip

    assert told.code == 3
    assert "broke off" in told.sentence()
    assert target.read_text() == "from yesterday\n"
    assert [path.name for path in tmp_path.iterdir()] == ["seen.jsonl"]


def test_ctrl_c_while_waiting_leaves_the_scenario_running(up: Up) -> None:
    process = subprocess.Popen(
        command("scenario", "start", LONG, "--detector", "motion", "--wait", "--server", up.url),
        env=environment(up.cache_dir), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=heeding_interrupts,
    )  # fmt: skip
    with process:
        assert process.stdout is not None
        scenario_id = process.stdout.readline().split()[1]
        up.wait_until(scenario_id, lambda one: one["state"] == "active")
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=240)

    told = Told(process.returncode, "", err)
    assert told.code == 130
    assert f"it goes on; to stop it: vedette scenario stop {scenario_id}" in told.sentence()
    assert up.scenario(scenario_id)["state"] == "active"
    up.cli("scenario", "stop", scenario_id)


def test_help_of_every_verb_is_quick(tmp_path: Path) -> None:
    vedette("scenario", "--help", cache_dir=tmp_path)  # Whatever is compiled is so now.
    tries = []
    for _ in range(5):
        started_s = time.monotonic()
        assert vedette("scenario", "start", "--help", cache_dir=tmp_path).code == 0
        tries.append(time.monotonic() - started_s)

    # The figure is 0.3 s (make bench); a shared machine is given some room here.
    assert min(tries) < 0.6
