"""Names of things: who gives them, and what they look like."""

from __future__ import annotations

import uuid
from typing import NewType

ScenarioId = NewType("ScenarioId", str)
"""UUIDv7."""
SourceId = NewType("SourceId", str)
"""What is leased: a live camera, or the file of one finite scenario."""
RunnerId = NewType("RunnerId", str)
"""A slug chosen by people, or made at start; its incarnation tells one life from the next."""
TaskId = NewType("TaskId", str)
"""UUIDv7."""
Token = NewType("Token", int)
"""Fencing token: grows with every grant of a source; the store refuses all but the newest."""

# Derived ids live in a namespace of our own (a random UUID, fixed for ever).
_NAMESPACE = uuid.UUID("6d1d1f0e-5f0b-4b57-9f0c-0d5f6c9e2a41")


def uuid7(wall_ms: int, randomness: bytes) -> str:
    """Give an id that sorts by time of making.

    Args:
        wall_ms: Milliseconds since 1970.
        randomness: 10 bytes.

    Source: RFC 9562, section 5.7.
    """
    assert len(randomness) == 10
    number = (wall_ms & (1 << 48) - 1) << 80 | int.from_bytes(randomness, "big")
    number = number & ~(0xF << 76) | 0x7 << 76
    number = number & ~(0x3 << 62) | 0x2 << 62
    return str(uuid.UUID(int=number))


def event_id(scenario_id: ScenarioId, run: int, sequence: int) -> str:
    """Give the id of an event: the same whoever found it, and however often."""
    return str(uuid.uuid5(_NAMESPACE, f"{scenario_id}/{run}/{sequence}"))
