"""What a crashed process leaves behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from vedette.domain.ids import RunnerId, SourceId
from vedette.store.holders import Holders
from vedette.store.last_words import KEPT_S, LastWords

COMPLAINT = "the evidence of a crash cannot be written, so one may not be put down to its source"
RUNNER, LIFE = RunnerId("one"), "first-life"
BEGIN = """
import ctypes, logging, os, signal, sys, threading, time
from pathlib import Path
from vedette.store.last_words import LastWords

folder = Path(sys.argv[1])
words = LastWords(folder)
words.begin("one", "first-life")
"""
CRASH = """
def work(source, crashes):
    words.working_on(source)
    time.sleep(0.1)
    if crashes:
        if sys.argv[2] == "SIGSEGV":
            ctypes.string_at(0)
        os.kill(os.getpid(), getattr(signal, sys.argv[2]))
    time.sleep(5)

for source, crashes in (("innocent", False), ("culprit", True)):
    threading.Thread(target=work, args=(source, crashes), daemon=True).start()
time.sleep(5)
"""
LIVING = """
from vedette.store.holders import Holders

Holders(folder / "holders").announce("one", "first-life")
words.working_on("culprit")
print("lives", flush=True)
sys.stdin.readline()
ctypes.string_at(0)
"""


def run(folder: Path, script: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Have a process of its own begin and then do as told."""
    return subprocess.run(
        [sys.executable, "-c", BEGIN + script, str(folder), *words],
        timeout=240,
        check=False,
        capture_output=True,
        text=True,
    )


def crash(folder: Path, how: str) -> int:
    return run(folder, CRASH, how).returncode


def named(folder: Path) -> SourceId | None:
    """Give whom the crash of the first life is put down to; there was one."""
    evidence = LastWords(folder).of(RUNNER, LIFE)
    assert evidence is not None
    return evidence.source_id


def leave_files(folder: Path, life: str, *, crashed_ago_s: float, worked_ago_s: float) -> None:
    for kind, ago_s in (("crash", crashed_ago_s), ("threads", worked_ago_s)):
        path = folder / f"{life}.{kind}"
        path.write_text("something\n")
        os.utime(path, (time.time() - ago_s, time.time() - ago_s))


def test_a_native_crash_names_the_source_it_happened_on(tmp_path: Path) -> None:
    assert crash(tmp_path, "SIGSEGV") == -signal.SIGSEGV

    evidence = LastWords(tmp_path).of(RUNNER, LIFE)

    assert evidence is not None
    assert evidence.source_id == SourceId("culprit")
    assert evidence.what.startswith("Segmentation fault in string_at (__init__.py:")


@pytest.mark.parametrize("asked", ["second-life", "first-life"])
def test_who_was_killed_from_outside_or_lived_another_life_said_nothing(
    asked: str, tmp_path: Path
) -> None:
    how = "SIGKILL" if asked == "first-life" else "SIGSEGV"
    crash(tmp_path, how)

    assert LastWords(tmp_path).of(RUNNER, asked) is None


def test_who_never_was_said_nothing(tmp_path: Path) -> None:
    assert LastWords(tmp_path).of(RunnerId("nobody"), "x") is None


def test_who_ends_in_order_leaves_nothing_though_threads_of_it_still_work(tmp_path: Path) -> None:
    done = run(
        tmp_path,
        """
def work():
    while True:
        words.working_on("a")
        words.working_on("b")

threading.Thread(target=work, daemon=True).start()
time.sleep(0.05)
words.close()
time.sleep(0.05)
""",
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert list((tmp_path / "holders").iterdir()) == []


def test_a_full_disk_harms_no_work_and_is_told_once(tmp_path: Path) -> None:
    # Given a disk with no room for another byte
    (tmp_path / "holders").mkdir()
    (tmp_path / "holders" / f"{RUNNER}.{LIFE}.threads").symlink_to("/dev/full")

    done = run(
        tmp_path,
        """
for number in range(200):
    words.working_on(f"source {number % 3}")
ended = threading.Thread(target=words.working_on, args=("another",))
ended.start()
ended.join()
words.close()
print("worked")
""",
    )

    assert done.stdout == "worked\n", done.stderr
    assert done.stderr.splitlines() == [f"{COMPLAINT}: No space left on device"]


@pytest.mark.parametrize("in_the_way", ["holders", "holders/one.first-life.crash/x"])
def test_where_no_file_can_be_made_the_work_begins_all_the_same(
    in_the_way: str, tmp_path: Path
) -> None:
    (tmp_path / in_the_way).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / in_the_way).touch()

    done = run(tmp_path, 'words.working_on("a"); words.close(); print("worked")')

    assert done.stdout == "worked\n", done.stderr
    assert done.stderr.count(COMPLAINT) == 1


