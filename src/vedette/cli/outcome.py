"""Scenarios as people read them: a table, all of one, and what came out of a run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from vedette.cli import summary
from vedette.cli.wording import clock_text
from vedette.domain.scene import Counts, LineCount, ObjectCount, ZoneCount
from vedette.domain.tiles import parse_tiles

if TYPE_CHECKING:
    from vedette.sources.street import StreetTruth

HISTORY_SHOWN = 12
NAME_CHARACTERS_SHOWN = 40
_NOTHING = "-"
_HEADINGS = ("scenario", "state", "reason", "source", "run", "frames", "since")
_NUMBERS = frozenset({"run", "frames"})


def is_at_rest(scenario: Mapping[str, Any]) -> bool:
    """Tell whether nothing of it runs, nor will by what was accepted so far."""
    return scenario["state"] == "inactive" and not scenario["waiting"]


def counts_of(totals: Mapping[str, Any] | None) -> Counts:
    """Give a run's totals as the counts that all summaries show."""
    if totals is None:
        return Counts()
    return Counts(
        objects={
            label: ObjectCount(one["now"], one["distinct"], one["most_at_once"])
            for label, one in totals["objects"].items()
        },
        zones={
            name: ZoneCount(
                one["now"], one["most_at_once"], one["entered"], one["left"], one["dwell_s"]
            )
            for name, one in totals["zones"].items()
        },
        lines={name: LineCount(one["in"], one["out"]) for name, one in totals["lines"].items()},
    )


def looked_at(totals: Mapping[str, Any] | None) -> int:
    """Give how many frames a run looked at so far."""
    return 0 if totals is None else int(totals["frames"]["looked_at"])


def table_of(scenarios: Iterable[Mapping[str, Any]], now: datetime) -> str:
    """Give a line per scenario; no id is ever cut, however narrow the terminal."""
    rows = [_HEADINGS]
    rows += [
        (
            one["scenario_id"], one["state"], str(one["status_reason"]).replace("_", " "),
            _short(one["source_name"]), str(one["run"] or _NOTHING), str(one["frames"]),
            since_text(one["updated_at"], now),
        )
        for one in scenarios
    ]  # fmt: skip
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(_aligned(row, widths) for row in rows)


