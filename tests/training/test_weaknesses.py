"""What a card says against its own model."""

from __future__ import annotations

from parts import need_torch

need_torch()

from vedette.training.comparison import Figure  # noqa: E402
from vedette.training.weaknesses import weaker_than  # noqa: E402


def test_a_rival_that_is_clearly_better_is_named_among_the_weaknesses() -> None:
    own = [Figure("person", 0.30, 0.03, 165), Figure("vehicle", 0.50, 0.06, 15)]
    rival = [Figure("person", 0.67, 0.03, 165), Figure("vehicle", 0.55, 0.06, 15)]

    told = weaker_than("yolox-nano", own, rival)

    assert len(told) == 1, "0.05 between two that are uncertain by 0.06 says nothing"
    assert "finds person" in told[0]
    assert "0.30, yolox-nano with 0.67" in told[0]
