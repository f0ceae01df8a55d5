"""The key of a data directory: made once, whole or not at all, whoever asks at the same time."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest

from shell import vedette
from vedette.domain.errors import ConfigError
from vedette.roles import TOKEN_FILE, load_token
from vedette.sealing import KEY_FILE, load_seal

RACERS = 4
ROUNDS = 60
# A disk that takes no byte more, as a limit of the process.
ON_A_FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from vedette.domain.errors import ConfigError
from vedette.roles import TOKEN_FILE, load_token
from vedette.sealing import load_seal

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
folder = Path(sys.argv[1])
for load in (lambda: load_seal(folder), lambda: load_token(folder / TOKEN_FILE)):
    try:
        load()
    except ConfigError as error:
        print(error)
"""


def race(folder: Path, start: Barrier, told: multiprocessing.Queue[list[str]]) -> None:
    seen = []
    for number in range(ROUNDS):
        start.wait(240)
        try:
            mark = load_seal(folder / str(number)).mark("x")
            seen.append(mark + load_token(folder / str(number) / TOKEN_FILE))
        except Exception as error:  # noqa: BLE001  (told to the test)
            seen.append(repr(error))
    told.put(seen)


@pytest.mark.parametrize("left_empty", [False, True])
def test_all_who_start_at_once_get_the_same_key_and_token(
    tmp_path: Path,
    left_empty: bool,
) -> None:
    for number in range(ROUNDS):
        (tmp_path / str(number)).mkdir()
        if left_empty:
            (tmp_path / str(number) / KEY_FILE).touch()
            (tmp_path / str(number) / TOKEN_FILE).touch()
    spawned = multiprocessing.get_context("spawn")
    start, told = spawned.Barrier(RACERS), spawned.Queue()
    racers = [
        spawned.Process(target=race, args=(tmp_path, start, told), daemon=True)
        for _ in range(RACERS)
    ]

    for racer in racers:
        racer.start()
    seen = [told.get(timeout=240) for _ in racers]
    for racer in racers:
        racer.join(240)

    assert [len(set(of_round)) for of_round in zip(*seen, strict=True)] == [1] * ROUNDS, seen
    assert "Error" not in str(seen)
    assert {path.name for path in tmp_path.glob("*/*")} == {KEY_FILE, TOKEN_FILE}


def test_a_key_that_was_left_empty_is_made_anew(tmp_path: Path) -> None:
    for name in (KEY_FILE, TOKEN_FILE):
        (tmp_path / name).touch(0o600)

    seal, token = load_seal(tmp_path), load_token(tmp_path / TOKEN_FILE)

    assert load_seal(tmp_path).open(seal.seal("secret")) == "secret"
    assert load_token(tmp_path / TOKEN_FILE) == token
    for name in (KEY_FILE, TOKEN_FILE):
        assert (tmp_path / name).stat().st_mode & 0o777 == 0o600
    assert {path.name for path in tmp_path.iterdir()} == {KEY_FILE, TOKEN_FILE}


def test_a_full_disk_leaves_no_half_a_key(tmp_path: Path) -> None:
    told = subprocess.run(
        [sys.executable, "-c", ON_A_FULL_DISK, str(tmp_path)],
        capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip

    assert told.returncode == 0, told.stderr
    about_key, about_token = told.stdout.splitlines()
    assert str(tmp_path / KEY_FILE) in about_key
    assert str(tmp_path / TOKEN_FILE) in about_token
    assert "room" in about_key
    assert list(tmp_path.iterdir()) == []
    load_seal(tmp_path)


def test_a_folder_nobody_can_write_to_is_told_in_one_sentence() -> None:
    with pytest.raises(ConfigError, match=r"^/proc/secret\.key: .+; ") as refused:
        load_seal(Path("/proc"))

    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("verb", ["orchestrator", "api", "runner"])
def test_a_role_that_cannot_have_the_key_says_so_and_ends(tmp_path: Path, verb: str) -> None:
    (tmp_path / "data" / KEY_FILE).mkdir(parents=True)

    told = vedette(verb, "--data", tmp_path / "data", cache_dir=tmp_path / "cache")

    assert told.code == 2
    assert told.sentence().startswith(str(tmp_path / "data" / KEY_FILE))


def test_a_key_that_is_damaged_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / KEY_FILE).write_text("half a k")

    with pytest.raises(ConfigError, match="this is no key"):
        load_seal(tmp_path)

    assert (tmp_path / KEY_FILE).read_text() == "half a k"
