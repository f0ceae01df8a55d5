"""The page of states is what the code does."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

from vedette.domain.errors import TransitionRefused
from vedette.domain.ids import ScenarioId, SourceId
from vedette.domain.scenario import (
    Happening,
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
    road,
)

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "states.md"
HEAD = """# States of a scenario

A scenario has one of six states, a wanted state (`active` or `inactive`), a `status_reason` and a
`detail` for people. All of it is decided by one function, `decide` in `domain/scenario.py`. This
page is made from that function; a test sees that it stays so.

"""
MIDDLE = """
`active` means that the pipeline runs under a live lease, whether or not the camera answers: what a
live camera can recover from is its health, never its state. `inactive` means that nobody runs it:
thread, socket, process and lease are gone.

A run is one start. A holder that is lost changes the state, not the run: the next holder goes on
from the last commit. `status_reason` says why a scenario is where it is: among others
`runner_lost` and `runner_drained` at `init_startup`; `stopped`, `completed` and `failed` from
`init_shutdown` on.

## What happens in every state

A dash: it changes nothing. News that comes late or twice finds its state gone by.

"""
FOOT = """
*Start remembered*: a start that came during shutdown is taken up at `inactive`, as a new run; a
stop forgets it again. *Refused*: it runs already, and nothing changes.
"""
HAPPENINGS: dict[str, Happening] = {
    "start asked": StartAsked(),
    "stop asked": StopAsked(),
    "holder found": HolderFound(),
    "pipeline up": PipelineUp(),
    "holder lost": HolderLost(),
    "run ended": RunEnded(StatusReason.COMPLETED),
    "holder told": HolderTold(),
    "let go": LetGo(),
}
TAKEN_UP = "start remembered"
DOWN = (ScenarioState.INIT_SHUTDOWN, ScenarioState.IN_SHUTDOWN_PROCESSING)


def states_page() -> str:
    return HEAD + picture() + MIDDLE + table() + FOOT


def picture() -> str:
    lines = [
        f"    {before} --> {after}: {', '.join(causes)}"
        for (before, after), causes in arrows().items()
    ]
    head = ["```mermaid", "stateDiagram-v2", "    [*] --> inactive"]
    return "\n".join([*head, *lines, "```\n"])


def arrows() -> dict[tuple[str, str], list[str]]:
    """Give every arrow with what leads along it, found by trying everything in every state."""
    found: dict[tuple[str, str], list[str]] = {}
    for before in _scenarios():
        for cause, happening in HAPPENINGS.items():
            after = _after(before, happening)
            steps = () if after is None else road(before, after)
            for here, there in pairwise((before.state, *steps)):
                taken_up = here is ScenarioState.INACTIVE and before.state in DOWN
                causes = found.setdefault((here.value, there.value), [])
                name = TAKEN_UP if taken_up else cause
                causes += [] if name in causes else [name]
    return found


def table() -> str:
    states = list(ScenarioState)
    head = "| | " + " | ".join(f"`{one}`" for one in states) + " |\n"
    rows = [head, "|---" * (len(states) + 1) + "|\n"]
    for cause, happening in HAPPENINGS.items():
        cells = [_cell(state, happening) for state in states]
        rows.append(f"| {cause} | " + " | ".join(cells) + " |\n")
    return "".join(rows)


def _cell(state: ScenarioState, happening: Happening) -> str:
    before = Scenario(ScenarioId("door"), SourceId("street"), state=state, run=1)
    after = _after(before, happening)
    if after is None:
        return "refused"
    if after.start_again:
        return TAKEN_UP
    if after.state is not state:
        return f"`{after.state}`"
    if state in DOWN and _after(replace(before, start_again=True), happening) == after:
        return "forgets the start"
    return "–"


def _after(before: Scenario, happening: Happening) -> Scenario | None:
    try:
        return decide(before, happening)
    except TransitionRefused:
        return None


def _scenarios() -> list[Scenario]:
    plain = [
        Scenario(ScenarioId("door"), SourceId("street"), state=state, run=1)
        for state in ScenarioState
    ]
    return plain + [replace(one, start_again=True) for one in plain if one.state in DOWN]


def test_states_page_is_what_the_code_does() -> None:
    """To write it anew: python -m tests.house.test_states_page."""
    assert PAGE.read_text(encoding="utf-8") == states_page()


if __name__ == "__main__":
    PAGE.write_text(states_page(), encoding="utf-8")
