"""Environment and TOML → frozen settings: every default and limit, with its unit and its why.

A setting `open_timeout_s` is read from the variable `VEDETTE_OPEN_TIMEOUT_S`, else from the key
`open_timeout_s` of the TOML file that `VEDETTE_CONFIG` names, else it is the default below. Plain
dataclasses and no validation library: every `vedette run` would pay a third of a second for it
(docs/design/decisions/0003-plain-settings.md).
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from vedette.domain.errors import ConfigError

PREFIX = "VEDETTE_"
CONFIG_VARIABLE = "VEDETTE_CONFIG"
# These begin with the prefix but are not settings: where tests find clips, what they demand, and
# which Vedette the command line asks, with what token.
FOREIGN_VARIABLES = frozenset(
    {CONFIG_VARIABLE, "VEDETTE_DATA", "VEDETTE_REQUIRE", "VEDETTE_SERVER", "VEDETTE_TOKEN"}
)


def _limits(default: float, least: float, most: float, why: str) -> Any:
    return field(default=default, metadata={"least": least, "most": most, "why": why})


def _default_cache_dir() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "vedette"


def _default_data_dir() -> Path:
    base = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(base) / "vedette"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that can be set; see each one's `why`."""

    cache_dir: Path = field(
        default_factory=_default_cache_dir,
        metadata={"why": "Where pulled and added models lie, with what was made of them."},
    )
    data_dir: Path = field(
        default_factory=_default_data_dir,
        metadata={"why": "Where `vedette up` and its roles keep everything."},
    )
    listen: str = field(
        default="127.0.0.1:8470",
        metadata={"why": "Where the API listens, HOST:PORT."},
    )
    hosts: str = field(
        default="",
        metadata={
            "why": "Names (parted by commas) under which the API is called, beside those of "
            "loopback; empty: beyond loopback any."
        },
    )
    origins: str = field(
        default="",
        metadata={
            "why": "Origins (parted by commas) of web pages that may change things, such as "
            "`https://board.example`."
        },
    )
    source_folders: str = field(
        default="",
        metadata={
            "why": "Folders (parted by `:`) whose video files and models API callers may name."
        },
    )
    lease_s: float = _limits(
        3.0,
        0.3,
        60,
        "A silent runner's work is given away after this; renewed three times as often.",
    )
    commit_s: float = _limits(1.0, 0.05, 60, "Time between two commits of a run's results.")
    quarantine_deaths: int = _limits(
        3, 1, 1_000_000, "A source with so many dead holders in ten minutes is put apart."
    )
    orphan_s: float = _limits(
        30.0, 1, 3600, "So much of results waits in a runner while the database is away."
    )
    gap_max_s: float = _limits(
        2.0, 0.1, 600, "An instant farther than this from any look is not covered."
    )
    keep_days: float = _limits(0.0, 0, 36_500, "Results older than this are deleted; 0 keeps them.")
    keep_bytes: int = _limits(
        0, 0, 2**60, "While all prediction rows take more, the oldest are deleted; 0: no bound."
    )
    upload_bytes_max: int = _limits(
        4 * 2**30, 1, 2**50, "Size of an uploaded video; more is refused."
    )
    models_url: str = field(
        default="",
        metadata={"why": "Pull models from this mirror (its folder of files) instead."},
    )
    open_timeout_s: float = _limits(
        5.0, 0.1, 600, "How long a source may take to connect; FFmpeg may use it twice."
    )
    read_timeout_s: float = _limits(
        5.0, 0.1, 600, "How long a source may be silent; FFmpeg may use it twice."
    )
    frame_pixels_max: int = _limits(
        70_000_000, 1, 1_000_000_000, "Pixels in a picture; more is refused (8K has 33 million)."
    )
    held_packets_max: int = _limits(
        600, 1, 100_000, "Packets kept encoded; when full, they are decoded."
    )
    held_bytes_max: int = _limits(
        64_000_000, 1, 4_000_000_000, "Bytes of packets kept encoded; when full, decoded."
    )
    live_lag_max_s: float = _limits(
        1.0, 0.05, 60, "A live source later than this skips to its next key frame."
    )
    packets_ahead_max: int = _limits(
        1024,
        1,
        100_000,
        "Packets read ahead of decoding from a network, webcam or maker; when full, reading waits.",
    )
    workers: int = _limits(
        0, 0, 1024, "Threads that work on frames, over all sources; 0 means one per core."
    )
    sink_queue_frames_max: int = _limits(
        8,
        1,
        10_000,
        "Frames waiting for a slow sink: a file waits, a live source drops the oldest.",
    )
    pull_timeout_s: float = _limits(30.0, 1, 3600, "How long a model's download may stand still.")
    model_bytes_max: int = _limits(
        2_000_000_000, 1, 100_000_000_000, "Size of a model file; more is refused."
    )


def load_settings(
    environment: Mapping[str, str] | None = None,
) -> Settings:
    """Read the settings once, at start.

    Raises:
        ConfigError: a setting has a value it cannot have, or there is no setting of that name.
    """
    environment = os.environ if environment is None else environment
    chosen: dict[str, Any] = {}
    known = {one.name: one for one in fields(Settings)}
    for origin, name, value in [*_from_toml(environment), *_from_environment(environment)]:
        if name not in known:
            raise ConfigError(f"{origin}: there is no such setting; see docs/reference/settings.md")
        chosen[name] = _parsed(origin, value, str(known[name].type), known[name].metadata)
    return Settings(**chosen)


def _from_environment(environment: Mapping[str, str]) -> list[tuple[str, str, Any]]:
    return [
        (variable, variable.removeprefix(PREFIX).lower(), value)
        for variable, value in sorted(environment.items())
        if variable.startswith(PREFIX) and variable not in FOREIGN_VARIABLES
    ]


def _from_toml(environment: Mapping[str, str]) -> list[tuple[str, str, Any]]:
    named = environment.get(CONFIG_VARIABLE)
    if not named:
        return []
    try:
        table = tomllib.loads(Path(named).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{CONFIG_VARIABLE}={named}: cannot be read: {error}") from error
    return [(f"{named}: {name}", name, value) for name, value in table.items()]


def _parsed(origin: str, value: Any, kind: str, limits: Mapping[str, Any]) -> Any:
    if kind == "Path":
        if not isinstance(value, str) or not value:
            raise ConfigError(f"{origin}={value!r}: must be the path of a folder")
        return Path(value).expanduser()
    if kind == "str":
        if isinstance(value, list):
            raise ConfigError(f"{origin}={value!r}: must be one text, not a list")
        return str(value)
    number: int | float | None
    try:
        number = float(value)
        if kind == "int":
            number = int(value) if number.is_integer() else None
    except (TypeError, ValueError, OverflowError):
        number = None
    if isinstance(value, bool):
        number = None
    if number is None or not limits["least"] <= number <= limits["most"]:
        what = "a whole number" if kind == "int" else "a number"
        raise ConfigError(
            f"{origin}={value!r}: must be {what} from {limits['least']:g} to {limits['most']:g}"
        )
    return number
