"""What a run needs beside its source is missing for a while: it waits for it, and does not fail."""

from __future__ import annotations

import contextlib
import functools
import http.server
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from street_clip import make_street_clip
from vedette.domain.ids import ScenarioId, SourceId, uuid7
from vedette.domain.parameters import Parameters
from vedette.domain.scenario import Scenario, ScenarioState, StatusReason
from vedette.results import reading
from vedette.roles import Engines
from vedette.settings import load_settings
from vedette.store.base import Transaction
from vedette.store.statements import scenarios

STREET = "synthetic://street?people=1&vehicles=0&seed=1&seconds=4&width=320&height=180"
DEADLINE_S = 240.0


class House:
    """An orchestrator and a runner in this process, each with engines of its own."""

    def __init__(self, deciding: Engines, running: Engines) -> None:
        self.deciding = deciding
        self.running = running
        self.runner = running.runner("one")

    def add(self, address: str = STREET) -> ScenarioId:
        """Accept a scenario, on a street of a few seconds where nothing else is said."""
        scenario_id = ScenarioId(uuid7(time.time_ns() // 1_000_000, secrets.token_bytes(10)))
        source_id = SourceId(f"of {scenario_id}")

        def work(transaction: Transaction) -> None:
            scenarios.add_source(transaction, source_id, name="source", address=address)
            scenarios.add_scenario(
                transaction, Scenario(scenario_id, source_id), Parameters(detector="motion")
            )
            scenarios.add_command(transaction, scenario_id, scenarios.START)

        self.deciding.store.write(work)
        return scenario_id

    def ended(self, scenario_id: ScenarioId) -> Scenario:
        """Wait until a scenario is over."""

        def over() -> Scenario | None:
            read = self.deciding.store.read
            now = read(lambda it: scenarios.get_scenario(it, scenario_id)).scenario
            return now if now.run and now.state is ScenarioState.INACTIVE else None

        return wait_for(over, "the end of the run")


def wait_for(what: Callable[[], Any], why: str) -> Any:
    end_s = time.monotonic() + DEADLINE_S
    while not (found := what()):
        assert time.monotonic() < end_s, why
        time.sleep(0.02)
    return found


@contextlib.contextmanager
def in_thread(role: Any) -> Iterator[None]:
    thread = threading.Thread(target=role.run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        role.stop()
        thread.join(240)
        assert not thread.is_alive()


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    monkeypatch.setenv("VEDETTE_DATA_DIR", str(tmp_path / "data"))
    settings = load_settings()
    with Engines(settings) as deciding, Engines(settings) as running:
        deciding.store.migrate()
        house = House(deciding, running)
        with in_thread(deciding.orchestrator()), in_thread(house.runner):
            wait_for(lambda: house.runner.is_registered, "the runner to register")
            yield house


def test_a_bus_that_is_gone_ends_no_run(house: House) -> None:
    house.running.bus.close()

    ended = house.ended(house.add())

    assert ended.status_reason is StatusReason.COMPLETED
    assert house.runner.is_registered


@pytest.mark.parametrize("name", ["work", "open", "read", "synthetic-street"])
def test_a_thread_that_is_not_to_be_had_is_asked_for_again(
    house: House, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused: list[str] = []
    begin = threading.Thread.start

    def start(thread: threading.Thread) -> None:
        if thread.name.startswith(name) and len(refused) < 2:
            refused.append(thread.name)
            raise RuntimeError("can't start new thread")
        begin(thread)

    monkeypatch.setattr(threading.Thread, "start", start)

    ended = house.ended(house.add())

    assert len(refused) == 2
    assert ended.status_reason is StatusReason.COMPLETED, ended


class _BreaksOff(http.server.SimpleHTTPRequestHandler):
    """Hangs up in the middle of a file, so often as is still to be done."""

    left: ClassVar[int]

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass

    def copyfile(self, source: Any, outputfile: Any) -> None:
        whole = source.read()
        _BreaksOff.left -= 1
        with contextlib.suppress(ConnectionError):
            outputfile.write(whole[: len(whole) // 2] if _BreaksOff.left >= 0 else whole)


def test_a_file_whose_host_hangs_up_is_asked_for_again(house: House, tmp_path: Path) -> None:
    make_street_clip(tmp_path / "street.mkv", seed=1, seconds=8, fps=10, width=320, height=180)
    _BreaksOff.left = 2
    serving = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(_BreaksOff, directory=str(tmp_path))
    )
    with in_server(serving):
        scenario_id = house.add(f"http://127.0.0.1:{serving.server_port}/street.mkv")
        ended = house.ended(scenario_id)

    assert ended.status_reason is StatusReason.COMPLETED, ended
    assert _BreaksOff.left < 0
    rows = reading.rows(house.deciding.store, house.deciding.blobs, scenario_id, 1)
    assert [row["frame"] for row in rows] == list(range(80))


@contextlib.contextmanager
def in_server(serving: http.server.ThreadingHTTPServer) -> Iterator[None]:
    thread = threading.Thread(target=serving.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        serving.shutdown()
        serving.server_close()
        thread.join(240)
