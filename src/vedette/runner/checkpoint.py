"""Everything a run remembers, as plain arrays under names: saved, loaded, gone on from."""

from __future__ import annotations

import io
import zipfile

import numpy as np

from vedette.domain.detection import State
from vedette.domain.errors import BadInput
from vedette.domain.stream import Position

# `restart_pts` where there is none.
NO_PTS = np.iinfo(np.int64).min

# A tracker with 300 objects and a background of 320 × 180 take under 2 MB.
CHECKPOINT_BYTES_MAX = 64_000_000


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
    """Give the state as an uncompressed .npz; nothing in it is pickled."""
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **state)
    return buffer.getvalue()


def from_bytes(data: bytes) -> State:
    """Read what `to_bytes` gave.

    Raises:
        BadInput: the bytes are no checkpoint.
    """
    if len(data) > CHECKPOINT_BYTES_MAX:
        raise BadInput(f"a checkpoint of {len(data)} bytes is too big to be one")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as members:
            sizes = [one.file_size for one in members.infolist()]
            if sum(sizes) > len(data):  # Ours are stored as they are; a bomb is not.
                raise BadInput("this is no checkpoint of Vedette: it would unpack to more")
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except (
        OSError, ValueError, EOFError, KeyError, RuntimeError, zipfile.BadZipFile,
    ) as error:  # fmt: skip
        raise BadInput("this is no checkpoint of Vedette, or it is cut off") from error
