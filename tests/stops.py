"""Runs an analysis a few frames at a time, every time in a fresh process."""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Sequence
from pathlib import Path

# Imported once by the server that every fresh process is forked from; nothing has run there yet.
PRELOADED = [
    "av", "cv2", "numpy", "onnxruntime", "yaml",
    "vedette.analytics.scene", "vedette.analytics.scene_file", "vedette.detectors.motion",
    "vedette.detectors.onnx", "vedette.runner.analysis", "vedette.sinks.fanout",
    "vedette.sinks.text", "vedette.sources.file", "vedette.wiring",
]  # fmt: skip

CHILD_S = 240.0


def one_leg(
    request: dict[str, str], cache_dir: str, checkpoint: str, rows: str, frames: int
) -> None:
    """Go on from `checkpoint` (if it is there), look at frames up to `frames`, save, end."""
    from fractions import Fraction

    from vedette import wiring
    from vedette.domain.tiles import parse_tiles
    from vedette.runner import checkpoint as saved
    from vedette.runner.ledger import Limit
    from vedette.settings import Settings

    path = Path(checkpoint)
    settings = Settings(cache_dir=Path(cache_dir), workers=2)
    with wiring.Wiring(settings) as house:
        analysis = house.analysis(
            wiring.AnalysisRequest(
                source=request["source"],
                detector=request["detector"],
                fps=Fraction(request["fps"]) if "fps" in request else None,
                tiles=parse_tiles(request["tiles"]) if "tiles" in request else None,
                plan=wiring.read_scene(Path(request["scene"])),
                predictions=rows,
                limit=Limit(frames=frames),
            )
        )
        state = saved.from_bytes(path.read_bytes()) if path.exists() else None
        report = analysis.carry_out(resume_from=state)
        path.write_bytes(saved.to_bytes(analysis.pipeline.checkpoint()))
    Path(rows).with_suffix(".counts").write_text(
        json.dumps([report.frames.looked_at, repr(report.counts)])
    )


def run_with_stops(
    request: dict[str, str], stops: Sequence[int], folder: Path, *, frames: int
) -> tuple[bytes, str]:
    """Run to `frames` looked at, stopping after each of `stops`; give all rows and the counts."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    checkpoint, rows, told = folder / "checkpoint.npz", b"", ""
    for leg, until in enumerate([*stops, frames]):
        part = folder / f"leg-{leg:04}.jsonl"
        child = context.Process(
            target=one_leg,
            args=(request, str(folder / "cache"), str(checkpoint), str(part), until),
        )
        child.start()
        child.join(CHILD_S)
        assert child.exitcode == 0, f"leg {leg} (to frame {until}) ended with {child.exitcode}"
        looked_at, told = json.loads(part.with_suffix(".counts").read_text())
        rows += part.read_bytes()
        if looked_at < until:
            break  # The source has ended.
    return rows, told
