"""A runner killed inside the very transaction that writes its results down, or right behind it."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from street_clip import make_street_clip
from system.cluster import Cluster, cluster
from system.test_survival import PLAN, comparable, finish
from vedette.domain.parameters import Parameters

# Dies by its own hand, which the kernel does not tell from another's, as a function is called, or
# has returned, for the so-manieth time.
_LIBRARY = """
import importlib, os, signal

def arm(where, after, times):
    module, name = where.rsplit(".", 1)
    module = importlib.import_module(module)
    real, calls = getattr(module, name), [0]

    def deadly(*given, **named):
        calls[0] += 1
        if after:
            real(*given, **named)
        if calls[0] == times:
            os.kill(os.getpid(), signal.SIGKILL)
        if not after:
            return real(*given, **named)

    setattr(module, name, deadly)

if os.environ.get("DIES_IN"):
    where, after, times = os.environ["DIES_IN"].split()
    arm(where, after == "after", int(times))
"""
CHECKPOINT = "vedette.store.statements.results._save_checkpoint"
TELL = "vedette.runner.work._tell"
# Rows are written and the memory is not; all is written and not committed; all is committed and
# nobody knows.
MOMENTS = [(CHECKPOINT, "before"), (CHECKPOINT, "after"), (TELL, "before")]
COMMITS_BEFORE = (1, 2, 4)


@pytest.mark.parametrize("moment", MOMENTS, ids=lambda one: f"{one[1]}{one[0].rsplit('.', 1)[1]}")
def test_whoever_dies_inside_a_commit_leaves_all_of_it_or_nothing(
    moment: tuple[str, str], tmp_path: Path
) -> None:
    library = tmp_path / "dying"
    library.mkdir()
    (library / "sitecustomize.py").write_text(_LIBRARY)
    path = os.pathsep.join([str(library), os.environ.get("PYTHONPATH", "")])
    street = tmp_path / "street.mp4"
    make_street_clip(street, seed=3, seconds=40, fps=15, width=640, height=360)
    parameters = Parameters(detector="motion", plan=PLAN)
    where, when = moment
    with cluster(tmp_path / "data", VEDETTE_QUARANTINE_DEATHS="1000") as house:
        house.start("orchestrator")
        undisturbed = house.add(str(street), parameters)
        last(house)
        finish(house, undisturbed)
        house.processes[-1].kill()

        disturbed = house.add(str(street), parameters)
        for times in COMMITS_BEFORE:
            dies = {"PYTHONPATH": path, "DIES_IN": f"{where} {when} {times}"}
            runner = house.start("runner", "--name", f"dies-after-{times}", **dies)
            assert runner.wait(240) == -signal.SIGKILL
            rows = house.rows(disturbed)
            assert [row["frame"] for row in rows] == list(range(len(rows)))
        last(house)
        finish(house, disturbed)

        assert comparable(house.rows(disturbed)) == comparable(house.rows(undisturbed))
        assert house.told(disturbed) == house.told(undisturbed)


def last(house: Cluster) -> None:
    """Have a runner that lives."""
    house.start("runner", "--name", f"lives-{len(house.processes)}")
