"""Leases and tokens: who may work on a source, and whose writes count."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace

import pytest
from sqlalchemy import select

from lease_probes import lapsed, may_be_granted
from vedette.domain.count import CountBucket, CountKind
from vedette.domain.errors import Conflict, StaleToken
from vedette.domain.event import Event, EventType
from vedette.domain.ids import RunnerId, ScenarioId, SourceId, Token
from vedette.domain.parameters import Parameters
from vedette.domain.scenario import (
    HolderFound,
    LetGo,
    PipelineUp,
    Scenario,
    StartAsked,
    StopAsked,
    decide,
)
from vedette.store import schema
from vedette.store.base import Store, Transaction
from vedette.store.statements import leases, reports, results, scenarios
from vedette.store.statements.results import Commit, FreshPart

LEASE_MS = 60_000
S, T = SourceId("s"), SourceId("t")
R, Q = RunnerId("r"), RunnerId("q")
WAIT_S = 240.0


def _source(it: Transaction, source_id: SourceId) -> None:
    scenarios.add_source(it, source_id, name=f"the {source_id}", address=f"{source_id}.mp4")


def _register(
    it: Transaction, runner_id: RunnerId, incarnation: str = "one", *, lease_ms: int = LEASE_MS
) -> None:
    leases.register(
        it, runner_id, incarnation, host="here", pid=7, version="0", capacity=4, lease_ms=lease_ms
    )


@pytest.fixture(autouse=True)
def rows(store: Store) -> None:
    """Two sources and two runners."""

    def add(it: Transaction) -> None:
        for source_id in (S, T):
            _source(it, source_id)
        for runner_id in (R, Q):
            _register(it, runner_id)

    store.write(add)


def _grant(store: Store, source_id: SourceId = S, runner_id: RunnerId = R) -> Token:
    return store.write(lambda it: leases.grant(it, source_id, runner_id, "one"))


def _refused(store: Store, source_id: SourceId, token: int) -> bool:
    try:
        store.read(lambda it: leases.require_token(it, source_id, Token(token)))
    except StaleToken:
        return True
    return False


# The token.


def test_every_grant_gives_a_greater_token_and_makes_the_others_old(store: Store) -> None:
    tokens = [_grant(store, S, runner) for runner in (R, Q, R)]

    assert tokens == [1, 2, 3]
    assert [_refused(store, S, token) for token in (0, 1, 2, 3, 4)] == [
        True, True, True, False, True,
    ]  # fmt: skip


def test_the_tokens_of_one_source_are_no_other_sources(store: Store) -> None:
    _grant(store, S)
    _grant(store, S)
    _grant(store, T)

    assert not _refused(store, T, 1)
    assert _refused(store, T, 2)


def test_nobody_owns_a_source_that_is_not_there(store: Store) -> None:
    assert _refused(store, SourceId("nowhere"), 0)


def test_taking_a_source_away_makes_its_token_old(store: Store) -> None:
    token = _grant(store)

    taken = store.write(lambda it: leases.take_away(it, S, token))

    assert taken
    assert _refused(store, S, token)
    assert store.read(lambda it: leases.holder_of(it, S)) is None
    assert _grant(store) == 3


def test_a_source_is_taken_from_the_holder_that_was_meant_alone(store: Store) -> None:
    old = _grant(store, S, R)
    new = _grant(store, S, Q)

    taken = store.write(lambda it: leases.take_away(it, S, old))

    assert not taken
    held = store.read(lambda it: leases.holder_of(it, S))
    assert held == leases.Held(S, new, Q, "one")


# The lease.


def test_a_lease_holds_while_its_runner_renews(store: Store) -> None:
    store.write(lambda it: _register(it, R, lease_ms=0))
    _grant(store)
    before = store.read(lapsed)

    renewed = store.write(lambda it: leases.renew(it, R, "one", lease_ms=LEASE_MS))

    assert [one.source_id for one in before] == [S]
    assert renewed
    assert store.read(lapsed) == []


def test_one_renewal_keeps_every_source_of_the_runner(store: Store) -> None:
    store.write(lambda it: _register(it, R, lease_ms=0))
    _grant(store, S)
    _grant(store, T)

    store.write(lambda it: leases.renew(it, R, "one", lease_ms=LEASE_MS))

    assert store.read(lapsed) == []


def test_a_lapsed_lease_says_who_held_what(store: Store) -> None:
    token = _grant(store, S, R)
    _grant(store, T, Q)
    store.write(lambda it: leases.renew(it, R, "one", lease_ms=0))

    assert store.read(lapsed) == [leases.Held(S, token, R, "one")]


def test_a_lapsed_holder_may_still_write_until_its_source_is_given_away(store: Store) -> None:
    token = _grant(store, S, R)
    store.write(lambda it: leases.renew(it, R, "one", lease_ms=0))

    before = _refused(store, S, token)
    _grant(store, S, Q)

    assert (before, _refused(store, S, token)) == (False, True)


def test_a_new_life_of_a_runner_holds_nothing_of_the_old(store: Store) -> None:
    _grant(store, S, R)

    store.write(lambda it: _register(it, R, "two"))

    assert [one.source_id for one in store.read(lapsed)] == [S]
    assert [row.load for row in store.read(leases.live_runners) if row.id == R] == [0]
    assert store.read(lambda it: leases.assignments(it, R, "two")) == []


def test_the_old_life_of_a_runner_can_neither_renew_nor_retire(store: Store) -> None:
    store.write(lambda it: _register(it, R, "two"))

    renewed = store.write(lambda it: leases.renew(it, R, "one", lease_ms=LEASE_MS))
    store.write(lambda it: leases.retire(it, R, "one"))

    assert not renewed
    assert R in [row.id for row in store.read(leases.live_runners)]


def test_a_runner_that_retires_is_live_no_more(store: Store) -> None:
    store.write(lambda it: leases.retire(it, R, "one"))

    assert [row.id for row in store.read(leases.live_runners)] == [Q]
    assert [row.id for row in store.read(leases.all_runners)] == [Q, R]


def test_load_counts_the_sources_of_the_present_life(store: Store) -> None:
    _grant(store, S, R)
    _grant(store, T, R)

    rows = {row.id: row for row in store.read(leases.live_runners)}

    assert (rows[R].load, rows[Q].load, rows[R].capacity, rows[R].pid) == (2, 0, 4, 7)


def test_the_sources_a_runner_holds_are_listed_whoever_lives(store: Store) -> None:
    _grant(store, S, R)
    _grant(store, T, Q)
    store.write(lambda it: _register(it, R, "two"))

    assert [one.source_id for one in store.read(lambda it: leases.held_by(it, R))] == [S]


# Scenarios on a source.


def _scenario(
    store: Store, name: str, *happenings: object, source_id: SourceId = S
) -> tuple[Scenario, Scenario]:
    """Make a scenario and have things happen to it; give it at first and at last."""
    first = Scenario(ScenarioId(name), source_id)
    store.write(lambda it: scenarios.add_scenario(it, first, Parameters()))
    return first, _happen(store, first, *happenings)


def _happen(store: Store, scenario: Scenario, *happenings: object) -> Scenario:
    for happening in happenings:
        after = decide(scenario, happening)  # type: ignore[arg-type]
        store.write(lambda it, b=scenario, a=after: scenarios.save_change(it, b, a))
        scenario = after
    return scenario


UP = (StartAsked(), HolderFound(), PipelineUp())


def test_a_runner_is_assigned_what_it_holds_and_what_is_not_at_rest(store: Store) -> None:
    token = _grant(store, S, R)
    _grant(store, T, Q)
    _scenario(store, "up", *UP)
    _scenario(store, "rests")
    _scenario(store, "waits", StartAsked())
    _scenario(store, "ends", *UP, StopAsked())
    _scenario(store, "elsewhere", *UP, source_id=T)

    assigned = store.read(lambda it: leases.assignments(it, R, "one"))

    assert [one.scenario.id for one in assigned] == ["ends", "up"]
    assert {one.token for one in assigned} == {token}
    assert assigned[0].address == "s.mp4"
    assert store.read(lambda it: leases.assignments(it, R, "another")) == []


def test_a_source_is_idle_once_all_its_scenarios_rest(store: Store) -> None:
    token = _grant(store, S, R)
    _, one = _scenario(store, "one", *UP)
    _, other = _scenario(store, "other", *UP, StopAsked())
    _happen(store, other, LetGo())
    busy = store.read(leases.idle_sources)
    kept = store.write(lambda it: leases.release_if_idle(it, S, token))

    _happen(store, one, StopAsked(), LetGo())

    assert (busy, kept) == ([], False)
    assert [held.source_id for held in store.read(leases.idle_sources)] == [S]
    assert store.write(lambda it: leases.release_if_idle(it, S, token))
    assert _refused(store, S, token)


def test_deaths_are_counted_from_a_moment_on(store: Store) -> None:
    token = _grant(store, S, R)
    held = leases.Held(S, token, R, "one")
    for _ in range(2):
        store.write(lambda it: leases.add_death(it, held, evidence="killed"))

    now_ms = store.read(lambda it: it.wall_ms)
    since = [now_ms - 60_000, now_ms + 60_000]
    assert [store.read(lambda it, at=at: leases.deaths_since(it, S, at)) for at in since] == [2, 0]


def test_a_source_in_quarantine_waits_before_it_is_granted(store: Store) -> None:
    before = store.read(lambda it: may_be_granted(it, S))
    store.write(lambda it: leases.set_quarantine(it, S, times=1, wait_ms=LEASE_MS))
    waits = store.read(lambda it: may_be_granted(it, S))
    store.write(lambda it: leases.set_quarantine(it, S, times=1, wait_ms=0))

    after = store.read(lambda it: may_be_granted(it, S))

    assert (before, waits, after) == (True, False, True)


# What a commit writes.


def _part(first: int, last: int) -> FreshPart:
    return FreshPart(first, last, first / 10, last / 10, None, None, last - first + 1, b"rows")


def _event(sequence: int) -> tuple[Event, int | None]:
    return Event(sequence, EventType.ZONE_ENTERED, 3, 0.3, 1, "person", "yard"), None


def _bucket(start_ms: int, entered: int, *, now_max: int | None = 2) -> CountBucket:
    return CountBucket(
        start_ms, CountKind.ZONE, "yard", "person", 1.5, 0, now_max, entered, 0, 0, 0, 0, 10.0
    )


def _news(
    number: int,
    token: Token,
    *,
    part: FreshPart | None = None,
    events: Sequence[tuple[Event, int | None]] = (),
    counts: Sequence[CountBucket] = (),
    covered: Sequence[tuple[int, int]] = (),
    source_id: SourceId = S,
    scenario: str = "up",
    run: int = 1,
) -> Commit:
    return Commit(
        ScenarioId(scenario), run, source_id, token, R, part, number, events, counts, covered,
        b"memory %d" % number, "{}", '{"width": 8}',
    )  # fmt: skip


def _commit(store: Store, news: Commit) -> None:
    store.write(lambda it: results.commit(it, news))


def _checkpoint(store: Store, scenario: str = "up") -> results.Checkpoint | None:
    return store.read(lambda it: results.load_checkpoint(it, ScenarioId(scenario), 1))


def _parts(store: Store, scenario: str = "up") -> list[tuple[int, int, int]]:
    rows = store.read(lambda it: results.parts_of(it, ScenarioId(scenario), 1))
    return [(row.first, row.first_frame, row.last_frame) for row in rows]


@pytest.fixture
def token(store: Store) -> Token:
    """An active scenario `up` on the source that runner `r` holds."""
    _scenario(store, "up", *UP)
    return _grant(store, S, R)


def test_a_commit_is_all_there_with_the_memory_that_goes_with_it(
    store: Store, token: Token
) -> None:
    before = _checkpoint(store)
    _commit(
        store,
        _news(0, token, part=_part(0, 9), events=[_event(0), _event(1)],
              counts=[_bucket(0, 1)], covered=[(0, 1000)]),
    )  # fmt: skip

    assert before is None
    assert _parts(store) == [(0, 0, 9)]
    assert _checkpoint(store) == results.Checkpoint(b"memory 0", parts=1, events=2)
    row = store.read(lambda it: results.run_row(it, ScenarioId("up"), 1))
    assert row is not None
    assert (row.totals, row.facts) == ("{}", '{"width": 8}')


def test_parts_are_numbered_and_a_commit_without_rows_takes_no_number(
    store: Store, token: Token
) -> None:
    _commit(store, _news(0, token, part=_part(0, 9), events=[_event(0)]))
    _commit(store, _news(1, token))
    between = _checkpoint(store)
    _commit(store, _news(1, token, part=_part(10, 14)))

    assert between == results.Checkpoint(b"memory 1", parts=1, events=1)
    assert _parts(store) == [(0, 0, 9), (1, 10, 14)]
    assert _checkpoint(store) == results.Checkpoint(b"memory 1", parts=2, events=1)


def test_a_commit_said_twice_counts_once(store: Store, token: Token) -> None:
    news = _news(0, token, part=_part(0, 9), events=[_event(0)])
    _commit(store, news)

    with pytest.raises(Conflict):
        _commit(store, news)

    assert _parts(store) == [(0, 0, 9)]
    assert _checkpoint(store) == results.Checkpoint(b"memory 0", parts=1, events=1)


def test_a_commit_that_leaves_parts_out_is_refused_whole(store: Store, token: Token) -> None:
    _commit(store, _news(0, token, part=_part(0, 9)))

    with pytest.raises(Conflict):
        _commit(store, _news(4, token, part=_part(10, 19), covered=[(0, 1000)]))

    assert _parts(store) == [(0, 0, 9)]
    assert store.read(lambda it: it.connection.execute(select(schema.coverage)).all()) == []


def test_a_stale_commit_leaves_no_trace(store: Store, token: Token) -> None:
    _commit(store, _news(0, token, part=_part(0, 9)))
    newer = _grant(store, S, Q)

    with pytest.raises(StaleToken, match="'s'"):
        _commit(
            store,
            _news(1, token, part=_part(10, 19), events=[_event(0)], counts=[_bucket(0, 9)],
                  covered=[(0, 1000)]),
        )  # fmt: skip

    assert _parts(store) == [(0, 0, 9)]
    assert _checkpoint(store) == results.Checkpoint(b"memory 0", parts=1, events=0)
    for table in (schema.events, schema.counts, schema.coverage):
        found = store.read(lambda it, table=table: it.connection.execute(select(table)).all())
        assert found == []
    _commit(store, _news(1, newer, part=_part(10, 12)))
    assert _parts(store) == [(0, 0, 9), (1, 10, 12)]


def test_a_run_that_is_over_takes_nothing_more(store: Store, token: Token) -> None:
    scenario = store.read(lambda it: scenarios.get_scenario(it, "up")).scenario
    stopping = _happen(store, scenario, StopAsked())
    _commit(store, _news(0, token, part=_part(0, 9)))  # While it lets go.
    ended = _happen(store, stopping, LetGo())

    with pytest.raises(StaleToken, match="run 1 is over"):
        _commit(store, _news(1, token, part=_part(10, 19)))
    _happen(store, ended, *UP)  # Run 2, under the same token.
    with pytest.raises(StaleToken, match="run 1 is over"):
        _commit(store, _news(1, token, part=_part(10, 19)))

    assert _parts(store) == [(0, 0, 9)]


def test_one_stale_part_of_a_shared_commit_spoils_no_other(store: Store, token: Token) -> None:
    _scenario(store, "other", *UP, source_id=T)
    good = _grant(store, T, R)
    _grant(store, S, Q)
    inside, free = threading.Event(), threading.Event()
    gate = store.submit(lambda _: (inside.set(), free.wait(WAIT_S)))
    assert inside.wait(WAIT_S)
    stale = _news(0, token, part=_part(0, 9))
    fresh = _news(0, good, part=_part(0, 9), source_id=T, scenario="other")

    refused = store.submit(lambda it: results.commit(it, stale))
    accepted = store.submit(lambda it: results.commit(it, fresh))
    free.set()
    gate.result(WAIT_S)

    with pytest.raises(StaleToken):
        refused.result(WAIT_S)
    accepted.result(WAIT_S)
    assert (_parts(store), _parts(store, "other")) == ([], [(0, 0, 9)])


def test_a_bucket_written_again_stands_as_last_written(store: Store, token: Token) -> None:
    _commit(store, _news(0, token, counts=[_bucket(0, 1), _bucket(10_000, 5)]))
    _commit(store, _news(0, token, counts=[_bucket(0, 3, now_max=None)]))

    rows = store.read(
        lambda it: it.connection.execute(
            select(schema.counts).order_by(schema.counts.c.start_ms)
        ).all()
    )
    assert [(row.start_ms, row.entered, row.now_max) for row in rows] == [
        (0, 3, None),
        (10_000, 5, 2),
    ]


def test_coverage_grows_longer_where_it_goes_on_and_starts_anew_after_a_gap(
    store: Store, token: Token
) -> None:
    _scenario(store, "other", *UP)
    for covered in ([(0, 1000)], [(1000, 2000), (2000, 2500)], [(4000, 5000)], [(5000, 6000)]):
        _commit(store, _news(0, token, covered=covered))
        _commit(store, _news(0, token, covered=[(2500, 2600)], scenario="other"))

    rows = store.read(
        lambda it: it.connection.execute(
            select(schema.coverage)
            .where(schema.coverage.c.scenario_id == "up")
            .order_by(schema.coverage.c.from_ms)
        ).all()
    )
    assert [(row.from_ms, row.to_ms) for row in rows] == [(0, 2500), (4000, 6000)]


def test_the_manifest_gives_the_parts_that_touch_a_range(store: Store, token: Token) -> None:
    for number in range(4):
        _commit(store, _news(number, token, part=_part(number * 10, number * 10 + 9)))

    def touching(**span: int) -> list[int]:
        rows = store.read(lambda it: results.parts_of(it, ScenarioId("up"), 1, **span))
        return [row.first for row in rows]

    assert touching(from_frame=9, to_frame=20) == [0, 1, 2]
    assert touching(from_frame=10) == [1, 2, 3]
    assert touching(to_frame=9) == [0]
    assert touching(limit=2) == [0, 1]


def test_the_memory_of_a_run_that_is_over_is_forgotten(store: Store, token: Token) -> None:
    _commit(store, _news(0, token, part=_part(0, 9)))

    scenario = store.read(lambda it: scenarios.get_scenario(it, "up")).scenario
    stopping = _happen(store, scenario, StopAsked())
    kept = _checkpoint(store)
    _happen(store, stopping, LetGo())

    assert kept is not None
    assert _checkpoint(store) is None
    assert _parts(store) == [(0, 0, 9)]


# What a runner reports.


def test_a_report_of_the_newest_holder_is_taken_up_and_others_are_refused(store: Store) -> None:
    _scenario(store, "up", StartAsked(), HolderFound())
    old, new = _grant(store, S, R), _grant(store, S, Q)

    def report(token: Token, run: int = 1) -> Scenario:
        return store.write(
            lambda it: reports.report(
                it, ScenarioId("up"), run, PipelineUp(), source_id=S, token=token
            )
        )

    with pytest.raises(StaleToken):
        report(old)
    with pytest.raises(StaleToken, match="run 2 is over"):
        report(new, run=2)
    first, again = report(new), report(new)

    assert first == again == replace(first, state=first.state.ACTIVE)
