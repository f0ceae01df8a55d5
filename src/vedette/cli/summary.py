"""What a run says at its end: for people as text, for machines as one JSON object."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vedette.cli.wording import clock_text

if TYPE_CHECKING:
    from vedette.detectors.tiles import TileCost
    from vedette.domain.model_origin import ModelOrigin
    from vedette.domain.scene import Counts
    from vedette.runner.analysis import RunReport
    from vedette.sources.street import StreetTruth
    from vedette.wiring import AnalysisRequest

# Digits that mean something after the noise of a busy machine.
FACTOR_DIGITS = 3
SECONDS_DIGITS = 3

_SKIPS = {
    "pacing": "not asked for",
    "late": "left out to stay live",
    "busy": "left out while busy",
    "undecodable": "unreadable",
    "stopped": "in hand at the end",
}


def outputs_of(request: AnalysisRequest) -> dict[str, str]:
    """Name the outputs that were asked for and where they lie."""
    named = {
        "annotated": request.annotated,
        "predictions": request.predictions,
        "snapshots": request.snapshots,
    }
    return {name: str(target) for name, target in named.items() if target is not None}


def as_json(
    report: RunReport,
    request: AnalysisRequest,
    model: ModelOrigin,
    *,
    tiles: TileCost | None = None,
) -> str:
    """Give the documented object (docs/reference/run.md) on one line."""
    factor = report.realtime_factor
    summary: dict[str, Any] = {
        "source": report.facts.name,
        "detector": model.name,
        "model": model.as_json(),
        "tiles": None if tiles is None else tiles.as_json(),
        "interrupted": report.interrupted,
        "frames": {
            "read": report.frames.read,
            "looked_at": report.frames.looked_at,
            "skipped": report.frames.read - report.frames.looked_at,
            "skipped_by_stage": report.frames.skipped,
        },
        "seconds": round(report.seconds, SECONDS_DIGITS),
        "realtime_factor": None if factor is None else round(factor, FACTOR_DIGITS),
        "objects": {
            label: {"distinct": count.distinct, "most_at_once": count.most_at_once}
            for label, count in sorted(report.counts.objects.items())
            if count.distinct
        },
        "zones": {
            name: {
                "most_at_once": zone.most_at_once,
                "entered": zone.entered,
                "left": zone.left,
                "dwell_s": round(zone.dwell_s, SECONDS_DIGITS),
            }
            for name, zone in report.counts.zones.items()
        },
        "lines": {
            name: {"crossed_in": line.crossed_in, "crossed_out": line.crossed_out}
            for name, line in report.counts.lines.items()
        },
        "outputs": outputs_of(request),
        "dropped": report.dropped,
    }
    return json.dumps(summary, ensure_ascii=False)


def as_text(
    report: RunReport,
    request: AnalysisRequest,
    model: ModelOrigin,
    truth: StreetTruth | None,
    *,
    tiles: TileCost | None = None,
) -> str:
    """Give the summary a person reads."""
    frames = report.frames
    pictures = pictures_line(frames.looked_at, frames.read, frames.skipped)
    looked = [*model_lines(model.as_json()), *([] if tiles is None else [f"    {tiles}"])]
    lines = ["", _headline(report), pictures, *looked, ""]
    lines += objects_lines(report.counts, report.frames.looked_at)
    lines += places_lines(report.counts)
    lines += truth_lines(truth)
    outputs = outputs_of(request)
    if outputs:
        lines.append("")
        for name, target in outputs.items():
            dropped = report.dropped.get(target, 0)
            less = f" ({dropped} pictures left out to stay live)" if dropped else ""
            lines.append(f"  {name:<12} {target}{less}")
    if truth is not None:
        lines += ["", f"Next, your own: {program()} run YOUR.mp4 --annotated seen.mp4"]
    return "\n".join(lines)


def model_lines(model: Mapping[str, Any]) -> list[str]:
    """Tell whose model looked, and where its card is; `model` is `ModelOrigin.as_json`."""
    told = [f"  detector: {model['name']}", f"    licence {model['licence']}; {model['source']}"]
    return [*told, f"    card {model['card']}"] if model["card"] else told


def program() -> str:
    """Give the command as the person reached it: a path, or `vedette` where it is on the PATH."""
    called = Path(sys.argv[0])
    if called.name != "vedette" or shutil.which("vedette"):
        return "vedette"
    return os.path.relpath(called)


def _headline(report: RunReport) -> str:
    seen = "nothing" if report.media_s is None else f"{clock_text(round(report.media_s))} of video"
    factor = report.realtime_factor
    speed = "" if factor is None or report.facts.live else f" ({factor:.1f}x real time)"
    stopped = ", stopped on request" if report.interrupted else ""
    return f"{report.facts.name}: {seen} in {report.seconds:.1f} s{speed}{stopped}"


def pictures_line(looked_at: int, read: int, skipped: Mapping[str, int]) -> str:
    """Tell how many pictures were looked at, and why not the others."""
    told = f"  looked at {looked_at} of {read} pictures"
    skips = [f"{count} {_SKIPS.get(stage, stage)}" for stage, count in skipped.items()]
    return told + (f" ({', '.join(skips)})" if skips else "")


def objects_lines(counts: Counts, looked_at: int) -> list[str]:
    """Give a table of what was seen."""
    counted = {k: v for k, v in sorted(counts.objects.items()) if v.distinct}
    if not counted:
        return ["  nothing was seen" if looked_at else "  nothing was looked at"]
    rows = [f"  {'':<12} {'distinct':>9} {'most at once':>13}"]
    rows += [
        f"  {label:<12} {count.distinct:>9} {count.most_at_once:>13}"
        for label, count in counted.items()
    ]
    return rows


def places_lines(counts: Counts) -> list[str]:
    """Give a line per zone and line, after an empty one; nothing where there are none."""
    rows = [
        f"  zone {name}: {zone.entered} entered, {zone.left} left, "
        f"{zone.most_at_once} at most at once, {zone.dwell_s:.0f} s spent inside"
        for name, zone in counts.zones.items()
    ]
    rows += [
        f"  line {name}: {line.crossed_in} in, {line.crossed_out} out"
        for name, line in counts.lines.items()
    ]
    return ["", *rows] if rows else []


def truth_lines(truth: StreetTruth | None) -> list[str]:
    """Give what the built-in scene holds, after an empty line; nothing of other sources."""
    if truth is None:
        return []
    total = truth.people + truth.vehicles
    objects = (
        f"  {total} moving objects ({truth.people} people, {truth.vehicles} vehicles), "
        f"{truth.most_at_once} at most at once"
    )
    told = ["", "  what the whole built-in scene truly holds:", objects]
    places = [f"zone {name}: {entered} entered" for name, entered in truth.zones.items()]
    places += [f"line {name}: {into} in, {out} out" for name, (into, out) in truth.lines.items()]
    return [*told, f"  {'; '.join(places)}"] if places else told
