"""Names and origins that the settings name, up to a real server."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from running_up import running_up
from shell import vedette
from vedette.api.listening import parse_listen
from vedette.api.options import parse_hosts, parse_origins
from vedette.domain.errors import ConfigError
from vedette.roles import Engines
from vedette.settings import load_settings


def test_names_and_origins_in_the_settings_reach_the_doors(tmp_path: Path) -> None:
    settings = {
        "VEDETTE_HOSTS": "vedette.example, Other.example:8470",
        "VEDETTE_ORIGINS": "https://board.example,http://10.0.0.3:3000",
    }

    with running_up(tmp_path / "data", **settings) as up:
        names = {name: _status(up.url, "GET", Host=name) for name in NAMES}
        origins = {origin: _status(up.url, "POST", Origin=origin) for origin in ORIGINS}

    assert names == NAMES
    assert origins == ORIGINS


NAMES = {
    "vedette.example": 200, "other.example": 200, "127.0.0.1": 200, "third.example": 403,
}  # fmt: skip
# 422: it was let in, and asked for nothing.
ORIGINS = {
    "https://board.example": 422, "http://10.0.0.3:3000": 422, "http://board.example": 403,
    "http://10.0.0.3": 403,
}  # fmt: skip


def _status(url: str, method: str, **headers: str) -> int:
    body = {} if method == "POST" else None
    answer = httpx.request(
        method, f"{url}/api/v1/scenarios", headers=headers, json=body, trust_env=False, timeout=240
    )
    return answer.status_code


@pytest.mark.parametrize(
    ("environment", "names"),
    [
        ({}, ("*",)),
        ({"VEDETTE_HOSTS": "vedette.example"}, ("vedette.example",)),
    ],
)
def test_beyond_loopback_every_name_is_known_unless_some_are_named(
    tmp_path: Path, environment: dict[str, str], names: tuple[str, ...]
) -> None:
    settings = load_settings({"VEDETTE_DATA_DIR": str(tmp_path), **environment})

    with Engines(settings) as engines:
        options = engines.api_options(parse_listen("0.0.0.0:8470"))

    assert options.token is not None
    assert options.hosts == names


def test_hosts_are_names_with_or_without_a_port() -> None:
    assert parse_hosts(" a.example ,B:80,[fd00::1]:8470,fd00::2,, *") == (
        "a.example", "b", "fd00::1", "fd00::2", "*",
    )  # fmt: skip
    assert parse_hosts("") == ()


@pytest.mark.parametrize("text", ["http://a.example", "a.example/x", "a b", ":80", "a@b"])
def test_what_no_caller_can_send_as_host_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"^hosts='.+': .*vedette\.example"):
        parse_hosts(f"good.example,{text}")


def test_origins_are_as_browsers_send_them() -> None:
    assert parse_origins("https://Board.example/, https://b.example:443,http://[fd00::1]:3000") == (
        "https://board.example", "https://b.example", "http://[fd00::1]:3000",
    )  # fmt: skip


@pytest.mark.parametrize(
    "text", ["board.example", "*", "null", "https://a.example/page", "https://"]
)
def test_what_no_browser_sends_as_origin_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"^origins='.+': .*https://board\.example"):
        parse_origins(f"https://good.example,{text}")


def test_every_name_without_a_token_is_refused_at_start(tmp_path: Path) -> None:
    told = vedette(
        "api", "--data", tmp_path / "data", "--listen", "127.0.0.1:0",
        cache_dir=tmp_path / "cache", VEDETTE_HOSTS="*",
    )  # fmt: skip

    assert told.code == 2
    assert "token" in told.sentence()
