"""When to try a source again."""

from __future__ import annotations

from vedette.domain.errors import SourceBrokeOff, SourceEnded, StreamCause
from vedette.runner.retrying import BREAKS_MAX, HEALTHY_S, LADDER_S, Ladder, worth_waiting


def middle() -> float:
    return 0.5  # No jitter.


def test_pauses_grow_and_begin_anew_after_good_health() -> None:
    ladder = Ladder(middle)
    now_s, pauses = 0.0, []
    for _ in range(6):
        ladder.failed(None, healthy_s=0, now_mono_s=now_s)
        pauses.append(ladder.left_s(now_s))
        now_s += pauses[-1]
    ladder.failed(None, healthy_s=HEALTHY_S, now_mono_s=now_s)

    assert pauses == list(LADDER_S[:6])
    assert ladder.left_s(now_s) == LADDER_S[0]
    assert ladder.attempts == 1


def test_a_file_that_broke_off_on_its_way_is_asked_for_again_but_not_for_ever() -> None:
    broke_off = SourceBrokeOff("clip", cause=StreamCause.SOURCE_ENDED)
    short = SourceEnded("clip", cause=StreamCause.SOURCE_ENDED)

    assert worth_waiting(broke_off, live=False, attempts=BREAKS_MAX - 1)
    assert not worth_waiting(broke_off, live=False, attempts=BREAKS_MAX)
    assert not worth_waiting(short, live=False, attempts=0)


def test_a_wrong_password_is_not_tried_again_soon() -> None:
    ladder = Ladder(middle)
    ladder.failed(StreamCause.AUTH_FAILED, healthy_s=0, now_mono_s=5)

    assert ladder.left_s(5) == 60


def test_a_failure_that_many_hear_of_is_one() -> None:
    ladder = Ladder(middle)
    for late_s in (0.0, 0.1, 0.9):
        ladder.failed(None, healthy_s=0, now_mono_s=10 + late_s)

    assert ladder.attempts == 1
    assert ladder.left_s(10.9) == 11.0 - 10.9
    assert ladder.left_s(11) == 0
    ladder.failed(None, healthy_s=0, now_mono_s=11.0)
    assert ladder.attempts == 2
