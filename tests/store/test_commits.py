"""One commit of a run: its checkpoint goes with its rows and events."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from kept_rows import KeptRun, open_blobs, open_store
from vedette.domain.errors import Conflict
from vedette.domain.event import Event, EventType
from vedette.domain.ids import RunnerId
from vedette.store.sqlite import SqliteStore
from vedette.store.statements import results


def commit(store: SqliteStore, kept: KeptRun, number: int, events: tuple[int, ...]) -> None:
    part = results.FreshPart(number, number, 0.0, 0.0, None, None, 1, b"rows")
    news = results.Commit(
        scenario_id=kept.scenario_id, run=kept.number, source_id=kept.source_id, token=kept.token,
        holder=RunnerId("one"), part=part, part_number=number,
        events=tuple((crossing(sequence), None) for sequence in events), counts=(), covered=(),
        checkpoint=b"after %d" % number, totals=f'{{"n": {number}}}', facts='{"live": false}',
    )  # fmt: skip
    store.write(partial(results.commit, news=news))


def crossing(sequence: int) -> Event:
    return Event(
        sequence=sequence, type=EventType.LINE_CROSSED, frame=sequence, pts_s=0.0, track_id=1,
        label="moving", place="middle", direction=None, dwell_s=None,
    )  # fmt: skip


def test_a_checkpoint_is_replaced_with_every_commit_and_knows_all_events_so_far(
    tmp_path: Path,
) -> None:
    store = open_store(tmp_path)
    kept = KeptRun(store, open_blobs(tmp_path))
    question = partial(results.load_checkpoint, scenario_id=kept.scenario_id, run=kept.number)
    known = []

    assert store.read(question) is None
    for number, events in enumerate([(), (0, 1), (), (2,)]):
        commit(store, kept, number, events)
        known.append(store.read(question))

    assert known == [
        results.Checkpoint(b"after 0", parts=1, events=0),
        results.Checkpoint(b"after 1", parts=2, events=2),
        results.Checkpoint(b"after 2", parts=3, events=2),
        results.Checkpoint(b"after 3", parts=4, events=3),
    ]
    row = store.read(partial(results.run_row, scenario_id=kept.scenario_id, run=kept.number))
    assert row is not None
    assert (row.totals, row.facts) == ('{"n": 3}', '{"live": false}')
    store.close()


def test_a_commit_that_does_not_follow_the_last_one_changes_nothing(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    kept = KeptRun(store, open_blobs(tmp_path))
    question = partial(results.load_checkpoint, scenario_id=kept.scenario_id, run=kept.number)
    commit(store, kept, 0, (0,))

    with pytest.raises(Conflict):
        commit(store, kept, 2, (1,))

    assert results.Checkpoint(b"after 0", parts=1, events=1) == store.read(question)
    assert kept.manifest() == [(0, 0, None)]
    store.close()
