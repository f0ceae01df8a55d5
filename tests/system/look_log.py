"""Counts looks from outside: what the libraries that do the looking are asked, life after life.

A runner killed with -9 cannot say how far it was beyond its last commit. So ONNX Runtime and OpenCV
are told, in every process, to write down when they are asked for what a look needs once.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

_VARIABLE, _DETECTOR = "LOOK_LOG_OF_TESTS", "LOOK_LOG_DETECTOR"
_LIBRARY = f"""
import os
import time

import cv2
import onnxruntime

_log = os.open(os.environ["{_VARIABLE}"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)


def _note():
    # One write, so that what was looked at before a kill is told whole.
    os.write(_log, b"%d %f\\n" % (os.getpid(), time.monotonic()))


_run, _blur = onnxruntime.InferenceSession.run, cv2.GaussianBlur


def _noted_run(self, names, inputs, *more):
    # An empty picture is a model's trial as it is loaded.
    if any(one.min() != one.max() for one in inputs.values()):
        _note()
    return _run(self, names, inputs, *more)


def _noted_blur(*arguments, **more):
    _note()
    return _blur(*arguments, **more)


if os.environ["{_DETECTOR}"] == "motion":
    cv2.GaussianBlur = _noted_blur  # It smooths each picture once.
else:
    onnxruntime.InferenceSession.run = _noted_run
"""


class NotedLook(NamedTuple):
    """Who looked, and when on the monotonic clock."""

    pid: int
    at_s: float


class LookLog:
    """Where the processes of a deployment write down their looks.

    Attributes:
        environment: What those processes are started with.
    """

    def __init__(self, folder: Path, *, detector: str) -> None:
        """Make the library that writes them down, for `motion` or a model."""
        library = folder / "noting"
        library.mkdir()
        (library / "sitecustomize.py").write_text(_LIBRARY)
        self._path = folder / "looks.log"
        paths = [str(library), os.environ.get("PYTHONPATH", "")]
        self.environment = {
            "PYTHONPATH": os.pathsep.join(paths),
            _VARIABLE: str(self._path),
            _DETECTOR: detector,
        }

    def looks(self) -> list[NotedLook]:
        """Give all looks so far, in the order of their writing."""
        if not self._path.exists():
            return []
        words = [line.split() for line in self._path.read_text().splitlines()]
        return [NotedLook(int(pid), float(at_s)) for pid, at_s in words]

    def of(self, pid: int) -> list[NotedLook]:
        """Give the looks of one process."""
        return [one for one in self.looks() if one.pid == pid]
