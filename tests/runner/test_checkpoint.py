from __future__ import annotations

import io
import json
import zlib
from typing import Any

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


NOISE = np.random.default_rng(5)


def mostly(common: Any, *, others: int, dtype: str, shape: tuple[int, ...] = (90, 160, 2)) -> Any:
    array = np.full(shape, common, dtype)
    at = NOISE.choice(array.size, others, replace=False)
    array.ravel()[at] = NOISE.integers(0, 2, others) if dtype == "?" else NOISE.random(others) * 90
    return array


@pytest.mark.parametrize(
    "array",
    [
        mostly(0, others=0, dtype="u2"),
        mostly(60_000, others=300, dtype="u2"),
        mostly(7, others=20_000, dtype="u1"),
        mostly(0, others=28_800, dtype="f4"),
        mostly(-0.0, others=5, dtype="f8"),
        mostly(np.nan, others=5, dtype="f4"),
        mostly(False, others=900, dtype="?"),
        mostly(3, others=900, dtype="i8")[::2, ::-1],
        np.zeros((0, 4), np.float32),
        np.array(5),
        np.array([], np.int64),
    ],
)
def test_every_array_comes_back_to_the_bit(array: Any) -> None:
    whole = checkpoint.to_bytes({"first": np.arange(3), "array": array, "last": np.ones(1)})
    back = checkpoint.from_bytes(whole)

    assert list(back) == ["first", "array", "last"]
    assert (array.dtype, array.shape) == (back["array"].dtype, back["array"].shape)
    assert array.tobytes() == back["array"].tobytes()
    assert back["array"].flags.writeable


def test_what_is_the_same_nearly_everywhere_takes_few_bytes() -> None:
    still = mostly(60_000, others=500, dtype="u2", shape=(180, 320))
    moving = NOISE.integers(0, 60_000, (180, 320)).astype(np.uint16)

    assert len(checkpoint.to_bytes({"still": still})) < 0.1 * still.nbytes
    assert len(checkpoint.to_bytes({"moving": moving})) < moving.nbytes + 200


@pytest.mark.parametrize("keep", [0, 1, 7, 9, 100, -1])
def test_a_cut_off_checkpoint_is_refused(keep: int) -> None:
    whole = checkpoint.to_bytes({"mean": np.arange(100)})

    with pytest.raises(BadInput, match="no checkpoint"):
        checkpoint.from_bytes(whole[:keep])


def test_a_checkpoint_with_one_bit_turned_is_refused() -> None:
    whole = checkpoint.to_bytes({"mean": mostly(0, others=900, dtype="u2")})
    for at in (5, 9, 60, len(whole) // 2, len(whole) - 1):
        turned = bytearray(whole)
        turned[at] ^= 1

        with pytest.raises(BadInput, match="damaged"):
            checkpoint.from_bytes(bytes(turned))


def test_a_checkpoint_of_the_form_before_is_refused_by_name() -> None:
    buffer = io.BytesIO()
    np.savez(buffer, mean=np.zeros(10))

    with pytest.raises(BadInput, match="older Vedette"):
        checkpoint.from_bytes(buffer.getvalue())


def sealed(table: Any, content: bytes) -> bytes:
    """Give a checkpoint whose sum is right, whatever it says."""
    header = json.dumps(table).encode()
    body = len(header).to_bytes(4, "little") + header + content
    return checkpoint.FORM + zlib.crc32(body).to_bytes(4, "little") + body


@pytest.mark.parametrize(
    ("table", "content", "why"),
    [
        ([["mean", "<f8", [10**9], 0]], bytes(8), "unpack"),
        ([["mean", "<u1", [10**6, 10**6, 10**9], -1]], b"", "unpack"),
        ([["mean", "<u1", [-5], -1]], b"", "do not fit"),
        ([["mean", "<u2", [3], -1]], bytes(5), "do not fit"),
        ([["mean", "<u2", [8], 2]], bytes(3), "do not fit"),
        ([["mean", "<u2", [8], 2]], bytes([0, 0, 0b111, 1, 0, 1, 0]), "do not fit"),
        ([["mean", "O", [1], -1]], bytes(8), "do not fit"),
        ([["mean", "no type", [1], -1]], bytes(8), "do not fit"),
        ([["mean", "<u2"]], bytes(8), "do not fit"),
        ({"mean": 3}, b"", "do not fit"),
        ([["mean", "<u2", [3], -1]], bytes(7), "more than it says"),
    ],
)
def test_a_checkpoint_whose_parts_do_not_fit_is_refused(
    table: Any, content: bytes, why: str
) -> None:
    with pytest.raises(BadInput, match=why):
        checkpoint.from_bytes(sealed(table, content))


def test_what_could_run_code_is_never_written() -> None:
    with pytest.raises(ValueError, match="pickle"):
        checkpoint.to_bytes({"mean": np.array([{"a": 1}], dtype=object)})
