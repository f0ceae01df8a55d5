"""The API killed under its callers: what was accepted stands, once, and in order."""

from __future__ import annotations

import random
import socket
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import httpx

from system.cluster import Cluster, cluster
from vedette.domain.ids import ScenarioId
from vedette.domain.parameters import Parameters
from vedette.store.sqlite_file import FILE_NAME

STREET = "synthetic://street?people=1&vehicles=0&seed=1&seconds=3600&width=320&height=180"
ROUNDS, KILLS = 8, 5
DEADLINE_S = 240.0


class Caller:
    """Stops and starts one scenario over and over, and asks again where no answer came."""

    def __init__(self, url: str, scenario_id: ScenarioId, number: int) -> None:
        self.path = f"{url}/scenario/{scenario_id}/"
        self.number = number
        self.asked_again = 0
        self._chance = random.Random(number)
        self.error: BaseException | None = None
        self.thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        try:
            for turn in range(ROUNDS):
                for kind, state in (("stop", "inactive"), ("start", "active")):
                    self._ask(kind, f"caller-{self.number}-{turn}-{kind}")
                    self._until(self._is_decided(state), f"{kind} {turn}")
        except BaseException as error:  # noqa: BLE001  (the test raises it)
            self.error = error

    def _ask(self, kind: str, key: str) -> None:
        """Ask until somebody answers; always for the same thing, by its key."""

        # Who hangs up so soon does not know what became of it, as if the API had died just then.
        patience_s = [5.0, self._chance.uniform(0.002, 0.03)]

        def answered() -> bool:
            try:
                answer = httpx.post(
                    f"{self.path}?command={kind}",
                    headers={"Idempotency-Key": key},
                    timeout=patience_s[-1],
                    trust_env=False,
                )
            except httpx.HTTPError:
                del patience_s[1:]
                self.asked_again += 1
                return False
            assert answer.status_code == 202, answer.text
            return True

        self._until(answered, f"an answer to {key}")

    def _is_decided(self, state: str) -> Callable[[], bool]:
        def decided() -> bool:
            try:
                now = httpx.get(self.path, timeout=240, trust_env=False).json()
            except httpx.HTTPError:
                return False
            return now["state"] == state and not now["waiting"]

        return decided

    def _until(self, what: Callable[[], bool], why: str) -> None:
        end_s = time.monotonic() + DEADLINE_S
        while not what():
            assert time.monotonic() < end_s, why
            time.sleep(0.02)


def test_what_the_api_accepted_acts_once_whoever_kills_it(tmp_path: Path) -> None:
    chance = random.Random(11)
    with socket.create_server(("127.0.0.1", 0)) as free:
        listen = f"127.0.0.1:{free.getsockname()[1]}"
    with cluster(tmp_path / "data") as house:
        house.start("orchestrator")
        house.start("runner", "--name", "one")
        api = house.start("api", "--listen", listen)
        ids = [house.add(STREET, Parameters(detector="motion", fps=1)) for _ in range(3)]
        for scenario_id in ids:
            house.wait_for(
                lambda one=scenario_id: house.scenario(one).run == 1, deadline_s=240, why="a run"
            )
        accepted_before = accepted(house)
        callers = [Caller(house.url, one, number) for number, one in enumerate(ids)]
        for caller in callers:
            caller.thread.start()
        for _ in range(KILLS):
            time.sleep(chance.uniform(0.2, 1.2))
            api.kill()
            api.wait(240)
            api = house.start("api", "--listen", listen)
        for caller in callers:
            caller.thread.join(DEADLINE_S * 2)
            assert caller.error is None, caller.error
            assert not caller.thread.is_alive()

        assert sum(caller.asked_again for caller in callers), "nobody met a dead API"
        # Ids of commands are never used again, so their number is how many were ever accepted.
        assert accepted(house) - accepted_before == len(ids) * ROUNDS * 2
        assert [house.scenario(one).run for one in ids] == [1 + ROUNDS] * len(ids)


def accepted(house: Cluster) -> int:
    """Count the commands that were ever accepted."""
    path = house.folder / FILE_NAME
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as store:
        question = "SELECT seq FROM sqlite_sequence WHERE name = 'commands'"
        return int(store.execute(question).fetchone()[0])
