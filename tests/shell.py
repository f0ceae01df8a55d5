"""Runs the command line as a person does: another process, its words and its exit code."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

PATIENCE_S = 240.0
# How the one line begins that tells which detector `auto` took.
AUTO_NOTES = (
    "vedette: no model is installed", "vedette: the model that comes with Vedette cannot be used",
    "vedette: detector vedette-",
)  # fmt: skip


@dataclass(frozen=True)
class Told:
    """What a command answered."""

    code: int
    out: str
    err: str

    def sentence(self) -> str:
        """Give the one sentence of a refusal; fails where there is more, or a traceback."""
        assert "Traceback" not in self.err + self.out, self.err
        lines = [
            line for line in self.err.splitlines()
            if line.startswith("vedette: ") and not line.startswith(AUTO_NOTES)
        ]  # fmt: skip
        assert len(lines) == 1, self.err
        return lines[0].removeprefix("vedette: ")


def environment(cache_dir: Path, **settings: str) -> dict[str, str]:
    """Give an environment whose models and settings are only those of the test."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("VEDETTE_")}
    return {**kept, "VEDETTE_CACHE_DIR": str(cache_dir), **settings}


def heeding_interrupts() -> None:
    """For `preexec_fn`: a test run put in the background hands down ignored Ctrl-C and hang-up."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def command(*words: object) -> list[str]:
    """Give the command line of `vedette WORDS`."""
    return [sys.executable, "-m", "vedette", *map(str, words)]


def vedette(*words: object, cache_dir: Path, **settings: str) -> Told:
    """Run `vedette WORDS` to its end."""
    done = subprocess.run(
        command(*words), env=environment(cache_dir, **settings),
        capture_output=True, text=True, timeout=PATIENCE_S, check=False,
    )  # fmt: skip
    return Told(done.returncode, done.stdout, done.stderr)