def test_who_has_lived_for_days_still_names_the_source_after_others_began(tmp_path: Path) -> None:
    # Given a runner that wrote its last word long ago
    living = subprocess.Popen(
        [sys.executable, "-c", BEGIN + LIVING, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert living.stdout is not None and living.stdin is not None
    assert living.stdout.readline() == "lives\n"
    for path in (tmp_path / "holders").glob(f"{RUNNER}.{LIFE}.*"):
        os.utime(path, (time.time() - 2 * KEPT_S,) * 2)

    # When another one starts, and only then the first crashes
    beginning = BEGIN.replace('"one"', '"two"').replace("first-life", "another-life")
    subprocess.run([sys.executable, "-c", beginning, str(tmp_path)], timeout=240, check=True)
    living.communicate("\n", timeout=240)

    assert living.returncode == -signal.SIGSEGV
    assert named(tmp_path) == SourceId("culprit")


def test_files_of_the_dead_go_after_a_day_and_no_others(tmp_path: Path) -> None:
    folder, old_s = tmp_path / "holders", 2 * KEPT_S
    holders = Holders(folder)
    for runner_id in ("long-dead", "just-crashed", "just-dead", "anew"):
        holders.announce(runner_id, "life-1")
        holders.withdraw(runner_id)
    holders.announce("anew", "life-2")
    try:
        leave_files(folder, "long-dead.life-1", crashed_ago_s=old_s, worked_ago_s=old_s)
        leave_files(folder, "just-crashed.life-1", crashed_ago_s=1, worked_ago_s=old_s)
        leave_files(folder, "just-dead.life-1", crashed_ago_s=old_s, worked_ago_s=1)
        leave_files(folder, "anew.life-1", crashed_ago_s=old_s, worked_ago_s=old_s)
        leave_files(folder, "anew.life-2", crashed_ago_s=old_s, worked_ago_s=old_s)
        # Nobody holds a lock by this name: whether its process lives is not known.
        leave_files(folder, "unknown.life-1", crashed_ago_s=old_s, worked_ago_s=old_s)

        run(tmp_path, "words.close()")
    finally:
        holders.withdraw_all()

    kept = ("just-crashed.life-1", "just-dead.life-1", "anew.life-2", "unknown.life-1")
    left = {path.name for path in folder.iterdir() if path.suffix != ".lock"}
    assert left == {f"{life}.{kind}" for life in kept for kind in ("crash", "threads")}


def test_the_last_word_of_a_thread_counts_however_many_came_before(tmp_path: Path) -> None:
    run(
        tmp_path,
        """
for number in range(150_000):
    words.working_on(f"an innocent source with a long name {number % 2}")
words.working_on("culprit")
ctypes.string_at(0)
""",
    )

    assert named(tmp_path) == SourceId("culprit")


def test_threads_that_come_and_go_need_no_more_room(tmp_path: Path) -> None:
    done = run(
        tmp_path,
        """
threads = folder / "holders" / "one.first-life.threads"
for number in range(2000):
    one = threading.Thread(target=words.working_on, args=(f"source {number}",))
    one.start()
    one.join()
    if number % 1000 == 9:
        print(threads.stat().st_size)
print(threads.stat().st_size)
""",
    )

    sizes = [int(line) for line in done.stdout.split()]
    assert len(sizes) == 3 and len(set(sizes)) == 1, done.stderr


def test_of_many_threads_each_has_a_word_of_its_own(tmp_path: Path) -> None:
    run(
        tmp_path,
        """
def work(number):
    words.working_on(f"source {number}")
    if number == 699:  # The handler writes the newest 100 only.
        ctypes.string_at(0)
    time.sleep(10)

for number in range(700):
    threading.Thread(target=work, args=(number,), daemon=True).start()
time.sleep(10)
""",
    )

    assert named(tmp_path) == SourceId("source 699")


def test_a_thread_that_is_gone_speaks_for_nobody_who_has_its_number_now(tmp_path: Path) -> None:
    run(
        tmp_path,
        """
gone = threading.Thread(target=words.working_on, args=("innocent",))
gone.start()
gone.join()

def crash_under(number):
    if threading.get_ident() == number:
        ctypes.string_at(0)

for _ in range(1000):
    newer = threading.Thread(target=crash_under, args=(gone.ident,))
    newer.start()
    newer.join()
""",
    )

    assert named(tmp_path) is None


@pytest.mark.parametrize("how", ["changed", "cut", "scrambled"])
def test_a_word_written_by_half_names_nobody(how: str, tmp_path: Path) -> None:
    crash(tmp_path, "SIGSEGV")
    path = tmp_path / "holders" / f"{RUNNER}.{LIFE}.threads"
    written = path.read_bytes()
    at = written.index(b"culprit")

    path.write_bytes(
        {
            "changed": written.replace(b"culprit", b"culpable"[:7]),
            "cut": written[: at + 3],
            "scrambled": b"\xff x\n" * 1000,
        }[how]
    )

    assert named(tmp_path) is None


def test_a_name_too_long_to_be_written_is_never_taken_for_another(tmp_path: Path) -> None:
    run(tmp_path, 'words.working_on("a"); words.working_on("a" * 500); ctypes.string_at(0)')

    assert named(tmp_path) in (None, SourceId("a" * 500))
