"""What a machine lacks is left out, unless it was said that it must be there."""

from __future__ import annotations

import pytest

from parts import REQUIRE_VARIABLE, need


def test_a_part_that_is_there_lets_the_test_go_on() -> None:
    need("camera", present=True, reason="no camera")


def test_a_missing_part_skips_the_test_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(REQUIRE_VARIABLE, raising=False)

    with pytest.raises(pytest.skip.Exception, match="no camera"):
        need("camera", present=False, reason="no camera")


def test_a_missing_part_that_is_demanded_fails_the_test(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(REQUIRE_VARIABLE, "data, camera")

    with pytest.raises(pytest.fail.Exception, match="no camera"):
        need("camera", present=False, reason="no camera")
