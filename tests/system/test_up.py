"""`vedette up` as a process: one per folder, ended in order, killed, and gone on from."""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from websockets.sync.client import connect

from pace import Pace
from parts import need
from processes import children_of
from running_up import Up, running_up
from shell import command, environment, vedette
from street_clip import make_street_clip
from system.cluster import cluster
from vedette.store.migrating import HEAD
from vedette.store.sqlite import SqliteStore

# Half a minute of work, so that there is time to end its runner in the middle of it.
STREET = "synthetic://street?people=3&vehicles=1&seed=2&seconds=300&fps=15&width=640&height=360"
SHORT = "synthetic://street?people=2&vehicles=1&seed=1&seconds=6&fps=5&width=320&height=180"
# So long that whoever waits for a lease to run out is late.
PATIENT = {"VEDETTE_LEASE_S": "60"}
SCENE = Path("examples/street.yaml")
END_S_MAX = 10.0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data"


def frames(scenario: dict) -> int:
    return (scenario["totals"] or {"frames": {"looked_at": 0}})["frames"]["looked_at"]


def started_with(up: Up) -> str:
    """Give the id of the scenario that came with it."""
    return up.wait_for(" is started").split()[1]


def wait_for_frames(up: Up, scenario_id: str, least: int) -> dict:
    return up.wait_until(scenario_id, lambda one: frames(one) >= least)


def exported(up: Up, scenario_id: str) -> list[dict]:
    told = up.cli("scenario", "export", scenario_id, "--predictions", "-")
    assert told.code == 0, told.err
    return [json.loads(line) for line in told.out.splitlines()]


def without_origin(row: dict) -> dict:
    return {key: row[key] for key in row.keys() - {"scenario_id", "camera_id", "run"}}


def test_it_says_where_it_listens_and_is_ready_then(folder: Path) -> None:
    with running_up(folder) as up:
        answers = [up.get("/healthz"), up.get("/readyz")]

        assert up.said == [f"vedette: listening on {up.url}, data in {folder}"]
        assert [one.status_code for one in answers] == [200, 200]


def test_a_second_one_on_the_folder_is_refused_by_the_name_of_the_first(
    folder: Path, tmp_path: Path
) -> None:
    with running_up(folder) as up:
        second = vedette("up", "--data", folder, "--listen", "127.0.0.1:0", cache_dir=tmp_path)

        assert second.code == 2
        assert f"pid {up.process.pid}, {up.url}" in second.sentence()
        assert up.get("/readyz").status_code == 200


def test_beyond_loopback_nothing_is_told_to_whoever_shows_no_token(folder: Path) -> None:
    kept = folder / "api.token"
    with running_up(folder, "--start", SHORT, listen="0.0.0.0:0") as up:
        token = up.wait_for("callers show a token").split()[5]
        # A web page cannot choose the name that its browser sends; whoever wants in can.
        refused = [
            httpx.get(f"{up.url}{path}", headers={"Host": "localhost"}, trust_env=False)
            for path in ("/api/v1/scenarios", "/scenario/x/", "/metrics", "/api/v1/openapi.json")
        ]
        scenario_id = started_with(up)
        without = up.cli("scenario", "watch", scenario_id)
        shown = up.cli("scenario", "watch", scenario_id, VEDETTE_TOKEN=token)

        assert [one.status_code for one in refused] == [401] * 4
        assert without.code == 2
        assert "VEDETTE_TOKEN" in without.sentence()
        assert shown.code == 0, shown.err
        assert kept.stat().st_mode & 0o777 == 0o600
        assert httpx.get(f"{up.url}/readyz", trust_env=False).status_code == 200

    with running_up(folder, listen="0.0.0.0:0") as up:
        assert token not in "".join(up.said)
        assert f"see {kept}" in up.wait_for("callers show a token")
        assert up.cli("scenario", "list", VEDETTE_TOKEN=token).code == 0


