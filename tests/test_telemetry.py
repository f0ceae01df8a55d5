from __future__ import annotations

import logging

import pytest

from vedette.clock import ManualClock
from vedette.telemetry import Repeats


def test_what_repeats_is_told_once_a_second(caplog: pytest.LogCaptureFixture) -> None:
    clock = ManualClock()
    repeats = Repeats(logging.getLogger("vedette.test"), "decode errors", clock=clock)

    for number in range(38):
        repeats.add(f"packet {number}")
    clock.advance(1)
    repeats.add("packet 38")

    assert [record.getMessage() for record in caplog.records] == [
        "1 decode errors, last was: packet 0",
        "38 decode errors, last was: packet 38",
    ]
