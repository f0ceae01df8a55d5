"""The durable core: failover, commands, and what durability costs.

python -m bench core [--repeats N]     N × 10 kills and N × 3 freezes
"""

from __future__ import annotations

import json
import math
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import av

from bench.clips import KINDS, clip_path
from bench.report import OUT, Row, row_of

# The deployment that tests kill is the one to measure.
sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

KILLS_PER_REPEAT = 10
FREEZES_PER_REPEAT = 3
LEASE_S = 3.0
COMMIT_S = 0.25
# Times the 20 s clip is laid end to end, so that it outlasts some faults.
LAPS = 60
COMMANDS = 2000


def core_rows(repeats: int) -> list[Row]:
    """Measure failover, commands per second, the price of durability, and how soon `up` is up."""
    return [
        *failover_rows(KILLS_PER_REPEAT * repeats, FREEZES_PER_REPEAT * repeats),
        *command_rows(repeats),
        *durable_rows(repeats),
        *rest_rows(),
        *up_rows(repeats),
    ]


def failover_rows(kills: int, freezes: int) -> list[Row]:
    """Time from a fault to the first accepted result of the next token, all cores busy."""
    from system.cluster import cluster

    environment = {
        "VEDETTE_LEASE_S": str(LEASE_S),
        "VEDETTE_COMMIT_S": str(COMMIT_S),
        "VEDETTE_QUARANTINE_DEATHS": "1000000",
    }
    delays: dict[str, list[float]] = {"kill -9": [], "SIGSTOP": []}
    with tempfile.TemporaryDirectory() as folder, cluster(Path(folder), **environment) as house:
        house.start("orchestrator")
        work = UnderFaults(house)
        for number in range(kills + freezes):
            if number % 10 == 0:
                print(f"fault {number} of {kills + freezes}", flush=True)
            fault = "kill -9" if number < kills else "SIGSTOP"
            sent = signal.SIGKILL if number < kills else signal.SIGSTOP
            delays[fault].append(work.fault_s(sent))
    rows = []
    for fault, goal in (("kill -9", "<= 1.5"), ("SIGSTOP", f"<= {LEASE_S + 1.5}")):
        values = sorted(delays[fault])
        p99 = values[min(len(values) - 1, round(0.99 * len(values)))]
        rows += [
            row_of(f"{fault} to the next result, {len(values)} faults", values, "s"),
            row_of(f"{fault} to the next result, p99", [p99], "s", goal),
        ]
    return rows


class UnderFaults:
    """A long file analysed by two runners, of which the one at work is hit again and again."""

    def __init__(self, house: Any) -> None:
        from vedette.domain.parameters import Parameters

        self._house = house
        self._runners = {}
        self._made = 0
        for _ in range(2):
            self._add_runner()
        self._id = house.add(str(long_clip()), Parameters(detector="motion"))
        self._run = 1

    def fault_s(self, sent: signal.Signals) -> float:
        """Hit whoever is at work; give how long the next accepted result took to come."""
        token, holder = self._newest()
        process = self._runners.pop(holder)
        at_ms = time.time_ns() / 1e6
        process.send_signal(sent)
        self._house.wait_for(
            lambda: (first_of(self._house, self._id, self._run, token) or 0) > 0,
            deadline_s=60,
            why="the next holder",
        )
        first_ms = first_of(self._house, self._id, self._run, token)
        process.kill()
        process.wait(10)
        self._add_runner()
        return (first_ms - at_ms) / 1000

    def _newest(self) -> tuple[int, str]:
        """Wait until somebody live is at work; begin anew where the file has ended."""
        from vedette.domain.scenario import StatusReason

        def is_at_work() -> bool:
            newest = fresh(self._house, self._id, self._run)
            return newest is not None and newest[1] in self._runners

        while True:
            if self._house.scenario(self._id).status_reason is StatusReason.COMPLETED:
                self._house.command(self._id, "start")
                self._run += 1
            self._house.wait_for(is_at_work, deadline_s=60, why="work")
            time.sleep(0.5)  # Not in the middle of taking over.
            if self._house.scenario(self._id).status_reason is not StatusReason.COMPLETED:
                newest = fresh(self._house, self._id, self._run)
                assert newest is not None
                return newest

    def _add_runner(self) -> None:
        name = f"r{self._made}"
        self._made += 1
        self._runners[name] = self._house.start("runner", "--name", name)


def fresh(house: Any, scenario_id: Any, run: int) -> tuple[int, str] | None:
    """Give token and holder of the newest part."""

    def question(transaction: Any) -> Any:
        return transaction.connection.exec_driver_sql(
            "SELECT token, holder FROM parts WHERE scenario_id = ? AND run = ? "
            "ORDER BY first DESC LIMIT 1",
            (scenario_id, run),
        ).first()

    row = house.store.read(question)
    return None if row is None else (row.token, row.holder)