def test_ctrl_c_ends_it_in_order_and_the_next_one_goes_on(folder: Path) -> None:
    with running_up(folder, "--start", STREET, **PATIENT) as up:
        scenario_id = started_with(up)
        wait_for_frames(up, scenario_id, 50)
        # Somebody who looks on does not keep it.
        with connect(f"{up.url.replace('http', 'ws')}/api/v1/scenarios/{scenario_id}/live") as live:
            live.recv(timeout=240)
            with Pace() as pace:
                code = up.interrupt()

    assert code == 0
    assert pace.kept(END_S_MAX), pace
    assert "Traceback" not in up.log()

    with running_up(folder, **PATIENT) as again:
        known = again.scenario(scenario_id)
        assert (known["wanted"], known["run"]) == ("active", 1)
        assert frames(known) >= 50
        wait_for_frames(again, scenario_id, frames(known) + 1)
        again.cli("scenario", "stop", scenario_id)
        seen = [row["frame"] for row in exported(again, scenario_id)]
        assert seen == list(range(len(seen)))


def test_ctrl_c_ends_it_in_time_while_a_host_says_nothing_and_a_source_runs_apart(
    folder: Path,
) -> None:
    settings = {"VEDETTE_QUARANTINE_DEATHS": "1", **PATIENT}
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        running_up(folder, "--start", STREET, **settings) as up,
    ):
        scenario_id = started_with(up)
        wait_for_frames(up, scenario_id, 5)
        up.kill()
        silent_url = f"rtsp://127.0.0.1:{silent.getsockname()[1]}/camera"
        with running_up(folder, "--start", silent_url, **settings) as again:
            known = frames(again.scenario(scenario_id))
            wait_for_frames(again, scenario_id, known + 1)
            assert children_of(again.process.pid), "the street runs apart, for its holder died"
            url = f"{again.url.replace('http', 'ws')}/api/v1/scenarios/{scenario_id}/live"
            with connect(url), Pace() as pace:
                code = again.interrupt()
            assert code == 0
            assert pace.kept(END_S_MAX), pace
            assert "did not end in time role" not in again.log()


def test_four_kills_in_a_row_leave_no_camera_in_the_dark(folder: Path) -> None:
    """More cameras than can run apart, all suspected of deaths that none of them caused."""
    count = 12
    street = "synthetic://street?people=1&vehicles=0&seed={}&seconds=3600&width=320&height=180"
    ids: list[str] = []
    for _ in range(4):
        with running_up(folder, VEDETTE_COMMIT_S="0.2") as up:
            for number in range(len(ids), count):
                asked = {"url": street.format(number), "detector": "motion", "fps": 1}
                answer = httpx.post(f"{up.url}/api/v1/scenarios", json=asked, timeout=240)
                ids.append(answer.json()["scenario_id"])
            before = [frames(up.scenario(one)) for one in ids]
            for one, least in zip(ids, before, strict=True):
                wait_for_frames(up, one, least + 1)
            up.kill()

    with running_up(folder) as up:
        before = [frames(up.scenario(one)) for one in ids]
        for one, least in zip(ids, before, strict=True):
            wait_for_frames(up, one, least + 1)


def test_after_a_kill_the_next_one_continues_at_once(folder: Path) -> None:
    with running_up(folder, "--start", STREET, **PATIENT) as up:
        scenario_id = started_with(up)
        before = wait_for_frames(up, scenario_id, 50)
        up.kill()

    with running_up(folder, **PATIENT) as again:
        with Pace() as pace:
            known = frames(again.scenario(scenario_id))
            after = wait_for_frames(again, scenario_id, known + 1)
        again.cli("scenario", "stop", scenario_id)
        seen = [row["frame"] for row in exported(again, scenario_id)]

    assert known >= frames(before)
    assert after["run"] == 1
    assert after["source"]["token"] > before["source"]["token"]
    # A lease is a minute here: it was not waited for.
    assert pace.kept(15), pace
    assert seen == list(range(len(seen)))


def test_an_upload_that_is_no_video_fails_alone_and_says_why(folder: Path, tmp_path: Path) -> None:
    bad = {
        "huge.y4m": (
            b"YUV4MPEG2 W99999 H99999 F25:1 Ip A1:1 C420jpeg\nFRAME\n" + bytes(9000),
            "larger than",
        ),
        "words.mp4": (b"these are words\n" * 1000, "no video"),
    }
    with running_up(folder, "--start", STREET) as up:
        good = started_with(up)
        for name, (content, why) in bad.items():
            (tmp_path / name).write_bytes(content)
            told = up.cli("scenario", "start", tmp_path / name, "--detector", "motion", "--json")
            assert told.code == 0, told.err
            one = up.wait_until(
                json.loads(told.out)["scenario_id"],
                lambda now: now["state"] == "inactive" and now["run"],
            )
            assert one["status_reason"] == "failed"
            assert why in one["detail"], one["detail"]
            assert str(folder) not in one["detail"], "nobody outside needs to know where it lies"
        wait_for_frames(up, good, frames(up.scenario(good)) + 5)


