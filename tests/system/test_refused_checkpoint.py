"""A run whose checkpoint cannot be read says so and ends; the next start begins anew."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest

from street_clip import make_street_clip
from system.cluster import cluster
from vedette.domain.parameters import Parameters
from vedette.domain.scenario import ScenarioState, StatusReason
from vedette.store.base import Transaction


def of_the_form_before() -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, detector_name=np.zeros(3, np.uint8))
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "why"), [(of_the_form_before(), "older Vedette"), (b"VCP2 and dust", "damaged")]
)
def test_a_checkpoint_that_cannot_be_read_ends_the_run_and_the_next_start_begins_anew(
    content: bytes, why: str, tmp_path: Path
) -> None:
    clip = tmp_path / "clip.mp4"
    make_street_clip(clip, seconds=60, width=640, height=360)
    with cluster(tmp_path / "data") as house:
        house.start("orchestrator")
        runner = house.start("runner", "--name", "one")
        scenario_id = house.add(str(clip), Parameters(detector="motion"))
        house.wait_for(lambda: house.tokens(scenario_id), deadline_s=240, why="first results")
        runner.kill()
        runner.wait(240)
        before = house.rows(scenario_id)

        def spoil(transaction: Transaction) -> None:
            transaction.connection.exec_driver_sql("UPDATE checkpoints SET state = ?", (content,))

        house.store.write(spoil)
        house.start("runner", "--name", "two")
        ended = house.wait_for_state(scenario_id, ScenarioState.INACTIVE, deadline_s=240)

        assert ended.status_reason is StatusReason.FAILED
        assert why in ended.detail
        assert "start the scenario to begin a new run" in ended.detail
        assert house.rows(scenario_id) == before
        house.command(scenario_id, "start")
        house.wait_for(lambda: house.tokens(scenario_id, 2), deadline_s=240, why="a new run")
        finished = house.wait_for_state(scenario_id, ScenarioState.INACTIVE, deadline_s=240)
        assert finished.status_reason is StatusReason.COMPLETED
        assert [row["frame"] for row in house.rows(scenario_id, 2)] == list(range(600))
