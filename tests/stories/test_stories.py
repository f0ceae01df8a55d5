"""Stories: transcripts of the control plane, replayed against the real orchestrator and store.

A story is a text file of steps: a command, a line `----`, and exactly what it answers, up to an
empty line. Lines that begin with `#` are for the reader. To write the answers anew:
`VEDETTE_REWRITE=1 pytest tests/stories`; commit them only where you understand what changed them.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.world import ChalkRunner, World
from vedette.domain.ids import ScenarioId
from vedette.domain.scenario import StatusReason
from vedette.store.statements import scenarios

STORIES = sorted(Path(__file__).parent.glob("*.txt"))


class Teller:
    """Carries out the commands of a story, and says what changed."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._told = 0

    def carry_out(self, command: str) -> str:
        """Give the answer: what was said, then every arrow since the last command."""
        said = self._act(shlex.split(command))
        arrows = self._world.arrows(self._told)
        for row_id, name, before, after, reason, run in arrows:
            self._told = row_id
            said.append(f"{name}: {before} → {after} ({reason}, run {run})")
        return "\n".join(said) or "nothing"

    def _act(self, words: list[str]) -> list[str]:
        match words:
            case ["scenario", name, "on", source]:
                self._world.add(name, source)
            case ["start" | "stop" as kind, name]:
                self._world.ask(name, kind)
                return ["accepted"]
            case ["orchestrator" | "watchdog" | "everybody" as who, *doing]:
                return self._control(who, doing)
            case ["wait", seconds, "s"]:
                for _ in range(int(seconds)):
                    self._world.pass_by(1.0)
            case ["show", name]:
                return self._show(name)
            case ["runner", name, "joins"]:
                self._world.join(name)
            case ["runner", name, "joins", "with", "room", "for", capacity]:
                self._world.join(name, capacity=int(capacity))
            case ["runner", name, *doing]:
                return self._run(self._world.runners[name], doing)
            case _:
                raise AssertionError(f"no command of a story: {words}")
        return []

    def _control(self, who: str, doing: list[str]) -> list[str]:
        match who, doing:
            case "orchestrator", ["looks"]:
                self._world.orchestrator.run_once()
            case "orchestrator", ["is", "killed"]:
                self._world.orchestrator = self._world.another_orchestrator()
            case "watchdog", ["looks"]:
                taken = self._world.orchestrator.watch_once()
                return [f"{taken} taken away"] if taken else []
            case "everybody", ["looks"]:
                self._world.settle()
            case _:
                raise AssertionError(f"nothing that {who} does: {doing}")
        return []

    def _run(self, runner: ChalkRunner, doing: list[str]) -> list[str]:
        match doing:
            case ["looks"]:
                runner.look()
                return [f"runs {', '.join(sorted(runner.pipelines)) or 'nothing'}"]
            case ["commits"]:
                return [f"{name}: {outcome}" for name, outcome in runner.commit().items()]
            case ["dies"]:
                runner.die()
            case ["freezes"]:
                runner.is_frozen = True
            case ["wakes", "up"]:
                runner.is_frozen = False
            case ["drains"]:
                runner.drain()
            case ["says", name, "completed"]:
                return self._heard(runner.end(ScenarioId(name), StatusReason.COMPLETED))
            case ["says", name, "failed", why]:
                return self._heard(runner.end(ScenarioId(name), StatusReason.FAILED, why))
            case ["repeats", "its", "first", "report"]:
                return self._heard(runner.repeat(0))
            case _:
                raise AssertionError(f"no doing of a runner: {doing}")
        return []

    def _heard(self, is_taken: bool) -> list[str]:
        return ["taken up" if is_taken else "refused: it came too late"]

    def _show(self, name: str) -> list[str]:
        scenario = self._world.scenario(name)
        held = self._world.holder(name)
        holder = "nobody" if held is None else f"{held.runner_id} with token {held.token}"
        waits = self._world.store.read(lambda one: scenarios.command_waits(one, ScenarioId(name)))
        reason, run = scenario.status_reason, scenario.run
        lines = [
            f"{name}: {scenario.state}, wanted {scenario.wanted}, {reason}, run {run}",
            f"held by {holder}",
        ]
        lines += [f"detail: {scenario.detail}"] if scenario.detail else []
        lines += ["a start is remembered"] if scenario.start_again else []
        return lines + ([f"undecided: {', '.join(waits)}"] if waits else [])


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    world = World(tmp_path, monkeypatch)
    yield world
    world.close()


@pytest.mark.parametrize("story", STORIES, ids=lambda path: path.stem)
def test_the_story_goes_as_written(story: Path, world: World) -> None:
    written = story.read_text(encoding="utf-8")

    told = replay(written, Teller(world))

    if os.environ.get("VEDETTE_REWRITE"):
        story.write_text(told, encoding="utf-8")
    else:
        assert told == written


def replay(text: str, teller: Teller) -> str:
    """Give the story with the answers that it gets now."""
    blocks = []
    for block in re.split(r"\n{2,}", text.strip()):
        lines = block.split("\n")
        comments = [line for line in lines if line.startswith("#")]
        commands = [line for line in lines if not line.startswith("#")][:1]
        answers = [f"{one}\n----\n{teller.carry_out(one)}" for one in commands]
        blocks.append("\n".join([*comments, *answers]))
    return "\n\n".join(blocks) + "\n"


def test_there_are_stories() -> None:
    assert len(STORIES) >= 7
