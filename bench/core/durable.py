"""What durability costs: a file through a runner against the same file through `vedette run`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.clips import KINDS, clip_path
from bench.core.deployment import deployment
from bench.core.meters import spent_s
from bench.report import Row, row_of
from vedette.domain.parameters import Parameters
from vedette.domain.scenario import ScenarioState

_PLAIN = """
import sys, time
from vedette import wiring
from vedette.settings import load_settings
with wiring.Wiring(load_settings()) as house:
    for turn in range(2):
        one = house.analysis(wiring.AnalysisRequest(
            source=sys.argv[1], detector='motion', predictions=sys.argv[2]))
        before = time.process_time()
        one.carry_out()
print(time.process_time() - before)
"""


def durable_rows(repeats: int) -> list[Row]:
    """Give the ratio of CPU seconds; both have their libraries loaded."""
    clip = str(clip_path(KINDS[1]))
    ratios = []
    with deployment(VEDETTE_COMMIT_S="1") as house:
        house.start("orchestrator")
        runner = house.start("runner", "--name", "one")
        for number in range(repeats + 1):
            before = spent_s(runner.pid)
            scenario_id = house.add(clip, Parameters(detector="motion"))
            house.wait_for_state(scenario_id, ScenarioState.INACTIVE, deadline_s=60)
            durable = spent_s(runner.pid) - before
            plain = plain_s(clip)
            if number:  # The first one loads libraries.
                ratios.append(durable / plain)
    return [row_of("CPU of the durable road / vedette run, 720p", ratios, "ratio", "<= 1.05")]


def plain_s(clip: str) -> float:
    """Give the CPU seconds of the road alone, in a process that has its libraries loaded."""
    with TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-c", _PLAIN, clip, str(Path(folder) / "rows.jsonl")],
            capture_output=True,
            text=True,
            check=True,
        )
    return float(done.stdout.splitlines()[-1])