def first_of(house: Any, scenario_id: Any, run: int, after_token: int) -> float | None:
    """Give when the first part of a newer token was committed, wall time in ms; None: not yet."""

    def question(transaction: Any) -> Any:
        return transaction.connection.exec_driver_sql(
            "SELECT min(at_ms) FROM parts WHERE scenario_id = ? AND run = ? AND token > ?",
            (scenario_id, run, after_token),
        ).scalar()

    return house.store.read(question)


def long_clip() -> Path:
    """Give the 360p clip laid end to end, made without encoding anew."""
    target = OUT / "clips" / "long.mp4"
    if target.exists():
        return target
    source = clip_path(KINDS[2])
    partial = target.with_suffix(".partial.mp4")
    with av.open(str(source)) as read, av.open(str(partial), "w") as written:
        stream = written.add_stream_from_template(read.streams.video[0])
        packets = [packet for packet in read.demux(video=0) if packet.size]
        length = max(packet.pts + packet.duration for packet in packets)
        content = [
            (bytes(one), one.pts, one.dts, one.is_keyframe, one.time_base) for one in packets
        ]
        for lap in range(LAPS):
            for data, pts, dts, is_key, time_base in content:
                packet = av.Packet(data)
                packet.stream = stream
                packet.time_base = time_base
                packet.pts, packet.dts = pts + lap * length, dts + lap * length
                packet.is_keyframe = is_key
                written.mux(packet)
    partial.replace(target)
    return target


def command_rows(repeats: int) -> list[Row]:
    """Commands decided per second against the same transactions issued bare."""
    from system.cluster import cluster

    ratios, rates = [], []
    for _ in range(repeats):
        with tempfile.TemporaryDirectory() as folder, cluster(Path(folder)) as house:
            bare = bare_rate(house)
            house.start("orchestrator")
            time.sleep(1)  # It has loaded what it needs, and found nothing to do.
            ours = decided_rate(house)
        rates.append(ours)
        ratios.append(ours / bare)
    return [
        row_of("commands accepted and decided", rates, "1/s"),
        row_of("commands / the same transactions, bare", ratios, "ratio", ">= 0.5"),
    ]


def scenario_of(number: int) -> tuple[Any, Any]:
    """Give a scenario that nobody runs: there is no runner."""
    from vedette.domain.ids import ScenarioId, SourceId

    return ScenarioId(f"s{number:05}"), SourceId(f"of s{number:05}")


def accept(number: int) -> Callable[[Any], None]:
    """Give the transaction that accepts a start, as the API has it."""
    from vedette.domain.parameters import Parameters
    from vedette.domain.scenario import Scenario
    from vedette.store.statements import scenarios

    scenario_id, source_id = scenario_of(number)

    def work(transaction: Any) -> None:
        scenarios.add_source(transaction, source_id, name="clip", address="synthetic://street")
        scenarios.add_scenario(transaction, Scenario(scenario_id, source_id), Parameters())
        scenarios.add_command(transaction, scenario_id, scenarios.START)

    return work


