"""Vedette's own road, measured in a process of its own.

    python -m bench.road MODEL CLIP [CLIP …] → one JSON object on standard output

Several clips run as several pipelines of one process that share detector and threads, as in a
runner. Tracking and counting are on.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from pathlib import Path

from bench.loop import cpu_s
from vedette import wiring
from vedette.settings import load_settings


def main() -> None:
    """Run the clips and print what they cost."""
    model, *clips = sys.argv[1:]
    rss_before = rss_bytes()
    with wiring.Wiring(load_settings()) as house:
        analyses = [
            house.analysis(wiring.AnalysisRequest(source=clip, detector=model)) for clip in clips
        ]
        reports = []
        threads = [
            threading.Thread(target=lambda one=one: reports.append(one.carry_out()))
            for one in analyses
        ]
        peak = Peak()
        cpu_before, started = cpu_s(), time.perf_counter()
        for thread in threads:
            thread.start()
        peak.watch(threads)
        seconds, spent_s = time.perf_counter() - started, cpu_s() - cpu_before
    if len(reports) < len(clips):
        raise SystemExit("a pipeline failed; see above")
    print(
        json.dumps(
            {
                "frames": sum(report.frames.looked_at for report in reports),
                "objects": sum(
                    count.distinct for report in reports for count in report.counts.objects.values()
                ),
                "seconds": seconds,
                "cpu_s": spent_s,
                "rss_before_bytes": rss_before,
                "rss_bytes": peak.bytes,
            }
        )
    )


class Peak:
    """The most memory seen while threads ran; the kernel's own peak counts what came before."""

    def __init__(self) -> None:
        self.bytes = 0

    def watch(self, threads: list[threading.Thread]) -> None:
        """Look ten times a second until all threads are done."""
        while any(thread.is_alive() for thread in threads):
            self.bytes = max(self.bytes, rss_bytes())
            for thread in threads:
                thread.join(0.1 / len(threads))


def rss_bytes() -> int:
    """Give the resident memory of this process."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * 4096


if __name__ == "__main__":
    main()
