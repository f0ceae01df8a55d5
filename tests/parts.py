"""Parts that a test needs and a machine may lack: left out on a laptop, demanded where said so."""

from __future__ import annotations

import importlib.util
import os

import pytest

# A comma list of parts that must be there: `rtsp,data,train`.
REQUIRE_VARIABLE = "VEDETTE_REQUIRE"


def need(part: str, present: bool, reason: str) -> None:
    """Go on if `present`; else skip, or fail where `VEDETTE_REQUIRE` names the part.

    Args:
        part: Its name in `VEDETTE_REQUIRE`.
        present: Whether this machine has it.
        reason: What is missing and how to get it, one line.
    """
    if present:
        return
    required = {name.strip() for name in os.environ.get(REQUIRE_VARIABLE, "").split(",")}
    if part in required:
        pytest.fail(f"{REQUIRE_VARIABLE} demands '{part}': {reason}", pytrace=False)
    pytest.skip(f"without '{part}': {reason}", allow_module_level=True)


def need_torch() -> None:
    """Go on if models can be trained here; to be called before the room that trains is imported."""
    present = importlib.util.find_spec("torch") is not None
    need("train", present, "no PyTorch; pip install torch (the processor's build is enough)")