def bare_rate(house: Any) -> float:
    """Issue the accepting and the deciding transactions with nothing around them."""
    from vedette.domain.scenario import StartAsked, decide
    from vedette.store.statements import scenarios

    def decided(transaction: Any) -> None:
        waiting = scenarios.waiting_commands(transaction, 256)
        known = scenarios.scenarios_of(transaction, [one.scenario_id for one in waiting])
        for one in waiting:
            before = known[one.scenario_id]
            scenarios.save_change(transaction, before, decide(before, StartAsked()))
        scenarios.drop_commands(transaction, [one.id for one in waiting])

    started = time.perf_counter()
    accepted = [
        house.store.submit(accept(number), durable=True)
        for number in range(100_000 // 4, 100_000 // 4 + COMMANDS)
    ]
    for one in accepted:
        one.result()
    for _ in range(-(-COMMANDS // 256)):
        house.store.write(decided, durable=True)
    return COMMANDS / (time.perf_counter() - started)


def decided_rate(house: Any) -> float:
    """Accept as many commands with an orchestrator at work in its own process."""
    from vedette.bus import topics
    from vedette.bus.base import Message

    started = time.perf_counter()
    accepted = [house.store.submit(accept(number), durable=True) for number in range(COMMANDS)]
    house.bus.publish([Message(topics.COMMANDS)])
    for one in accepted:
        one.result()

    def left(transaction: Any) -> int:
        return int(
            transaction.connection.exec_driver_sql("SELECT count(*) FROM commands").scalar_one()
        )

    while house.store.read(left):
        time.sleep(0.001)
    return COMMANDS / (time.perf_counter() - started)


def durable_rows(repeats: int) -> list[Row]:
    """CPU of a file through a runner against the same file through `vedette run`."""
    from system.cluster import cluster
    from vedette.domain.parameters import Parameters
    from vedette.domain.scenario import ScenarioState

    clip = str(clip_path(KINDS[1]))
    ratios = []
    with (
        tempfile.TemporaryDirectory() as folder,
        cluster(Path(folder), VEDETTE_COMMIT_S="1") as house,
    ):
        house.start("orchestrator")
        runner = house.start("runner", "--name", "one")
        for number in range(repeats + 1):
            before = spent_s(runner.pid)
            scenario_id = house.add(clip, Parameters(detector="motion"))
            house.wait_for_state(scenario_id, ScenarioState.INACTIVE, deadline_s=60)
            durable = spent_s(runner.pid) - before
            plain = plain_s(clip)
            if number:  # The first one loads libraries.
                ratios.append(durable / plain)
    return [row_of("CPU of the durable road / vedette run, 720p", ratios, "ratio", "<= 1.05")]


def plain_s(clip: str) -> float:
    """Give the CPU seconds of the road alone, in a process that has its libraries loaded."""
    program = (
        "import json, sys, time\n"
        "from vedette import wiring\n"
        "from vedette.settings import load_settings\n"
        "with wiring.Wiring(load_settings()) as house:\n"
        "    for turn in range(2):\n"
        "        one = house.analysis(wiring.AnalysisRequest(source=sys.argv[1],"
        " detector='motion', predictions=sys.argv[2]))\n"
        "        before = time.process_time()\n"
        "        one.carry_out()\n"
        "print(time.process_time() - before)\n"
    )
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-c", program, clip, str(Path(folder) / "rows.jsonl")],
            capture_output=True,
            text=True,
            check=True,
        )
    return float(done.stdout.splitlines()[-1])


def spent_s(pid: int) -> float:
    """Give the CPU seconds of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def rest_rows(seconds: float = 10.0) -> list[Row]:
    """What scenarios at rest cost: CPU, memory and writes of an orchestrator and a runner."""
    from system.cluster import cluster

    rows = []
    written = {}
    for count in (100, 10_000):
        with tempfile.TemporaryDirectory() as folder, cluster(Path(folder)) as house:
            for at in range(0, count, 1000):
                house.store.write(partial(register, range(at, min(at + 1000, count))))
            processes = [house.start("orchestrator"), house.start("runner", "--name", "one")]
            time.sleep(3)
            before = [(spent_s(one.pid), written_bytes(one.pid)) for one in processes]
            time.sleep(seconds)
            after = [(spent_s(one.pid), written_bytes(one.pid)) for one in processes]
            cpu_s = sum(late[0] - early[0] for early, late in zip(before, after, strict=True))
            written[count] = sum(
                late[1] - early[1] for early, late in zip(before, after, strict=True)
            )
            name = f"{count:,} scenarios at rest"
            rows += [
                row_of(f"{name}: CPU of orchestrator and runner", [cpu_s / seconds], "cores"),
                row_of(f"{name}: bytes written", [written[count] / seconds], "B/s"),
            ]
    exponent = math.log(max(written[10_000], 1) / max(written[100], 1)) / math.log(100)
    rows.append(row_of("writes at rest: exponent in scenarios", [exponent], "", "<= 0.3"))
    return rows


def register(numbers: range, transaction: Any) -> None:
    """Register scenarios that nobody started."""
    from vedette.domain.parameters import Parameters
    from vedette.domain.scenario import Scenario
    from vedette.store.statements import scenarios

    for number in numbers:
        scenario_id, source_id = scenario_of(number)
        scenarios.add_source(transaction, source_id, name="clip", address="synthetic://street")
        scenarios.add_scenario(transaction, Scenario(scenario_id, source_id), Parameters())


def written_bytes(pid: int) -> int:
    """Give the bytes that a process has had written so far."""
    lines = Path(f"/proc/{pid}/io").read_text().splitlines()
    return int(dict(line.split(": ") for line in lines)["write_bytes"])


def up_rows(repeats: int) -> list[Row]:
    """How soon `vedette up` is ready, apart from importing what it needs."""
    ready, imports = [], []
    for _ in range(repeats):
        with tempfile.TemporaryDirectory() as folder:
            imports.append(imports_s())
            started = time.perf_counter()
            process = subprocess.Popen(
                [sys.executable, "-m", "vedette", "up", "--data", folder, "--listen",
                 "127.0.0.1:0"],
                stdout=subprocess.PIPE,
                text=True,
            )  # fmt: skip
            assert process.stdout is not None
            process.stdout.readline()
            ready.append(time.perf_counter() - started - imports[-1])
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=20)
    return [
        row_of("vedette up: its imports", imports, "s"),
        row_of("vedette up: ready after its imports", ready, "s", "<= 1"),
    ]


def imports_s() -> float:
    """Give how long a fresh interpreter takes to import what `up` uses."""
    program = (
        "import alembic.command, cryptography.fernet, cv2, fastapi, multipart, numpy, pyarrow\n"
        "import sqlalchemy, uvicorn, websockets, typer, av\n"
    )
    values = []
    for _ in range(3):
        started = time.perf_counter()
        subprocess.run([sys.executable, "-c", program], check=True)
        values.append(time.perf_counter() - started)
    return statistics.median(values)


if __name__ == "__main__":
    print(json.dumps([str(row) for row in core_rows(1)], indent=1))
