"""`vedette runner` that keeps account of its looks where no kill can reach it: in a mapped file.

python -m bench.core.counted_runner FILE runner --data DIR --name NAME

The file holds two numbers: of the first and of the last picture that the motion detector was given
since the runner took its work up. What a process wrote to a mapped file stays when it is killed.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from vedette.__main__ import main
from vedette.detectors.motion import MotionDetector
from vedette.domain.detection import Detections
from vedette.domain.frame import Frame

NOTHING = -1


def looks(file: Path) -> tuple[int, int]:
    """Give the numbers of the first and the last picture; -1 before the first look."""
    first, last = np.fromfile(file, np.int64, 2)
    return int(first), int(last)


def prepare(file: Path) -> None:
    """Make the file, before the runner is started."""
    np.full(2, NOTHING, np.int64).tofile(file)


def keep_account(file: Path) -> None:
    """Have every look of this process written down before it is made."""
    kept = np.memmap(file, np.int64, "r+", shape=(2,))
    detect = MotionDetector.detect

    def counted(self: MotionDetector, frames: Sequence[Frame]) -> list[Detections]:
        for frame in frames:
            if frame.number != kept[1] + 1 or kept[0] == NOTHING:
                kept[0] = frame.number
            kept[1] = frame.number
        return detect(self, frames)

    MotionDetector.detect = counted  # type: ignore[method-assign]


if __name__ == "__main__":
    keep_account(Path(sys.argv.pop(1)))
    main()
