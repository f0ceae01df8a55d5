from __future__ import annotations

from pathlib import Path

import pytest

from vedette.domain.errors import ConfigError
from vedette.settings import Settings, load_settings


def test_defaults_hold_where_nothing_is_set() -> None:
    assert load_settings({}).open_timeout_s == Settings().open_timeout_s


def test_environment_wins_over_the_file(tmp_path: Path) -> None:
    config = tmp_path / "vedette.toml"
    config.write_text("open_timeout_s = 2\nread_timeout_s = 3\n")

    settings = load_settings({"VEDETTE_CONFIG": str(config), "VEDETTE_OPEN_TIMEOUT_S": "1.5"})

    assert (settings.open_timeout_s, settings.read_timeout_s) == (1.5, 3)


@pytest.mark.parametrize(
    ("environment", "told"),
    [
        ({"VEDETTE_OPEN_TIMEOUT_S": "soon"}, "VEDETTE_OPEN_TIMEOUT_S='soon': must be a number"),
        ({"VEDETTE_WORKERS": "1.5"}, "must be a whole number from 0 to 1024"),
        ({"VEDETTE_READ_TIMEOUT_S": "nan"}, "must be a number from 0.1 to 600"),
        ({"VEDETTE_OPEN_TIMEOUT": "1"}, "VEDETTE_OPEN_TIMEOUT: there is no such setting"),
        ({"VEDETTE_CONFIG": "/no/such/file.toml"}, "/no/such/file.toml: cannot be read"),
    ],
)
def test_a_wrong_setting_is_named_with_what_is_allowed(
    environment: dict[str, str], told: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        load_settings(environment)

    assert told in str(refused.value)


@pytest.mark.parametrize("line", ["workers = 1.7", "workers = true", "workers = inf",
                                  "cache_dir = ''", "cache_dir = 7"])  # fmt: skip
def test_a_wrong_value_in_the_file_is_refused_too(tmp_path: Path, line: str) -> None:
    config = tmp_path / "vedette.toml"
    config.write_text(line + "\n")

    with pytest.raises(ConfigError, match=line.split(maxsplit=1)[0]):
        load_settings({"VEDETTE_CONFIG": str(config)})


def test_what_tests_read_from_the_environment_is_no_setting() -> None:
    load_settings({"VEDETTE_DATA": "/clips", "VEDETTE_REQUIRE": "rtsp"})
