"""What a crashed process leaves behind."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from vedette.domain.ids import RunnerId, SourceId
from vedette.store.last_words import LastWords

CRASH = """
import ctypes, os, signal, sys, threading, time
from pathlib import Path
from vedette.store.last_words import LastWords

words = LastWords(Path(sys.argv[1]))
words.begin("one", "first-life")

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


def crash(folder: Path, how: str) -> int:
    done = subprocess.run([sys.executable, "-c", CRASH, str(folder), how], timeout=20, check=False)
    return done.returncode


def test_a_native_crash_names_the_source_it_happened_on(tmp_path: Path) -> None:
    assert crash(tmp_path, "SIGSEGV") == -signal.SIGSEGV

    evidence = LastWords(tmp_path).of(RunnerId("one"), "first-life")

    assert evidence is not None
    assert evidence.source_id == SourceId("culprit")
    assert evidence.what.startswith("Segmentation fault in string_at (__init__.py:")


@pytest.mark.parametrize("asked", ["second-life", "first-life"])
def test_who_was_killed_from_outside_or_lived_another_life_said_nothing(
    asked: str, tmp_path: Path
) -> None:
    how = "SIGKILL" if asked == "first-life" else "SIGSEGV"
    crash(tmp_path, how)

    assert LastWords(tmp_path).of(RunnerId("one"), asked) is None


def test_who_never_was_said_nothing(tmp_path: Path) -> None:
    assert LastWords(tmp_path).of(RunnerId("nobody"), "x") is None
