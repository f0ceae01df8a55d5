"""The pacers: which pictures are wished, judged on packets made by hand."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from vedette.clock import ManualClock
from vedette.domain.packet import LOOK_AT_ALL, Action, Packet
from vedette.domain.stream import Position
from vedette.runner.checkpoint import position_from, position_state
from vedette.runner.pacing import FinitePacer, LivePacer, Pacer

MS = Fraction(1, 1000)
FLUSH = Packet(
    payload=None, pts=None, dts=None, time_base=MS, restarts=False, shown=False, size_bytes=0
)


def packet(
    pts: int | None,
    dts: int | None = None,
    *,
    restarts: bool = False,
    shown: bool = True,
    arrived_mono_s: float | None = None,
) -> Packet:
    return Packet(
        payload=object(),
        pts=pts,
        dts=pts if dts is None else dts,
        time_base=MS,
        restarts=restarts,
        shown=shown,
        size_bytes=100,
        arrived_mono_s=arrived_mono_s,
    )


def wishes(pacer: Pacer, packets: Iterable[Packet]) -> list[int]:
    """Judge packets and a flush; give all wishes in presentation order."""
    wished: list[int] = []
    for one in [*packets, FLUSH]:
        verdict = pacer.judge(one)
        assert verdict.wishes is not None
        wished.extend(sorted(verdict.wishes))
    return wished


def by_definition(times_ms: list[int], fps: Fraction) -> list[int]:
    chosen, wish = [], 0
    for at in sorted(times_ms):
        passed = Fraction(at - min(times_ms), 1000)
        if passed >= wish / fps:
            chosen.append(at)
            while passed >= wish / fps:
                wish += 1
    return chosen


def test_without_a_rate_every_picture_is_wished() -> None:
    pacer = FinitePacer(None)

    assert pacer.judge(packet(0)) is LOOK_AT_ALL
    assert pacer.judge(FLUSH) is LOOK_AT_ALL


def test_ten_a_second_of_twenty_five_takes_the_first_picture_at_or_after_each_tenth() -> None:
    wished = wishes(FinitePacer(Fraction(10)), [packet(at) for at in range(0, 500, 40)])

    assert wished == [0, 120, 200, 320, 400]


def test_a_picture_is_wished_once_however_many_wishes_fall_on_it() -> None:
    wished = wishes(FinitePacer(Fraction(10)), [packet(0), packet(1000), packet(1050)])

    assert wished == [0, 1000]


def test_a_reordered_picture_is_not_judged_before_the_ones_shown_ahead_of_it() -> None:
    # I0 P3 B1 B2: decoded in another order than shown.
    pacer = FinitePacer(Fraction(1000))

    first = [pacer.judge(packet(pts, dts)) for pts, dts in [(0, -40), (120, 0), (40, 40)]]

    assert [verdict.action for verdict in first] == [Action.HOLD, Action.LOOK, Action.LOOK]
    assert [verdict.wishes for verdict in first] == [frozenset(), {0}, {40}]


def test_what_is_open_is_decided_where_decoding_restarts() -> None:
    pacer = FinitePacer(Fraction(1000))
    pacer.judge(packet(0, -200, restarts=True))
    pacer.judge(packet(40, -160))

    verdict = pacer.judge(packet(80, -120, restarts=True))

    assert verdict.wishes == {0, 40}


def test_pictures_that_are_not_shown_are_never_wished() -> None:
    wished = wishes(FinitePacer(Fraction(1)), [packet(-40, shown=False), packet(0), packet(40)])

    assert wished == [0]


rates = st.fractions(Fraction(1, 100), Fraction(60), max_denominator=1001)
clips_ms = st.lists(st.integers(0, 20_000), min_size=1, max_size=80, unique=True)


@given(clips_ms, rates, st.integers(-(10**15), 10**15))
def test_the_wishes_follow_the_definition_for_any_times_and_rate(
    times_ms: list[int], fps: Fraction, start: int
) -> None:
    packets = [packet(start + at) for at in sorted(times_ms)]

    wished = wishes(FinitePacer(fps), packets)

    assert [at - start for at in wished] == by_definition(times_ms, fps)


@given(clips_ms, rates, st.randoms(use_true_random=False))
def test_the_order_of_decoding_changes_nothing(
    times_ms: list[int], fps: Fraction, random: object
) -> None:
    # Any order is an order of decoding if its decoding times are early enough.
    shuffled = times_ms.copy()
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    packets = [packet(at, dts=index - 1000) for index, at in enumerate(shuffled)]

    assert wishes(FinitePacer(fps), packets) == by_definition(times_ms, fps)


@given(clips_ms, st.none() | rates, st.data())
def test_resumed_at_any_look_it_wishes_the_same_later_ones(
    times_ms: list[int], fps: Fraction | None, data: st.DataObject
) -> None:
    packets = [packet(at) for at in sorted(times_ms)]
    undisturbed = by_definition(times_ms, fps) if fps else sorted(times_ms)
    index = data.draw(st.integers(0, len(undisturbed) - 1))
    begin = data.draw(st.integers(0, sorted(times_ms).index(undisturbed[index])))
    position = Position(index, undisturbed[index], min(times_ms), None, 0)

    again = position_from(position_state(position))
    later = wishes(FinitePacer(fps, again), packets[begin:])

    assert later == undisturbed[index + 1 :]


def live(fps: Fraction | None = None) -> tuple[LivePacer, ManualClock]:
    clock = ManualClock()
    return LivePacer(fps, clock, lag_max_s=1.0), clock


def test_a_live_source_in_time_is_looked_at_as_often_as_it_gives_pictures() -> None:
    pacer, clock = live()

    verdicts = [
        pacer.judge(packet(at, arrived_mono_s=clock.monotonic_s())) for at in range(0, 200, 40)
    ]

    assert [verdict.wishes for verdict in verdicts] == [{at} for at in range(0, 200, 40)]


def test_a_live_rate_looks_once_in_each_of_its_slots_and_decodes_the_rest() -> None:
    pacer, clock = live(Fraction(5))

    actions = [
        pacer.judge(packet(at, arrived_mono_s=clock.monotonic_s())).action
        for at in range(0, 440, 40)
    ]

    looked_ms = [index * 40 for index, action in enumerate(actions) if action is Action.LOOK]
    assert looked_ms == [0, 200, 400]
    assert set(actions) == {Action.LOOK, Action.FEED}


def test_reordered_live_pictures_are_looked_at_too() -> None:
    decoded_ms = [0, 120, 40, 80, 240, 160, 200]
    every, clock = live()
    tenth, _ = live(Fraction(25, 2))

    looks = [
        [
            at
            for at in decoded_ms
            if pacer.judge(packet(at, arrived_mono_s=clock.monotonic_s())).action is Action.LOOK
        ]
        for pacer in (every, tenth)
    ]

    assert looks == [decoded_ms, [0, 120, 240, 160]]


def test_a_live_picture_without_a_time_is_decoded_and_not_looked_at() -> None:
    pacer, clock = live()

    verdict = pacer.judge(packet(None, shown=False, arrived_mono_s=clock.monotonic_s()))

    assert verdict.action is Action.FEED


def test_a_live_packet_that_waited_a_while_is_only_decoded() -> None:
    pacer, clock = live()
    arrived_s = clock.monotonic_s()
    clock.advance(0.5)

    verdict = pacer.judge(packet(0, restarts=True, arrived_mono_s=arrived_s))

    assert verdict.action is Action.FEED
    assert verdict.late


def test_too_late_a_live_source_is_left_out_up_to_its_next_restart() -> None:
    pacer, clock = live()
    pacer.judge(packet(0, restarts=True, arrived_mono_s=clock.monotonic_s()))
    pacer.judge(packet(1000, restarts=True, arrived_mono_s=clock.monotonic_s()))
    late_s = clock.monotonic_s()
    clock.advance(1.5)

    verdicts = [
        pacer.judge(packet(1040, arrived_mono_s=late_s)),
        pacer.judge(packet(1080, arrived_mono_s=clock.monotonic_s())),
        pacer.judge(packet(2000, restarts=True, arrived_mono_s=late_s)),
        pacer.judge(packet(3000, restarts=True, arrived_mono_s=clock.monotonic_s())),
    ]

    assert [verdict.action for verdict in verdicts] == [
        Action.HOLD,
        Action.HOLD,
        Action.HOLD,
        Action.LOOK,
    ]
    assert [verdict.late for verdict in verdicts] == [True, True, True, False]


def test_a_late_live_source_that_never_restarts_is_decoded_until_it_has_caught_up() -> None:
    pacer, clock = live()
    pacer.judge(packet(0, restarts=True, arrived_mono_s=clock.monotonic_s()))
    late_s = clock.monotonic_s()
    clock.advance(1.5)

    late = pacer.judge(packet(40, arrived_mono_s=late_s))
    caught_up = pacer.judge(packet(80, arrived_mono_s=clock.monotonic_s()))

    assert (late.action, late.late) == (Action.FEED, True)
    assert caught_up.action is Action.LOOK
