"""The deployment that tests kill: the one to measure."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))

from system.cluster import Cluster

__all__ = ["Cluster", "deployment", "start_program"]

# What lingers after an end is killed by then.
END_S = 10.0


@contextmanager
def deployment(**environment: str) -> Iterator[Cluster]:
    """Give a deployment in a folder of its own; both are gone afterwards."""
    with (
        TemporaryDirectory(ignore_cleanup_errors=True) as folder,
        Cluster(Path(folder), **environment) as house,
    ):
        yield house


@contextmanager
def start_program(module: str, *words: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Start `python -m MODULE WORDS`; give it with the first line it says, and end it after."""
    process = subprocess.Popen(
        [sys.executable, "-m", module, *words], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        yield process, process.stdout.readline().strip()
    finally:
        process.terminate()
        try:
            process.wait(END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()
