"""What durability costs: a file through a runner against the same file through `vedette run`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.clips import KINDS, clip_path
from bench.core.deployment import deployment
from bench.core.long_clip import long_clip
from bench.core.meters import spent_s
from bench.report import Row, row_of
from vedette.domain.parameters import Parameters
from vedette.domain.scenario import ScenarioState

_PLAIN = """
import sys, time
from vedette import wiring
from vedette.settings import load_settings
with wiring.Wiring(load_settings()) as house:
    for source in sys.argv[1:3]:
        one = house.analysis(wiring.AnalysisRequest(
            source=source, detector=sys.argv[3], predictions=sys.argv[4]))
        before = time.process_time()
        one.carry_out()
print(time.process_time() - before)
"""


# Two minutes: beginning and ending weigh little then, as in a life.
LAPS = 6


def durable_rows(repeats: int) -> list[Row]:
    """Give the ratio of CPU seconds by detector; both have their libraries loaded."""
    detectors = {"motion": "motion"}
    data = os.environ.get("VEDETTE_DATA")
    if data:
        detectors["YOLOX-nano"] = str(Path(data) / "models" / "yolox_nano.onnx")
    return [
        row_of(
            f"CPU of the durable road / vedette run, 720p, {name}",
            _ratios(detector, repeats),
            "ratio",
            "<= 1.05",
        )
        for name, detector in detectors.items()
    ]


def _ratios(detector: str, repeats: int) -> list[float]:
    short, long = str(clip_path(KINDS[1])), str(long_clip(KINDS[1], LAPS))
    ratios = []
    with deployment(VEDETTE_COMMIT_S="1") as house:
        house.start("orchestrator")
        runner = house.start("runner", "--name", "one")

        def durable_s(clip: str) -> float:
            before = spent_s(runner.pid)
            scenario_id = house.add(clip, Parameters(detector=detector))
            house.wait_for_state(scenario_id, ScenarioState.INACTIVE, deadline_s=120)
            return spent_s(runner.pid) - before

        durable_s(short)  # Loads libraries.
        for _ in range(repeats):
            # Before and after: a shared machine's pace wanders.
            before = plain_s(short, long, detector)
            ratios.append(durable_s(long) * 2 / (before + plain_s(short, long, detector)))
    return ratios


def plain_s(short: str, clip: str, detector: str) -> float:
    """Give the CPU seconds of the road alone, in a process that has its libraries loaded."""
    with TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-c", _PLAIN, short, clip, detector, str(Path(folder) / "rows.jsonl")],
            capture_output=True,
            text=True,
            check=True,
        )
    return float(done.stdout.splitlines()[-1])