def test_whoever_waits_for_the_end_sees_it_over_a_kill_and_a_restart(folder: Path) -> None:
    street = STREET.replace("seconds=300", "seconds=60")
    with running_up(folder) as up:
        waiting = subprocess.Popen(
            command("scenario", "start", street, "--detector", "motion", "--wait"),
            env=environment(up.cache_dir, VEDETTE_SERVER=up.url),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert waiting.stdout is not None and waiting.stderr is not None
        scenario_id = waiting.stdout.readline().split()[1]
        wait_for_frames(up, scenario_id, 20)
        up.kill()
        # Not before it has noticed; started anew at once, it often would not.
        assert any("waiting for it" in line for line in waiting.stderr)
        with running_up(folder, listen=up.url.removeprefix("http://")):
            out, err = waiting.communicate(timeout=240)

    assert waiting.returncode == 0, err
    assert "looked at 900 of 900 pictures" in out
    assert "vedette: " not in err


def real_clip(_: Path) -> Path:
    named = os.environ.get("VEDETTE_DATA", "")
    path = Path(named) / "videos" / "one-by-one-person-detection.mp4"
    need("data", bool(named) and path.is_file(), "set VEDETTE_DATA to the folder of clips")
    return path


def street_clip(folder: Path) -> Path:
    path = folder / "street.mp4"
    make_street_clip(path, seed=3)
    return path


@pytest.mark.parametrize("make", [street_clip, real_clip])
def test_an_uploaded_clip_gives_the_rows_that_run_writes(
    make: Callable[[Path], Path], folder: Path, tmp_path: Path
) -> None:
    clip, target = make(tmp_path), tmp_path / "alone.jsonl"
    alone = vedette(
        "run", clip, "--detector", "motion", "--fps", "5", "--scene", SCENE,
        "--predictions", target, cache_dir=tmp_path / "cache",
    )  # fmt: skip
    assert alone.code == 0, alone.err

    with running_up(folder) as up, httpx.Client(base_url=up.url, trust_env=False) as client:
        with clip.open("rb") as video:
            answer = client.post(
                "/scenario/",
                data={"detector": "motion", "fps": "5", "scene": SCENE.read_text()},
                files={"video": (clip.name, video, "video/mp4")},
            )
        assert answer.status_code == 202, answer.text
        scenario_id = answer.json()["scenario_id"]
        ended = up.wait_until(scenario_id, lambda one: one["state"] == "inactive", deadline_s=240)
        rows = exported(up, scenario_id)

    assert ended["status_reason"] == "completed", ended
    expected = [json.loads(line) for line in target.read_text().splitlines()]
    assert len(expected) > 30
    assert [list(row) for row in rows] == [list(row) for row in expected]
    assert [without_origin(row) for row in rows] == [without_origin(row) for row in expected]
    assert {(row["scenario_id"], row["run"]) for row in rows} == {(scenario_id, "1")}


def test_a_scenario_that_comes_with_it_is_made_once_per_folder(folder: Path) -> None:
    words = ["--start", SHORT, "--detector", "motion"]
    with running_up(folder, *words) as up:
        first = started_with(up)
        up.wait_until(first, lambda one: one["state"] == "inactive")
        up.wait_for("goes on serving")
        assert up.interrupt() == 0

    with running_up(folder, *words) as up:
        assert started_with(up) == first
        up.wait_until(first, lambda one: one["state"] == "inactive" and one["run"] == 2)

    # Killed before it could note what it had made: the key it asked with is the same.
    (folder / "started.json").unlink()
    with running_up(folder, *words) as up:
        assert started_with(up) == first

    with running_up(folder, "--start", SHORT) as up:
        assert started_with(up) != first
        listed = json.loads(up.cli("scenario", "list", "--json").out)
        assert len(listed) == 2


def test_a_scenario_that_still_runs_goes_on_instead_of_beginning_anew(folder: Path) -> None:
    with running_up(folder, "--start", STREET) as up:
        scenario_id = started_with(up)
        wait_for_frames(up, scenario_id, 10)
        up.kill()

    with running_up(folder, "--start", STREET) as up:
        assert started_with(up) == scenario_id
        assert up.scenario(scenario_id)["run"] == 1


def test_the_end_of_the_built_in_scene_is_told_beside_its_truth(folder: Path) -> None:
    with running_up(folder, "--start", SHORT, "--scene", SCENE) as up:
        up.wait_for("goes on serving")

        told = "\n".join(up.said)
        assert "how it does         " in told
        assert "street: 0:06 of video in " in told
        assert "looked at 30 of 30 pictures" in told
        assert "3 moving objects (2 people, 1 vehicles)" in told
        assert "line road:" in told
        assert up.get("/readyz").status_code == 200


def test_a_file_that_comes_with_it_is_uploaded_once(folder: Path, tmp_path: Path) -> None:
    clip = street_clip(tmp_path)
    for run in (1, 2):
        with running_up(folder, "--start", clip, "--detector", "motion") as up:
            scenario_id = started_with(up)
            up.wait_until(
                scenario_id,
                lambda one, run=run: one["state"] == "inactive" and one["run"] == run,
            )

    assert len(list((folder / "blobs" / "uploads").rglob("*.mp4"))) == 1


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--listen", "127.0.0.1"], "write HOST:PORT"),
        (["--listen", "192.0.2.1:8470"], "name another with --listen"),
        (["--listen", "{taken}"], "Address already in use; name another with --listen"),
        (["--start", "none.mp4"], "none.mp4: no such file"),
        (["--start", "ftp://ann:geheim@10.0.0.7/x"], "'ftp:' is not opened from here"),
        (["--start", SHORT, "--scene", "none.yaml"], "none.yaml"),
        (["--scene", "examples/street.yaml"], "name a source"),
        (["--data", "/proc/vedette"], "data directory /proc/vedette: "),
        (["--data", "{file}"], "data directory {file}: "),
    ],
)
def test_what_cannot_be_is_told_in_one_sentence(
    tmp_path: Path, words: list[str], sentence: str
) -> None:
    (tmp_path / "file").write_text("x")
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        named = {"taken": f"127.0.0.1:{listener.getsockname()[1]}", "file": str(tmp_path / "file")}
        told = vedette(
            "up", "--data", tmp_path / "data", "--listen", "127.0.0.1:0",
            *[word.format(**named) for word in words], cache_dir=tmp_path,
        )  # fmt: skip

    assert told.code == 2
    assert sentence.format(**named) in told.sentence()
    assert "geheim" not in told.err


