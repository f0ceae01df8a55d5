"""Everything a run remembers, as plain arrays under names: saved, loaded, gone on from."""

from __future__ import annotations

import json
import math
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt

from vedette.domain.detection import State
from vedette.domain.errors import BadInput
from vedette.domain.stream import Position

# `restart_pts` where there is none.
NO_PTS = np.iinfo(np.int64).min

# A tracker with 300 objects and a background of 320 × 180 take under 1 MB.
CHECKPOINT_BYTES_MAX = 64_000_000

# Before the bytes, so that another form can come one day; then a CRC-32 of all that follows.
FORM = b"VCP2"
# The form before, which was never released, began like this.
ZIP = b"PK"
# Booleans and numbers: nothing that could run code when it is loaded.
KINDS = frozenset("biuf")
# Smaller arrays are written as they are.
THIN_BYTES_MIN = 4096
# And arrays of which more than this share is other than the common element.
THIN_SHARE_MAX = 0.5
# So many elements tell which one is common: the middle one, where half of them are the same.
SAMPLE = 500
DENSE = -1


def join_states(parts: dict[str, State]) -> State:
    """Put the states of many rooms into one, names like `analyzer/tracks.mean`."""
    return {
        f"{part}/{name}": array for part, state in parts.items() for name, array in state.items()
    }


def part_of(state: State, part: str) -> State:
    """Give one room's arrays back, under their own names."""
    prefix = f"{part}/"
    return {
        name.removeprefix(prefix): array for name, array in state.items() if name.startswith(prefix)
    }


def position_state(position: Position) -> State:
    """Give a position as one array of five."""
    restart_pts = NO_PTS if position.restart_pts is None else position.restart_pts
    return {
        "position": np.array(
            [
                position.number,
                position.pts,
                position.start_pts,
                restart_pts,
                position.restart_number,
            ],
            np.int64,
        )
    }


def position_from(state: State) -> Position:
    """Read what `position_state` gave."""
    number, pts, start_pts, restart_pts, restart_number = (int(x) for x in state["position"])
    return Position(
        number=number,
        pts=pts,
        start_pts=start_pts,
        restart_pts=None if restart_pts == NO_PTS else restart_pts,
        restart_number=restart_number,
    )


def text_state(text: str) -> np.ndarray:
    """Give text as an array of its UTF-8 bytes."""
    return np.frombuffer(text.encode(), np.uint8).copy()


def to_bytes(state: State) -> bytes:
    """Give the state as bytes: what is the same nearly everywhere is written once.

    Raises:
        ValueError: an array holds something else than numbers; nothing is ever pickled.
    """
    table: list[tuple[str, str, tuple[int, ...], int]] = []
    pieces: list[bytes] = []
    for name, array in state.items():
        if array.dtype.kind not in KINDS:
            raise ValueError(f"{name}: {array.dtype} is no number; nothing is pickled")
        others, written = _thinned(array)
        table.append((name, array.dtype.str, array.shape, others))
        pieces += written
    header = json.dumps(table, separators=(",", ":")).encode()
    pieces[:0] = [len(header).to_bytes(4, "little"), header]
    check = 0
    for piece in pieces:
        check = zlib.crc32(piece, check)
    return b"".join([FORM, check.to_bytes(4, "little"), *pieces])


def from_bytes(data: bytes) -> State:
    """Read what `to_bytes` gave.

    Raises:
        BadInput: the bytes are no checkpoint, or that of another version.
    """
    if len(data) > CHECKPOINT_BYTES_MAX:
        raise BadInput(f"a checkpoint of {len(data)} bytes is too big to be one")
    if data[:2] == ZIP:
        raise BadInput("this is a checkpoint of an older Vedette, which cannot be gone on from")
    if data[:4] != FORM or zlib.crc32(memoryview(data)[8:]).to_bytes(4, "little") != data[4:8]:
        raise BadInput("this is no checkpoint of Vedette, or it is damaged or cut off")
    reader = _Reader(memoryview(data)[8:])
    try:
        table = json.loads(bytes(reader.take(int.from_bytes(reader.take(4), "little"))))
        _require_small(table)
        state = {
            str(name): _full(reader, np.dtype(dtype), tuple(shape), others)
            for name, dtype, shape, others in table
        }
    except (ValueError, TypeError) as error:
        raise BadInput("this is no checkpoint of Vedette: its parts do not fit") from error
    if reader.left:
        raise BadInput("this is no checkpoint of Vedette: there is more than it says")
    return state


def _thinned(array: npt.NDArray[Any]) -> tuple[int, list[bytes]]:
    """Give how many elements are not the common one, and what is to be written.

    Dense where that is `DENSE`: all elements as they are. Else the common one, a bit per element
    that says whether it is another, and those.
    """
    if array.nbytes < THIN_BYTES_MIN:
        return DENSE, [array.tobytes()]
    flat = np.ascontiguousarray(array).ravel()
    bits = flat.view(f"u{flat.itemsize}")  # As bits: 0.0 is not -0.0, and NaN is itself.
    sample = np.sort(bits[:: max(1, bits.size // SAMPLE)])
    common = sample[sample.size // 2]
    if np.count_nonzero(sample == common) < (1 - THIN_SHARE_MAX) * sample.size:
        return DENSE, [array.tobytes()]
    is_other = bits != common
    others = bits[is_other]
    return others.size, [common.tobytes(), np.packbits(is_other).tobytes(), others.tobytes()]


def _full(
    reader: _Reader, dtype: np.dtype[Any], shape: tuple[int, ...], others: int
) -> npt.NDArray[Any]:
    """Read one array as `_thinned` wrote it."""
    size = math.prod(shape)
    if others == DENSE:
        return np.frombuffer(reader.take(size * dtype.itemsize), dtype).reshape(shape).copy()
    bits = np.dtype(f"u{dtype.itemsize}")
    flat = np.full(size, np.frombuffer(reader.take(bits.itemsize), bits)[0], bits)
    packed = np.frombuffer(reader.take(-(-size // 8)), np.uint8)
    is_other = np.unpackbits(packed, count=size).view(np.bool_)
    flat[is_other] = np.frombuffer(reader.take(others * bits.itemsize), bits)
    return flat.view(dtype).reshape(shape)


def _require_small(table: list[tuple[str, str, list[int], int]]) -> None:
    """Refuse what is none of our arrays, or would unpack to more than any checkpoint."""
    unpacked = 0
    for _, dtype, shape, _ in table:
        if np.dtype(dtype).kind not in KINDS or any(length < 0 for length in shape):
            raise ValueError(f"an array of {dtype}, {shape}")
        unpacked += math.prod(shape) * np.dtype(dtype).itemsize
    if unpacked > CHECKPOINT_BYTES_MAX:
        raise BadInput("this is no checkpoint of Vedette: it would unpack to more")


class _Reader:
    """Takes bytes off the front."""

    def __init__(self, data: memoryview) -> None:
        self._data = data

    @property
    def left(self) -> int:
        return len(self._data)

    def take(self, count: int) -> memoryview:
        if not 0 <= count <= len(self._data):
            raise ValueError(f"{count} bytes of {len(self._data)}")
        taken, self._data = self._data[:count], self._data[count:]
        return taken
