from __future__ import annotations

import io

import numpy as np
import pytest

from vedette.domain.errors import BadInput
from vedette.domain.stream import Position
from vedette.runner import checkpoint


@pytest.mark.parametrize("restart_pts", [None, -512, 0, 90_000])
def test_a_position_comes_back_as_it_was(restart_pts: int | None) -> None:
    position = Position(number=7, pts=-3, start_pts=-512, restart_pts=restart_pts, restart_number=5)

    saved = checkpoint.from_bytes(checkpoint.to_bytes(checkpoint.position_state(position)))

    assert checkpoint.position_from(saved) == position


def test_the_states_of_rooms_are_kept_apart() -> None:
    joined = checkpoint.join_states(
        {"analyzer": {"mean": np.arange(3)}, "detector": {"mean": np.arange(4)}}
    )

    assert checkpoint.part_of(joined, "analyzer")["mean"].tolist() == [0, 1, 2]
    assert checkpoint.part_of(joined, "detector")["mean"].tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("keep", [0, 1, 10, 100, -1])
def test_a_cut_off_checkpoint_is_refused(keep: int) -> None:
    whole = checkpoint.to_bytes({"mean": np.arange(100)})

    with pytest.raises(BadInput, match="no checkpoint"):
        checkpoint.from_bytes(whole[:keep])


def test_a_checkpoint_that_would_unpack_to_more_is_refused() -> None:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, mean=np.zeros(10_000_000))

    with pytest.raises(BadInput, match="unpack"):
        checkpoint.from_bytes(buffer.getvalue())


def test_what_could_run_code_is_never_loaded() -> None:
    saved = checkpoint.to_bytes({"mean": np.arange(3)})
    pickled = np.array([{"a": 1}], dtype=object)

    assert set(checkpoint.from_bytes(saved)) == {"mean"}
    with pytest.raises(ValueError, match="pickle"):
        checkpoint.to_bytes({"mean": pickled})