def _aligned(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = [
        cell.rjust(width) if heading in _NUMBERS else cell.ljust(width)
        for heading, cell, width in zip(_HEADINGS, row, widths, strict=True)
    ]
    return "  ".join(cells).rstrip()


def _short(name: str) -> str:
    return name if len(name) <= NAME_CHARACTERS_SHOWN else f"{name[: NAME_CHARACTERS_SHOWN - 1]}…"


def shown(scenario: Mapping[str, Any], now: datetime) -> str:
    """Give all there is of a scenario."""
    run = _run_of(scenario)
    totals = scenario["totals"]
    lines = [
        f"scenario {scenario['scenario_id']}: {_state(scenario, now)}",
        f"  source    {_source(scenario['source'])}",
        f"  looks     {_looks(scenario['parameters'])}",
    ]
    if run is not None and run["facts"] is not None:
        lines.append(f"  stream    {_stream(run['facts'])}")
    if scenario["model"] is not None:
        lines += _model(scenario["model"])
    lines.append(f"  health    {_health(scenario['health'], now)}")
    if run is not None:
        lines.append(f"  run       {_run(run, now)}")
    if totals is not None:
        frames = totals["frames"]
        lines += [
            "",
            summary.pictures_line(frames["looked_at"], frames["read"], frames["skipped"]),
            *summary.objects_lines(counts_of(totals), frames["looked_at"]),
            *summary.places_lines(counts_of(totals)),
        ]
    lines += ["", "  history, newest first", *_history(scenario["history"], now)]
    return "\n".join(lines)


def ended(scenario: Mapping[str, Any], truth: StreetTruth | None) -> str:
    """Give what came out of a run that is over, as `vedette run` tells it."""
    totals, run = scenario["totals"], _run_of(scenario)
    lines = ["", _headline(scenario, run)]
    if totals is not None:
        frames = totals["frames"]
        lines += [
            summary.pictures_line(frames["looked_at"], frames["read"], frames["skipped"]),
            *_detector(scenario),
            *_tiles(scenario["parameters"]),
            "",
            *summary.objects_lines(counts_of(totals), frames["looked_at"]),
            *summary.places_lines(counts_of(totals)),
        ]
    if scenario["status_reason"] == "completed":
        lines += summary.truth_lines(truth)
    return "\n".join(lines)


def _tiles(parameters: Mapping[str, Any]) -> list[str]:
    if parameters.get("tiles") is None:  # A server of an earlier version knows none.
        return []
    tiles = parse_tiles(parameters["tiles"])
    return [f"    tiles {tiles}: {tiles.looks} looks per frame"]


def _detector(scenario: Mapping[str, Any]) -> list[str]:
    if scenario["model"] is None:
        return [f"  detector: {scenario['parameters']['detector']}"]
    return summary.model_lines(scenario["model"])


def why(scenario: Mapping[str, Any]) -> str:
    """Give its reason, with the sentence that belongs to it."""
    reason = str(scenario["status_reason"]).replace("_", " ")
    return f"{reason}: {scenario['detail']}" if scenario["detail"] else reason


def since_text(moment: str | None, now: datetime) -> str:
    """Give `2 h 5 min` since a moment, roughly."""
    if moment is None:
        return "never"
    seconds = max((now - at(moment)).total_seconds(), 0.0)
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = int(seconds) // 60
    hours, days = minutes // 60, minutes // 1440
    if days:
        return f"{days} d {hours % 24} h"
    return f"{hours} h {minutes % 60} min" if hours else f"{minutes} min"


def at(moment: str) -> datetime:
    """Read a moment of the API."""
    return datetime.fromisoformat(moment).astimezone(UTC)


def _run_of(scenario: Mapping[str, Any]) -> Mapping[str, Any] | None:
    return next((one for one in scenario["runs"] if one["run"] == scenario["run"]), None)


def _headline(scenario: Mapping[str, Any], run: Mapping[str, Any] | None) -> str:
    media_s = None if scenario["totals"] is None else scenario["totals"]["media_s"]
    seen = "nothing" if media_s is None else f"{clock_text(round(media_s))} of video"
    took = ""
    if run is not None and run["ended_at"] is not None:
        seconds = (at(run["ended_at"]) - at(run["started_at"])).total_seconds()
        is_finite = not ((run["facts"] or {}).get("live"))
        speed = (
            f" ({media_s / seconds:.1f}x real time)" if media_s and seconds and is_finite else ""
        )
        took = f" in {seconds:.1f} s{speed}"
    return f"{scenario['source_name']}: {seen}{took}, {why(scenario)}"


def _state(scenario: Mapping[str, Any], now: datetime) -> str:
    told = f"{scenario['state']} for {since_text(scenario['updated_at'], now)}, {why(scenario)}"
    if scenario["waiting"]:
        told += f"; accepted, not yet decided: {', '.join(scenario['waiting'])}"
    if scenario["wanted"] != scenario["state"] and not is_at_rest(scenario):
        told += f"; wanted: {scenario['wanted']}"
    return told


def _source(source: Mapping[str, Any]) -> str:
    told = f"{source['name']} ({source['address']})"
    if source["holder"] is not None:
        silent = "" if source["holder_lives"] else ", which is silent"
        told += f", held by runner '{source['holder']}'{silent}, token {source['token']}"
    if source["quarantine"]:
        told += f"; put apart {source['quarantine']} times for killing its holders"
    return told


def _looks(parameters: Mapping[str, Any]) -> str:
    told = [f"detector {parameters['detector']}"]
    if parameters["classes"] is not None:
        told.append(f"only {', '.join(parameters['classes'])}")
    if parameters["confidence"] is not None:
        told.append(f"confidence from {parameters['confidence']:g}")
    told += [one.strip() for one in _tiles(parameters)]
    told.append("every picture" if parameters["fps"] is None else f"{parameters['fps']:g} a second")
    for kind, singular in (("zones", "zone"), ("lines", "line")):
        names = [one["name"] for one in parameters["scene"][kind]]
        if names:
            told.append(f"{singular if len(names) == 1 else kind} {', '.join(names)}")
    if parameters["recorded_at"] is not None:
        told.append(f"recorded at {parameters['recorded_at']}")
    return "; ".join(told)


def _stream(facts: Mapping[str, Any]) -> str:
    told = [f"{'live' if facts['live'] else 'finite'}, {facts['codec']}"]
    told.append(f"{facts['width']}x{facts['height']}")
    if facts["frame_rate"]:
        told.append(f"{facts['frame_rate']:g} pictures/s")
    if facts["duration_s"] is not None:
        told.append(clock_text(round(facts["duration_s"])))
    return ", ".join([*told, f"looked at with {facts['detector']}"])


def _model(model: Mapping[str, Any]) -> list[str]:
    told = [f"  model     {model['name']}, licence {model['licence']}; {model['source']}"]
    return [*told, f"            card {model['card']}"] if model["card"] else told


def _health(health: Mapping[str, Any], now: datetime) -> str:
    told = []
    if health["connected"]:
        told.append("its pictures come")
    elif health["connected"] is not None:
        cause = f"{health['cause']}: " if health["cause"] else ""
        told.append(f"{cause}{health['message']}")
        if health["next_try_s"] is not None:
            told.append(f"next try {health['next_try_s']:.0f} s after that")
    if health["last_result_at"] is not None:
        told.append(f"last result {since_text(health['last_result_at'], now)} ago")
    return "; ".join(told) or "nothing known yet"


def _run(run: Mapping[str, Any], now: datetime) -> str:
    told = f"{run['run']}, started {local_text(run['started_at'])}"
    if run["ended_at"] is None:
        return f"{told} ({since_text(run['started_at'], now)} ago)"
    return f"{told}, ended {local_text(run['ended_at'])}"


def local_text(moment: str) -> str:
    """Give a moment by the clock of whoever reads it."""
    return f"{at(moment).astimezone():%Y-%m-%d %H:%M:%S}"


def _history(history: list[Mapping[str, Any]], now: datetime) -> list[str]:
    rows = [
        f"  {local_text(one['at'])}  run {one['run']}  {one['before']} → {one['after']}"
        f"  {str(one['reason']).replace('_', ' ')}"
        for one in history[:HISTORY_SHOWN]
    ]
    if not rows:
        return ["  nothing yet"]
    left = len(history) - len(rows)
    return (
        [*rows, f"  … and {left} before ({since_text(history[-1]['at'], now)})"] if left else rows
    )
