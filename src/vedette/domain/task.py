"""Short tasks: where one is on its way."""

from __future__ import annotations

from enum import StrEnum


class TaskState(StrEnum):
    """The words the outside sees."""

    PENDING = "pending"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    FAILED = "failed"
