"""How callers choose among rows: cursors, times, and whose rows."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from typing import Any

from vedette.domain.errors import BadInput
from vedette.domain.ids import ScenarioId
from vedette.store.base import Transaction
from vedette.store.statements.overview import scenarios_of_camera
from vedette.store.statements.scenarios import get_scenario

CURSOR_PATTERN = "^[A-Za-z0-9_-]{1,2000}$"
KEY_HEADER: dict[str, Any] = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "Asking again with the same key gives the same answer and does nothing twice.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
}
# A camera has a few.
_SCENARIOS_MAX = 1000
_NUMBER_MAX = 2**62


def cursor_of(key: Sequence[str | int]) -> str:
    """Give the key of a page's last row as text for the next request."""
    text = json.dumps(list(key), separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def key_of(cursor: str, kinds: Sequence[type]) -> list[Any]:
    """Give the key back.

    Raises:
        BadInput: the cursor is none that was given.
    """
    wrong = BadInput("this cursor was not given by this server; begin again without it")
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        key = json.loads(text)
        json.dumps(key, ensure_ascii=False).encode()  # Half a sign is no text of ours.
    except (binascii.Error, ValueError, RecursionError):
        raise wrong from None
    if not isinstance(key, list) or [type(one) for one in key] != list(kinds):
        raise wrong
    if any(isinstance(one, int) and abs(one) > _NUMBER_MAX for one in key):
        raise wrong
    return key


def scenario_ids(
    transaction: Transaction, scenario: str | None, camera: str | None
) -> list[ScenarioId | None]:
    """Give whose rows are asked for, in order; None among them means everybody's.

    Raises:
        NotFound: there is no such scenario.
        BadInput: both are named.
    """
    if scenario is not None and camera is not None:
        raise BadInput("name a scenario or a camera, not both")
    if scenario is not None:
        return [get_scenario(transaction, scenario).scenario.id]
    if camera is not None:
        found = scenarios_of_camera(transaction, camera, _SCENARIOS_MAX)
        return [ScenarioId(one) for one in found]
    return [None]
