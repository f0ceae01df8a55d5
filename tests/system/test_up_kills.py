"""The whole of `vedette up` killed at random moments under a stream of commands."""

from __future__ import annotations

import contextlib
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from vedette.domain.errors import TransitionRefused
from vedette.domain.ids import ScenarioId
from vedette.domain.scenario import (
    HolderFound,
    HolderLost,
    HolderTold,
    LetGo,
    PipelineUp,
    RunEnded,
    Scenario,
    ScenarioState,
    StartAsked,
    StatusReason,
    StopAsked,
    decide,
)
from vedette.store.sqlite import SqliteStore
from vedette.store.statements.scenarios import history

SOAK = int(os.environ.get("SOAK", "0"))
KILLS = 6 * (1 + 9 * SOAK)
LIVE = "synthetic://street?people=1&vehicles=0&seed=1&seconds=600&width=320&height=180"
STARTED_S = 240.0


class Up:
    """`vedette up` on one folder, killed and started again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "up.log"
        self.url = ""
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        environment = {**os.environ, "VEDETTE_QUARANTINE_DEATHS": "100000"}
        with self.log.open("a") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "vedette", "up", "--data", str(self.folder),
                 "--listen", "127.0.0.1:0"],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=environment,
            )  # fmt: skip
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert "listening on " in line, self.log.read_text()
        self.url = line.split("listening on ")[1].split(",")[0]

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(240)
            assert self._process.stdout is not None
            self._process.stdout.close()
            self._process = None


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Up]:
    one = Up(tmp_path)
    try:
        yield one
    finally:
        one.kill()


@dataclass
class Asked:
    """What one caller asked of one scenario, and whether it was accepted.

    Attributes:
        accepted: Commands answered with 202, in order.
        last_unsure: A command whose answer never came, after the last accepted one.
    """

    accepted: list[str] = field(default_factory=list)
    last_unsure: str | None = None


def arrows() -> set[tuple[ScenarioState, ScenarioState]]:
    """All changes that the pure function can make."""
    happenings = [
        StartAsked(), StopAsked(), HolderFound(), PipelineUp(), HolderLost(), HolderTold(), LetGo(),
        RunEnded(StatusReason.COMPLETED), RunEnded(StatusReason.FAILED),
    ]  # fmt: skip
    drawn = set()
    for state in ScenarioState:
        for again in (False, True):
            before = Scenario(ScenarioId("s"), "x", state=state, run=1, start_again=again)  # type: ignore[arg-type]
            for happening in happenings:
                with contextlib.suppress(TransitionRefused):
                    drawn.add((state, decide(before, happening).state))
    return drawn


@pytest.mark.timeout(300 * (1 + 9 * SOAK))
def test_no_accepted_command_is_lost_when_all_is_killed_again_and_again(up: Up) -> None:
    chance = random.Random(3)
    up.start()
    ids = [create(up.url) for _ in range(3)]
    asked = {one: Asked() for one in ids}
    ended = threading.Event()

    def ask(scenario_id: str, turns: random.Random) -> None:
        while not ended.is_set():
            kind = turns.choice(["start", "stop"])
            try:
                answer = httpx.post(f"{up.url}/scenario/{scenario_id}/?command={kind}", timeout=240)
            except httpx.HTTPError:  # Killed meanwhile: it may have been accepted, or not.
                asked[scenario_id].last_unsure = kind
                time.sleep(0.1)
                continue
            if answer.status_code == 202:
                asked[scenario_id].accepted.append(kind)
                asked[scenario_id].last_unsure = None
            else:
                assert answer.status_code == 409, answer.text
            time.sleep(turns.uniform(0, 0.15))

    threads = [
        threading.Thread(target=ask, args=(one, random.Random(number)))
        for number, one in enumerate(ids)
    ]
    for thread in threads:
        thread.start()
    for _ in range(KILLS):
        time.sleep(chance.uniform(0.3, 2.0))
        up.kill()
        up.start()
    time.sleep(1)
    ended.set()
    for thread in threads:
        thread.join(240)

    for scenario_id in ids:
        wanted = {asked[scenario_id].accepted[-1], asked[scenario_id].last_unsure}
        ends = {"active" if kind == "start" else "inactive" for kind in wanted if kind}
        wait_for_state(up, scenario_id, ends)
    up.kill()
    check_histories(up.folder, asked)


def create(url: str) -> str:
    answer = httpx.post(
        f"{url}/scenario/", data={"url": LIVE, "detector": "motion", "fps": "1"}, timeout=240
    )
    assert answer.status_code == 202, answer.text
    return str(answer.json()["scenario_id"])


def wait_for_state(up: Up, scenario_id: str, states: set[str]) -> None:
    end_s = time.monotonic() + STARTED_S
    while True:
        said = httpx.get(f"{up.url}/scenario/{scenario_id}/", timeout=240).json()
        if said["state"] in states and not said["waiting"]:
            return
        assert time.monotonic() < end_s, (said["state"], states, up.log.read_text()[-3000:])
        time.sleep(0.05)


def check_histories(folder: Path, asked: dict[str, Asked]) -> None:
    """Only drawn arrows, one after the other; and no more runs than starts were asked for."""
    drawn = arrows()
    store = SqliteStore(folder)
    try:
        for scenario_id, one in asked.items():
            rows = store.read(lambda t, which=scenario_id: history(t, ScenarioId(which), 100_000))
            rows.reverse()
            at = ScenarioState.INACTIVE
            for row in rows:
                assert row.before == at
                assert (ScenarioState(row.before), ScenarioState(row.after)) in drawn
                at = ScenarioState(row.after)
            runs = max(row.run for row in rows)
            starts = 1 + one.accepted.count("start")
            assert runs <= starts + KILLS  # An answer that was lost may have been a start.
            assert len(one.accepted) > KILLS
    finally:
        store.close()
