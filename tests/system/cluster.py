"""A deployment for tests: roles as real processes over one data directory, killed at will."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

import httpx

from vedette.blobs.files import FileBlobs
from vedette.bus import topics
from vedette.bus.base import Message
from vedette.bus.local import LocalBus
from vedette.domain.ids import ScenarioId, SourceId, uuid7
from vedette.domain.parameters import Parameters
from vedette.domain.scenario import Scenario, ScenarioState
from vedette.results import reading
from vedette.store.base import Transaction
from vedette.store.sqlite import SqliteStore
from vedette.store.statements import results, scenarios

LEASE_S = 1.5
COMMIT_S = 0.25


class Cluster:
    """Starts roles, gives commands through the store as the API does, and looks at results."""

    def __init__(self, folder: Path, **environment: str) -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self._environment = {
            **os.environ,
            "VEDETTE_LEASE_S": str(LEASE_S),
            "VEDETTE_COMMIT_S": str(COMMIT_S),
            **environment,
        }
        self.processes: list[subprocess.Popen[str]] = []
        self.url = ""
        self.store = SqliteStore(folder)
        self.store.migrate()
        self.bus = LocalBus(folder)
        (folder / "blobs").mkdir(exist_ok=True)
        self.blobs = FileBlobs(folder / "blobs")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.processes:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGCONT)
            process.kill()
        for process in self.processes:
            process.wait(240)
            if process.stdout is not None:
                process.stdout.close()
        self.bus.close()
        self.store.close()

    def start(self, role: str, *words: str, **environment: str) -> subprocess.Popen[str]:
        """Start a role and wait until it says it is ready."""
        log = (self.folder / f"{role}-{len(self.processes)}.log").open("w")
        with log:
            process = subprocess.Popen(
                [sys.executable, "-m", "vedette", role, "--data", str(self.folder), *words],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env={**self._environment, **environment},
            )
        self.processes.append(process)
        assert process.stdout is not None
        line = process.stdout.readline()
        assert "ready" in line or "listening" in line, self.logs()
        if role == "api":
            self.url = line.split("listening on ")[1].split(",")[0].strip()
        return process

    def start_api(self) -> subprocess.Popen[str]:
        """Start the role that answers, for `get` and `post`."""
        return self.start("api", "--listen", "127.0.0.1:0")

    def get(self, path: str, **asked: object) -> Any:
        """Ask the API; it answers."""
        answer = httpx.get(f"{self.url}{path}", params=asked, trust_env=False, timeout=240)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, body: object = None) -> Any:
        """Ask the API for something; it accepts."""
        answer = httpx.post(f"{self.url}{path}", json=body, trust_env=False, timeout=240)
        assert answer.status_code == 202, answer.text
        return answer.json()

    def logs(self) -> str:
        """Give what the roles said, for a failing test."""
        return "\n".join(
            f"== {path.name}\n{path.read_text()[-4000:]}"
            for path in sorted(self.folder.glob("*.log"))
        )

    def add(self, address: str, parameters: Parameters | None = None) -> ScenarioId:
        """Register a scenario and start it; accepted when this returns."""
        scenario_id = ScenarioId(uuid7(time.time_ns() // 1_000_000, secrets.token_bytes(10)))
        source_id = SourceId(f"of {scenario_id}")

        def work(transaction: Transaction) -> None:
            scenarios.add_source(transaction, source_id, name="clip", address=address)
            scenarios.add_scenario(
                transaction, Scenario(scenario_id, source_id), parameters or Parameters()
            )
            scenarios.add_command(transaction, scenario_id, scenarios.START)

        self.store.write(work, durable=True)
        self.bus.publish([Message(topics.COMMANDS)])
        return scenario_id

    def command(self, scenario_id: ScenarioId, kind: str) -> None:
        """Accept a command."""
        self.store.write(lambda t: scenarios.add_command(t, scenario_id, kind), durable=True)
        self.bus.publish([Message(topics.COMMANDS)])

    def scenario(self, scenario_id: ScenarioId) -> Scenario:
        return self.store.read(lambda t: scenarios.get_scenario(t, scenario_id)).scenario

    def rows(self, scenario_id: ScenarioId, run: int = 1) -> list[dict[str, Any]]:
        """Give all committed rows of a run, settled or not."""
        if self.scenario(scenario_id).run < run:
            return []
        return list(reading.rows(self.store, self.blobs, scenario_id, run))

    def tokens(self, scenario_id: ScenarioId, run: int = 1) -> list[int]:
        """Give the tokens that parts were committed with, in order."""
        parts = self.store.read(lambda t: results.parts_of(t, scenario_id, run))
        return [part.token for part in parts]  # A settled part has the newest of its tokens.

    def told(self, scenario_id: ScenarioId) -> list[tuple[Any, ...]]:
        """Give counts and events, without what tells who found them."""

        def question(transaction: Transaction) -> list[tuple[Any, ...]]:
            ask = transaction.connection.exec_driver_sql
            counts = ask(
                'SELECT start_ms, kind, place, label, now_mean, now_min, now_max, entered, "left", '
                'crossed_in, crossed_out, "distinct", covered_s FROM counts '
                "WHERE scenario_id = ? ORDER BY 1, 2, 3, 4",
                (scenario_id,),
            ).all()
            events = ask(
                "SELECT sequence, type, frame, pts_s, track_id, label, place, direction, dwell_s "
                "FROM events WHERE scenario_id = ? ORDER BY 1",
                (scenario_id,),
            ).all()
            return [tuple(row) for row in [*counts, *events]]

        return self.store.read(question)

    def freeze(self, process: subprocess.Popen[str]) -> None:
        """Stop a process where it stands, but not inside the database's write lock.

        Who stops there is killed after a while, for all others wait: another story.
        """
        while True:
            process.send_signal(signal.SIGSTOP)
            os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
            if self.store.frozen_writer() is None:
                return
            process.send_signal(signal.SIGCONT)
            os.waitid(os.P_PID, process.pid, os.WCONTINUED | os.WNOWAIT)
            time.sleep(0.005)

    def wait_for(self, what: Callable[[], object], *, deadline_s: float, why: str) -> None:
        """Wait until something holds; shows the logs where it does not."""
        end_s = time.monotonic() + deadline_s
        while not what():
            assert time.monotonic() < end_s, f"waited {deadline_s} s for {why}\n{self.logs()}"
            time.sleep(0.02)

    def wait_for_state(
        self, scenario_id: ScenarioId, state: ScenarioState, *, deadline_s: float = 240
    ) -> Scenario:
        def reached() -> bool:
            # A new one rests until its first command is decided.
            now = self.scenario(scenario_id)
            return now.state is state and now.run > 0

        self.wait_for(reached, deadline_s=deadline_s, why=f"{scenario_id} to be {state}")
        return self.scenario(scenario_id)


@contextlib.contextmanager
def cluster(folder: Path, **environment: str) -> Iterator[Cluster]:
    """Give a deployment whose processes are gone afterwards."""
    with Cluster(folder, **environment) as one:
        yield one