def write_letter(path: Path) -> None:
    path.write_text("Dear reader, this is no database. " * 100)


def write_foreign(path: Path) -> None:
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE songs (title TEXT)")
    other.close()


def write_newer(path: Path) -> None:
    store = SqliteStore(path.parent)
    store.migrate()
    store.close()
    with sqlite3.connect(path) as ours:
        ours.execute(
            "UPDATE alembic_version SET version_num = '9999' WHERE version_num = ?", [HEAD]
        )
    ours.close()


@pytest.mark.parametrize(
    ("write", "sentence"),
    [
        (write_letter, "this is no database"),
        (write_foreign, "belongs to another program"),
        (write_newer, "newer"),
    ],
)
def test_a_database_that_is_not_ours_is_refused_and_left_as_it_is(
    write: Callable[[Path], None], sentence: str, folder: Path, tmp_path: Path
) -> None:
    folder.mkdir()
    write(folder / "vedette.db")
    before = (folder / "vedette.db").read_bytes()

    told = vedette("up", "--data", folder, "--listen", "127.0.0.1:0", cache_dir=tmp_path)

    assert told.code == 2
    assert sentence in told.sentence()
    assert (folder / "vedette.db").read_bytes() == before


def test_a_second_runner_of_the_same_name_is_refused_in_one_sentence(tmp_path: Path) -> None:
    with cluster(tmp_path / "data") as house:
        house.start("runner", "--name", "door")

        second = subprocess.run(
            [sys.executable, "-m", "vedette", "runner", "--data", str(house.folder),
             "--name", "door"],
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )  # fmt: skip

    assert second.returncode == 2
    assert second.stdout == ""  # Never "ready".
    assert "runner 'door': another process runs under this name" in second.stderr
    assert "Traceback" not in second.stderr
