"""Fresh parts become Parquet; whoever is killed when, nothing is lost, doubled or left lying."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from sqlalchemy import func, select, update

import settler_child
from kept_rows import (
    KeptRun,
    blob_keys,
    garbage,
    let_announced_lapse,
    lines,
    open_blobs,
    open_store,
    row,
)
from vedette.blobs.base import Blobs
from vedette.blobs.files import FileBlobs
from vedette.domain.errors import BlobsUnavailable
from vedette.results import settled, sweeping
from vedette.results.retention import Retention
from vedette.results.settling import Settler, SettlingOptions
from vedette.sinks.table import SCHEMA
from vedette.store import schema
from vedette.store.base import Store

CHILD = Path(settler_child.__file__)


def spans(run: KeptRun) -> list[tuple[int, int, bool]]:
    return [(first, last, key is not None) for first, last, key in run.manifest()]


def manifest_keys(*runs: KeptRun) -> list[str]:
    return sorted(key for run in runs for _, _, key in run.manifest() if key is not None)


def test_old_parts_become_one_blob_with_the_same_rows(
    run: KeptRun, store: Store, blobs: Blobs
) -> None:
    rows = run.commit_frames(40, each=3, age_s=3601)

    puts = Settler(store, blobs).run_once()

    assert puts == 1
    assert spans(run) == [(0, 13, True)]
    assert lines(rows) == lines(run.rows())
    assert (blob_keys(blobs), garbage(store)) == (manifest_keys(run), {})


def test_blob_is_plain_parquet_that_names_its_writers(
    run: KeptRun, store: Store, blobs: Blobs
) -> None:
    rows = run.commit_frames(10, each=2, age_s=3601)

    Settler(store, blobs).run_once()

    path = blobs.local_path(manifest_keys(run)[0])
    assert path is not None
    table = pq.read_table(path)
    owners = json.loads(pq.read_metadata(path).metadata[b"vedette.parts"])
    assert SCHEMA.names == table.schema.names
    assert [one["frame"] for one in rows] == table.column("frame").to_pylist()
    assert owners == [{"first": 0, "last": 4, "token": run.token, "holder": "runner-1"}]


def test_young_parts_stay_fresh_until_the_run_ends(
    run: KeptRun, store: Store, blobs: Blobs
) -> None:
    run.commit_frames(4)
    settler = Settler(store, blobs)

    while_young = settler.run_once()
    run.end()
    at_end = settler.run_once()

    assert (while_young, at_end) == (0, 1)
    assert spans(run) == [(0, 3, True)]


def test_big_parts_are_settled_at_once_and_in_blobs_of_bounded_size(
    run: KeptRun, store: Store, blobs: Blobs
) -> None:
    rows = run.commit_frames(10)

    options = SettlingOptions(size_bytes=4 * _part_bytes_min(run))
    puts = Settler(store, blobs, options=options).run_once()

    assert puts == len(spans(run)) == 3
    assert [last - first + 1 for first, last, _ in spans(run)][:2] == [4, 4]
    assert lines(rows) == lines(run.rows())


def _part_bytes_min(run: KeptRun) -> int:
    least = select(func.min(schema.parts.c.size_bytes))
    return int(
        run.store.read(lambda transaction: transaction.connection.execute(least).scalar_one())
    )


def test_camera_of_an_hour_makes_at_most_sixty_puts(
    run: KeptRun, store: Store, blobs: Blobs
) -> None:
    settler = Settler(store, blobs)
    puts = 0

    for second in range(0, 3600, 3):
        run.age(3)  # Three seconds pass.
        run.commit([row(second)])
        puts += settler.run_once()

    assert 45 <= puts <= 60
    assert len(run.rows()) == 1200


def test_camera_that_shows_a_picture_a_minute_makes_few_puts(
    run: KeptRun, store: Store, blobs: Blobs
) -> None:
    settler = Settler(store, blobs)
    puts = 0

    for minute in range(180):
        run.age(60)
        run.commit([row(minute)])
        puts += settler.run_once()

    assert 3 <= puts <= 12
    assert len(run.rows()) == 180


def test_parts_from_before_the_clock_was_set_back_do_not_stay_fresh(
    run: KeptRun, store: Store, blobs: Blobs
) -> None:
    run.commit_frames(3, age_s=-3600)

    Settler(store, blobs).run_once()

    assert spans(run) == [(0, 2, True)]


def test_settling_goes_on_after_what_was_settled(run: KeptRun, store: Store, blobs: Blobs) -> None:
    settler = Settler(store, blobs)
    rows = []
    for begin in range(0, 30, 10):
        more = [row(frame) for frame in range(begin, begin + 10)]
        run.commit(more[:5], age_s=3601)
        run.commit(more[5:])
        settler.run_once()
        rows += more

    assert spans(run) == [(0, 1, True), (2, 3, True), (4, 5, True)]
    assert lines(rows) == lines(run.rows())


def test_damaged_part_stops_its_own_run_alone(run: KeptRun, store: Store, blobs: Blobs) -> None:
    other = KeptRun(store, blobs)
    for one in (run, other):
        one.commit_frames(4, age_s=3601)
    damage = update(schema.parts).where(
        schema.parts.c.scenario_id == run.scenario_id, schema.parts.c.first == 2
    )
    store.write(lambda transaction: transaction.connection.execute(damage.values(bytes=b"1x")))
    settler = Settler(store, blobs)

    puts = settler.run_once() + settler.run_once()

    assert puts == 1
    assert (len(spans(run)), spans(other)) == (4, [(0, 3, True)])
    assert (blob_keys(blobs), garbage(store)) == (manifest_keys(other), {})


@pytest.mark.parametrize("moment", settler_child.MOMENTS)
def test_settler_killed_at_any_moment_loses_nothing_and_doubles_nothing(
    moment: str, run: KeptRun, store: Store, blobs: Blobs, tmp_path: Path
) -> None:
    rows = run.commit_frames(20, each=2, age_s=3601)
    if moment in {"in condemning", "condemned", "deleted"}:  # What an earlier one left lying.
        left = settled.blob_key(run.scenario_id, 1, 0, 3, "dead")
        blobs.put(left, b"left lying")
        announced = schema.garbage.insert().values(blob_key=left, due_ms=1)
        store.write(lambda transaction: transaction.connection.execute(announced))

    died = subprocess.run(
        [sys.executable, str(CHILD), str(tmp_path), moment],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    after_death = run.rows()
    let_announced_lapse(store)
    settler = Settler(store, blobs)
    settler.run_once()

    assert (died.returncode, died.stdout) == (-signal.SIGKILL, ""), died.stderr
    assert lines(rows) == lines(after_death) == lines(run.rows())
    assert spans(run) == [(0, 9, True)]
    assert (blob_keys(blobs), garbage(store)) == (manifest_keys(run), {})


class _Interrupted(FileBlobs):
    """Blobs with something happening in the middle of a put, or right after it."""

    def __init__(
        self,
        folder: Path,
        *,
        during: Callable[[], object] | None = None,
        after: Callable[[], object] | None = None,
    ) -> None:
        super().__init__(folder)
        self._during = during
        self._after = after

    def put(self, key: str, content: bytes | Iterable[bytes]) -> int:
        assert not isinstance(content, bytes)
        pieces = list(content)
        if self._during is not None:
            self._during()
        size_bytes = super().put(key, pieces)
        if self._after is not None:
            self._after()
        return size_bytes


def test_settler_that_comes_late_takes_its_blob_away_again(
    run: KeptRun, store: Store, blobs: Blobs, tmp_path: Path
) -> None:
    rows = run.commit_frames(10, age_s=3601)
    quick = Settler(store, blobs)

    late = _Interrupted(tmp_path / "blobs", after=quick.run_once)
    puts = Settler(store, late).run_once()

    assert puts == 0
    assert lines(rows) == lines(run.rows())
    assert (blob_keys(blobs), garbage(store)) == (manifest_keys(run), {})


def test_rows_that_retention_deleted_meanwhile_do_not_come_back(
    run: KeptRun, store: Store, blobs: Blobs, tmp_path: Path
) -> None:
    rows = run.commit_frames(10, age_s=3601)
    run.age(4000, part=4)
    retention = Retention(store, blobs, age_s_max=5000, bytes_max=None)

    slow = _Interrupted(tmp_path / "blobs", after=retention.run_once)
    puts = Settler(store, slow).run_once()

    assert puts == 0
    assert lines(rows[5:]) == lines(run.rows())
    assert (blob_keys(blobs), garbage(store)) == ([], {})


def test_key_that_is_condemned_cannot_be_named_though_its_bytes_are_still_there(
    run: KeptRun, store: Store, blobs: Blobs, tmp_path: Path
) -> None:
    rows = run.commit_frames(10, age_s=3601)

    class Killed(FileBlobs):
        def delete(self, keys: Iterable[str]) -> None:  # noqa: ARG002
            raise BlobsUnavailable("killed before deleting")

    def condemn_and_die() -> None:
        let_announced_lapse(store)
        with pytest.raises(BlobsUnavailable):
            sweeping.sweep(store, Killed(tmp_path / "blobs"))

    frozen = _Interrupted(tmp_path / "blobs", after=condemn_and_die)
    puts = Settler(store, frozen).run_once()

    assert puts == 0
    assert lines(rows) == lines(run.rows())
    assert (blob_keys(blobs), garbage(store)) == ([], {})


def test_settler_frozen_until_its_blob_was_swept_cannot_name_it(
    run: KeptRun, store: Store, blobs: Blobs, tmp_path: Path
) -> None:
    rows = run.commit_frames(10, age_s=3601)

    def an_hour_passes() -> None:
        let_announced_lapse(store)
        Settler(store, blobs, options=SettlingOptions(age_s=1e6)).run_once()

    frozen = _Interrupted(tmp_path / "blobs", after=an_hour_passes)
    puts = Settler(store, frozen).run_once()

    assert puts == 0
    assert [settled for _, _, settled in spans(run)] == [False] * 10
    assert lines(rows) == lines(run.rows())
    assert (blob_keys(blobs), garbage(store)) == ([], {})


def test_bytes_put_after_their_key_was_swept_are_orphans(
    run: KeptRun, store: Store, blobs: Blobs, tmp_path: Path
) -> None:
    rows = run.commit_frames(10, age_s=3601)

    def sweep_and_die() -> None:
        let_announced_lapse(store)
        Settler(store, blobs, options=SettlingOptions(age_s=1e6)).run_once()

    class Dead(BaseException):
        pass

    def die() -> None:
        raise Dead

    with pytest.raises(Dead):
        Settler(store, _Interrupted(tmp_path / "blobs", during=sweep_and_die, after=die)).run_once()
    orphans = blob_keys(blobs)
    settler = Settler(store, blobs, options=SettlingOptions(orphan_age_s=0))
    settler.run_once()
    young = Settler(store, blobs).collect_orphans()
    collected = settler.collect_orphans()

    assert len(orphans) == 1
    assert (young, collected) == (0, 1)
    assert lines(rows) == lines(run.rows())
    assert (blob_keys(blobs), garbage(store)) == (manifest_keys(run), {})


def test_collector_leaves_what_is_announced_named_or_not_ours(
    run: KeptRun, store: Store, blobs: Blobs, tmp_path: Path
) -> None:
    run.commit_frames(10, age_s=3601)
    blobs.put("predictions/notes.txt", b"a person's own")
    blobs.put("videos/one.mp4", b"an upload")
    settler = Settler(store, blobs, options=SettlingOptions(orphan_age_s=-1))
    kept: list[int] = []

    def collect() -> None:
        kept.append(settler.collect_orphans())

    Settler(store, _Interrupted(tmp_path / "blobs", after=collect)).run_once()
    kept.append(settler.collect_orphans())

    assert kept == [0, 0]
    assert spans(run) == [(0, 9, True)]
    assert blob_keys(blobs) == [
        "predictions/notes.txt", *manifest_keys(run), "videos/one.mp4",
    ]  # fmt: skip


def test_settlers_at_once_and_a_runner_that_commits_meanwhile(
    run: KeptRun, store: Store, blobs: Blobs, tmp_path: Path
) -> None:
    stop = threading.Event()
    failures: list[BaseException] = []

    def settle() -> None:
        own = open_store(tmp_path)
        try:
            settler = Settler(own, open_blobs(tmp_path), options=SettlingOptions(age_s=0))
            while not stop.is_set():
                settler.run_once()
        except BaseException as error:  # noqa: BLE001
            failures.append(error)
        finally:
            own.close()

    settlers = [threading.Thread(target=settle) for _ in range(2)]
    for thread in settlers:
        thread.start()
    rows = run.commit_frames(150)
    while_settling = run.rows()
    stop.set()
    for thread in settlers:
        thread.join(240)
    run.end()
    Settler(store, blobs).run_once()

    numbers = [number for first, last, _ in spans(run) for number in range(first, last + 1)]
    assert failures == []
    assert list(range(150)) == numbers
    assert lines(rows) == lines(while_settling) == lines(run.rows())
    assert (blob_keys(blobs), garbage(store)) == (manifest_keys(run), {})


def test_blobs_that_cannot_be_put_are_told_and_the_rows_stay_fresh(
    run: KeptRun, store: Store, tmp_path: Path
) -> None:
    rows = run.commit_frames(10, age_s=3601)

    def full() -> None:
        raise BlobsUnavailable("the disk is full")

    with pytest.raises(BlobsUnavailable, match="full"):
        Settler(store, _Interrupted(tmp_path / "blobs", during=full)).run_once()

    assert lines(rows) == lines(run.rows())
    assert {last - first for first, last, _ in spans(run)} == {0}
