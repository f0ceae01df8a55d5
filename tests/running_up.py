"""`vedette up` as a real process, which tests may stop, kill and start anew on its folder."""

from __future__ import annotations

import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from shell import Told, command, environment, heeding_interrupts, vedette

READY_S = 240.0


class Up:
    """One life of `vedette up`; its words are gathered as they come."""

    def __init__(self, folder: Path, *words: object, listen: str = "127.0.0.1:0", **settings: str):
        self.cache_dir = folder.parent / "cache"
        self._err = (folder.parent / f"up-{time.monotonic_ns()}.log").open("w+")
        self.process = subprocess.Popen(
            command("up", "--data", folder, "--listen", listen, *words),
            env=environment(self.cache_dir, **{"VEDETTE_COMMIT_S": "0.2", **settings}),
            stdout=subprocess.PIPE, stderr=self._err, text=True,
            preexec_fn=heeding_interrupts,
        )  # fmt: skip
        self.said: list[str] = []
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        listening = self.wait_for("listening on ", deadline_s=READY_S)
        found = re.search(r"http://\S+?(?=,)", listening)
        assert found is not None, listening
        self.url = found[0]

    def wait_for(self, words: str, *, deadline_s: float = 240.0) -> str:
        """Wait for a line with these words on standard output, and give it."""
        with self._changed:
            there = self._changed.wait_for(
                lambda: any(words in line for line in self.said) or not self._reader.is_alive(),
                deadline_s,
            )
        lines = [line for line in self.said if words in line]
        assert there and lines, f"no '{words}' in {self.said}\n{self.log()}"
        return lines[0]

    def cli(self, *words: object, **settings: str) -> Told:
        """Run a verb against it, to its end."""
        return vedette(*words, cache_dir=self.cache_dir, VEDETTE_SERVER=self.url, **settings)

    def get(self, path: str) -> httpx.Response:
        """Ask it something."""
        with httpx.Client(base_url=self.url, trust_env=False, timeout=240) as client:
            return client.get(path)

    def scenario(self, scenario_id: str) -> dict:
        """Give a scenario as the API shows it."""
        answer = self.get(f"/api/v1/scenarios/{scenario_id}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def wait_until(
        self, scenario_id: str, what: Callable[[dict], object], *, deadline_s: float = 240.0
    ) -> dict:
        """Wait until something holds of a scenario, and give it."""
        end_s = time.monotonic() + deadline_s
        while True:
            scenario = self.scenario(scenario_id)
            if what(scenario):
                return scenario
            assert time.monotonic() < end_s, f"{scenario}\n{self.log()}"
            time.sleep(0.05)

    def interrupt(self, *, deadline_s: float = 240.0) -> int:
        """Press Ctrl-C; give the exit code."""
        self.process.send_signal(signal.SIGINT)
        code = self.process.wait(deadline_s)
        self._close()
        return code

    def kill(self) -> None:
        """End it with -9, at whatever moment; again does nothing."""
        self.process.kill()
        self.process.wait(240)
        self._close()

    def log(self) -> str:
        """Give what it said on standard error."""
        return Path(self._err.name).read_text()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._changed:
                self.said.append(line.rstrip("\n"))
                self._changed.notify_all()
        with self._changed:
            self._changed.notify_all()

    def _close(self) -> None:
        self._reader.join(240)
        assert self.process.stdout is not None
        self.process.stdout.close()
        self._err.close()


@contextmanager
def running_up(folder: Path, *words: object, **settings: str) -> Iterator[Up]:
    """Give a running `vedette up` that is gone afterwards."""
    one = Up(folder, *words, **settings)
    try:
        yield one
    finally:
        one.kill()
