"""What is called covered was seen, and nothing is called so twice."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.drawn import through_a_file
from vedette.analytics.coverage import STRETCHES_MAX, Covered, Spans
from vedette.domain.count import Interval, tiled
from vedette.domain.errors import BadInput

GAP_MS = 2000


def covered() -> Covered:
    return Covered(gap_max_s=GAP_MS / 1000)


def looked(*at_ms: int) -> list[tuple[int, int]]:
    one = covered()
    for at in at_ms:
        one.look(at)
    return one.taken()


def instants(stretches: list[tuple[int, int]]) -> list[int]:
    return [at for begin, end in stretches for at in range(begin, end)]


def test_time_between_looks_near_each_other_is_covered() -> None:
    assert looked(1000, 1040, 3040) == [(1000, 3040)]


def test_a_single_look_covers_nothing() -> None:
    assert looked(1000) == []


def test_a_longer_gap_is_not_covered_at_all() -> None:
    assert looked(0, 1000, 3001, 3500) == [(0, 1000), (3001, 3500)]


def test_looks_wished_far_apart_still_cover() -> None:
    one = Covered(gap_max_s=2.0, spacing_s=5.0)
    for at_ms in (0, 5000, 12_400, 20_000):
        one.look(at_ms)

    assert one.taken() == [(0, 12_400)]


def test_what_goes_on_begins_where_it_ended_when_it_was_taken() -> None:
    one = covered()
    taken = []
    for at_ms in (0, 500, 900, 5000, 5400):
        one.look(at_ms)
        taken.append(one.taken())

    assert taken == [[], [(0, 500)], [(500, 900)], [], [(5000, 5400)]]


def test_nothing_is_covered_across_a_break_however_short() -> None:
    one = covered()
    one.look(0)
    one.look(100)
    one.break_off()
    one.look(200)
    one.look(300)

    assert one.taken() == [(0, 100), (200, 300)]


def test_a_clock_that_steps_back_covers_nothing_twice() -> None:
    assert looked(10_000, 11_000, 10_200, 10_900, 11_500) == [(10_000, 11_500)]


def test_a_clock_that_was_wrong_for_a_while_fills_the_time_it_jumped_over() -> None:
    # Right up to 1000, then an hour ahead for a second, then right again.
    assert looked(0, 1000, 3_601_000, 3_602_000, 3000, 4000) == [
        (0, 1000), (3_601_000, 3_602_000), (3000, 4000),
    ]  # fmt: skip


def test_a_clock_that_steps_back_over_an_outage_does_not_hide_it() -> None:
    one = covered()
    one.look(0, pts_s=0.0)
    one.look(1000, pts_s=1.0)
    one.look(2000, pts_s=60.0)  # Fifty-nine seconds of pictures are missing.
    one.look(3000, pts_s=61.0)

    assert one.taken() == [(0, 1000), (2000, 3000)]


def test_media_time_that_begins_anew_covers_nothing_across_it() -> None:
    one = covered()
    one.look(0, pts_s=100.0)
    one.look(1000, pts_s=0.0)

    assert one.taken() == []


# Small steps both ways, and now and then a jump.
steps = st.lists(
    st.one_of(st.integers(-300, 2500), st.integers(-20_000, 20_000)), min_size=1, max_size=60
)


@given(steps_ms=steps, broken=st.sets(st.integers(0, 59)))
def test_stretches_never_overlap_and_each_lies_between_two_near_looks(
    steps_ms: list[int], broken: set[int]
) -> None:
    one = covered()
    at_ms, last_ms, taken, near = 1_000_000, None, [], set()
    for number, step_ms in enumerate(steps_ms):
        at_ms += step_ms
        if number in broken:
            one.break_off()
            last_ms = None
        one.look(at_ms)
        if last_ms is not None and 0 < at_ms - last_ms <= GAP_MS:
            near |= set(range(last_ms, at_ms))
        last_ms = at_ms
        taken += one.taken()

    everything = instants(taken)
    assert len(everything) == len(set(everything))
    assert set(everything) == near


@given(steps_ms=steps, cuts=st.sets(st.integers(0, 59)), saves=st.sets(st.integers(0, 59)))
def test_taking_and_saving_at_any_moment_changes_nothing(
    steps_ms: list[int], cuts: set[int], saves: set[int]
) -> None:
    whole, split = covered(), covered()
    at_ms, given_so_far = 1_000_000, []
    for number, step_ms in enumerate(steps_ms):
        at_ms += step_ms
        whole.look(at_ms, pts_s=number / 10)
        split.look(at_ms, pts_s=number / 10)
        if number in cuts:
            given_so_far += split.taken()
        if number in saves:
            state = through_a_file(split.export_state())
            split = covered()
            split.load_state(state)
    given_so_far += split.taken()

    # What goes on is given in pieces.
    assert instants(whole.taken()) == instants(given_so_far)
    assert_same(whole.export_state(), split.export_state())


def assert_same(expected: dict[str, np.ndarray], actual: dict[str, np.ndarray]) -> None:
    assert expected.keys() == actual.keys()
    for name, array in expected.items():
        assert array.dtype == actual[name].dtype, name
        assert array.tobytes() == actual[name].tobytes(), name


def test_a_year_of_outages_fills_no_memory_and_is_never_called_covered() -> None:
    one = covered()
    expected = []
    for outage in range(1000):
        begin = outage * 100_000
        one.look(begin)
        one.look(begin + 1000)
        expected.append((begin, begin + 1000))

    assert one.taken() == expected
    assert len(one.export_state()["spans_ms"]) <= STRETCHES_MAX


def test_after_years_under_a_wrong_clock_the_right_time_is_covered_at_once() -> None:
    one = covered()
    wrong_ms, right_ms = 4_000_000_000_000, 1_700_000_000_000
    for outage in range(STRETCHES_MAX):
        one.look(wrong_ms + outage * 100_000)
        one.look(wrong_ms + outage * 100_000 + 1000)
    one.taken()
    one.look(right_ms)
    one.look(right_ms + 1000)
    one.look(right_ms + 2000)

    assert one.taken() == [(right_ms, right_ms + 2000)]


def test_a_state_of_another_version_is_refused() -> None:
    state = covered().export_state() | {"version": np.array(99)}

    with pytest.raises(BadInput, match="version 99"):
        covered().load_state(state)


stretches = st.lists(
    st.tuples(st.integers(0, 60), st.integers(1, 12)).map(lambda one: (one[0], one[0] + one[1])),
    max_size=12,
)


@given(stretches=stretches)
def test_spans_give_each_instant_once_and_know_what_they_hold(
    stretches: list[tuple[int, int]],
) -> None:
    spans, fresh, held = Spans(), [], set()
    for begin, end in stretches:
        fresh += instants(spans.add(begin, end))
        held |= set(range(begin, end))

    assert sorted(fresh) == sorted(held)
    assert {at for at in range(-1, 80) if spans.holds(at)} == held
    known = spans.stretches()
    assert all(known[at][1] < known[at + 1][0] for at in range(len(known) - 1))


@given(stretches=stretches, begin=st.integers(-5, 70), length=st.integers(0, 70))
def test_tiles_lie_side_by_side_and_say_what_was_covered(
    stretches: list[tuple[int, int]], begin: int, length: int
) -> None:
    tiles = tiled(stretches, from_ms=begin, to_ms=begin + length)

    was = {at for one in stretches for at in range(*one)}
    laid = [(at, tile.covered) for tile in tiles for at in range(tile.from_ms, tile.to_ms)]
    assert laid == [(at, at in was) for at in range(begin, begin + length)]
    assert all(one.covered != other.covered for one, other in pairwise(tiles))


def test_tiles_of_nothing_seen_are_one_uncovered_stretch() -> None:
    assert tiled([], from_ms=5, to_ms=9) == [Interval(5, 9, covered=False)]
