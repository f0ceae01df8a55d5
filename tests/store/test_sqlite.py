"""What SQLite's store has that others have not: a file, its disk, its boot, its log."""

from __future__ import annotations

import fcntl
import logging
import os
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from sqlalchemy import select

from lease_probes import lapsed, may_be_granted
from pace import Pace
from vedette.domain.errors import SchemaMismatch, StoreUnavailable
from vedette.domain.ids import RunnerId, SourceId, TaskId
from vedette.store import migrating, schema, sqlite, sqlite_file
from vedette.store.base import Store, Transaction
from vedette.store.freeze import WriterMark
from vedette.store.sqlite import FILE_NAME, SqliteStore
from vedette.store.statements import leases, outbox, scenarios, tasks

WAIT_S = 240.0
# The newest schema, and one that a test makes behind it.
NEWEST, NEXT = migrating.HEAD, "9999"


def _open_and_migrate(folder: Path) -> None:
    store = SqliteStore(folder)
    try:
        store.migrate()
    finally:
        store.close()


def _made(folder: Path) -> Path:
    """Make a database with something in it; give its file."""
    store = SqliteStore(folder)
    store.migrate()
    store.write(lambda it: [outbox.add(it, "a", str(n), "x" * 500) for n in range(500)])
    store.close()
    return folder / FILE_NAME


# Files that are not ours, or not any more.


def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / FILE_NAME
    path.write_text("my letters to Milena " * 100, encoding="utf-8")
    before = path.read_bytes()

    with pytest.raises(SchemaMismatch, match=r"no database.* move it away"):
        SqliteStore(tmp_path)

    assert path.read_bytes() == before
    assert [one.name for one in tmp_path.iterdir()] == [FILE_NAME]


@pytest.mark.parametrize("application", [0, 12345])
def test_the_database_of_another_program_is_refused_and_left_alone(
    tmp_path: Path, application: int
) -> None:
    path = tmp_path / FILE_NAME
    foreign = sqlite3.connect(path)
    foreign.execute("CREATE TABLE letters (id INTEGER)")
    foreign.execute(f"PRAGMA application_id={application}")
    foreign.commit()
    foreign.close()
    before = path.read_bytes()

    with pytest.raises(SchemaMismatch, match="another program; name another folder"):
        SqliteStore(tmp_path)

    assert path.read_bytes() == before


def test_a_newer_schema_is_refused_by_number(tmp_path: Path) -> None:
    path = _made(tmp_path)
    newer = sqlite3.connect(path)
    newer.execute(f"UPDATE {migrating.VERSION_TABLE} SET version_num = '9999'")
    newer.commit()
    newer.close()
    store = SqliteStore(tmp_path)

    for act in (store.check, store.migrate):
        with pytest.raises(SchemaMismatch, match=r"9999 is newer .* use the newer program"):
            act()
    store.close()


def test_a_database_without_schema_names_the_command_that_makes_it(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path)

    with pytest.raises(SchemaMismatch, match="run `vedette migrate`"):
        store.check()
    store.migrate()
    store.check()
    store.close()


@pytest.mark.parametrize("name", ["100% ours", "what?", "a#b&c=d", "Überwachung"])
def test_a_folder_may_have_any_name(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir()

    _made(folder)

    assert (folder / FILE_NAME).exists()
    SqliteStore(folder).close()


def test_a_second_store_of_one_process_takes_no_lock_away_from_the_first(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path)
    store.migrate()
    store.write(lambda it: outbox.add(it, "a", "1", ""))
    SqliteStore(tmp_path).close()

    # Another process that comes and goes must not think that it is the last one.
    script = (
        "import sqlite3, sys; it = sqlite3.connect(sys.argv[1]);"
        "it.execute('SELECT count(*) FROM outbox').fetchone(); it.close()"
    )
    subprocess.run([sys.executable, "-c", script, str(store.path)], check=True, timeout=240)

    assert Path(f"{store.path}-wal").exists()
    store.write(lambda it: outbox.add(it, "a", "2", ""))
    other = SqliteStore(tmp_path)
    assert [row.key for row in other.read(lambda it: outbox.waiting(it, 9))] == ["1", "2"]
    other.close()
    store.close()


def test_a_cut_off_database_is_refused_with_what_to_do(tmp_path: Path) -> None:
    path = _made(tmp_path)
    with path.open("r+b") as file:
        file.truncate(200)

    with pytest.raises(SchemaMismatch, match=r"damaged.* restore a copy"):
        _open_and_migrate(tmp_path)


def test_a_database_with_a_damaged_beginning_is_refused_with_what_to_do(tmp_path: Path) -> None:
    path = _made(tmp_path)
    with path.open("r+b") as file:
        file.seek(100)
        file.write(os.urandom(3000))

    with pytest.raises(SchemaMismatch, match=r"damaged.* restore a copy"):
        _open_and_migrate(tmp_path)


def test_damage_found_later_is_told_as_damage_to_readers_and_writers(tmp_path: Path) -> None:
    path = _made(tmp_path)
    with path.open("r+b") as file:
        pages = path.stat().st_size // 4096
        for page in range(pages // 2, pages):
            file.seek(page * 4096)
            file.write(b"\xa5" * 4096)
    store = SqliteStore(tmp_path)

    with pytest.raises(SchemaMismatch, match="damaged"):
        store.read(lambda it: outbox.waiting(it, 1000))
    with pytest.raises(SchemaMismatch, match="damaged"):
        store.write(lambda it: outbox.waiting(it, 1000))
    store.close()


def test_a_folder_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="nowhere"):
        SqliteStore(tmp_path / "nowhere")


def test_a_database_that_went_away_is_unavailable_and_comes_back(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    _made(folder)
    store = SqliteStore(folder)
    folder.rename(tmp_path / "away")

    with pytest.raises(StoreUnavailable, match="unable to open"):
        store.write(lambda it: outbox.add(it, "a", "late", ""))
    with pytest.raises(StoreUnavailable, match="unable to open"):
        store.read(lambda it: outbox.waiting(it, 1))
    (tmp_path / "away").rename(folder)

    store.write(lambda it: outbox.add(it, "a", "late", ""))
    assert store.read(lambda it: outbox.waiting(it, 1000))[-1].key == "late"
    store.close()


# The disk.

_FILL = """
import sys
from pathlib import Path
from vedette.domain.errors import StoreUnavailable
from vedette.store.sqlite import SqliteStore
from vedette.store.statements import outbox

folder = Path(sys.argv[1])
store = SqliteStore(folder)
store.migrate()
def pair(it, key):
    outbox.add(it, "big", key, "x" * 20_000)
    outbox.add(it, "big", key, "y" * 20_000)
committed = refused = 0
while refused < 3:
    try:
        store.write(lambda it: pair(it, str(committed)), durable=committed % 2 == 0)
        committed += 1
    except StoreUnavailable as error:
        assert "full" in str(error), error
        refused += 1
rows = store.read(lambda it: outbox.waiting(it, 100_000))
assert len(rows) == 2 * committed > 0, (len(rows), committed)
try:
    store.announce("r-1", "x" * 200)
except StoreUnavailable:
    pass
(folder / "ballast").unlink()
store.write(lambda it: pair(it, str(committed)))
store.close()
store = SqliteStore(folder)
assert len(store.read(lambda it: outbox.waiting(it, 100_000))) == 2 * committed + 2
store.close()
print("held")
"""


def test_a_full_file_system_refuses_and_loses_nothing(tmp_path: Path) -> None:
    # In a mount namespace of its own, where we may make a small file system.
    script = (
        f"mount -t tmpfs -o size=3m none {tmp_path} && "
        f"dd if=/dev/zero of={tmp_path}/ballast bs=64k count=16 status=none && "
        f'exec "$0" -c "$1" {tmp_path}'
    )
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script, sys.executable, _FILL],
        capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    if "unshare" in done.stderr or "mount:" in done.stderr:
        pytest.skip(f"a file system of our own cannot be made: {done.stderr.strip()}")

    assert done.stdout == "held\n", done.stderr


@pytest.mark.parametrize(("durable", "level"), [(True, 2), (False, 1)])
def test_a_durable_transaction_waits_for_the_disk(store: Store, durable: bool, level: int) -> None:
    def ask(it: Transaction) -> int:
        return int(it.connection.exec_driver_sql("PRAGMA synchronous").scalar_one())

    store.write(ask, durable=not durable)

    assert store.write(ask, durable=durable) == level


def test_whoever_shares_a_commit_with_a_durable_transaction_is_durable_too(store: Store) -> None:
    inside, free = threading.Event(), threading.Event()
    gate = store.submit(lambda _: (inside.set(), free.wait(WAIT_S)))
    assert inside.wait(WAIT_S)

    def ask(it: Transaction) -> int:
        return int(it.connection.exec_driver_sql("PRAGMA synchronous").scalar_one())

    asked = [store.submit(ask, durable=durable) for durable in (False, True, False)]
    free.set()
    gate.result(WAIT_S)

    assert [one.result(WAIT_S) for one in asked] == [2, 2, 2]


def test_the_log_of_changes_stays_bounded_under_readers_that_never_pause(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_file, "LOG_BYTES_MAX", 2**20)
    monkeypatch.setattr(sqlite, "LOG_LOOK_S", 0.0)
    done = threading.Event()

    def read_on() -> None:
        while not done.is_set():
            store.read(lambda it: (outbox.waiting(it, 5), time.sleep(0.005)))

    readers = [threading.Thread(target=read_on) for _ in range(3)]
    for reader in readers:
        reader.start()
    largest = 0
    try:
        for number in range(150):
            store.write(lambda it, number=number: outbox.add(it, "a", str(number), "x" * 50_000))
            largest = max(largest, Path(f"{store.path}-wal").stat().st_size)
    finally:
        done.set()
        for reader in readers:
            reader.join()

    # What 150 transactions of 50 kB would come to.
    assert largest < 7_500_000


def test_a_reader_that_meets_an_error_reads_on_afterwards(store: Store) -> None:
    for _ in range(8):
        with pytest.raises(Exception, match="nowhere"):
            store.read(lambda it: it.connection.exec_driver_sql("SELECT * FROM nowhere"))
        with pytest.raises(ZeroDivisionError):
            store.read(lambda _: 1 // 0)

    assert store.read(lambda it: outbox.waiting(it, 1)) == []


# The write lock.


def test_another_programs_transaction_is_waited_for_and_no_longer_than_patience(
    tmp_path: Path,
) -> None:
    _made(tmp_path)
    store = SqliteStore(tmp_path, lock_patience_s=0.6)
    other = sqlite3.connect(store.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    with Pace() as pace, pytest.raises(StoreUnavailable, match="locked"):
        store.write(lambda it: outbox.add(it, "a", "", ""))

    assert pace.seconds > 0.5
    assert pace.kept(3), pace
    other.execute("ROLLBACK")
    other.close()
    store.write(lambda it: outbox.add(it, "a", "", ""))
    store.close()


def test_a_mark_names_nobody_that_is_not_stopped(tmp_path: Path) -> None:
    mark, other = WriterMark(tmp_path / "writer"), WriterMark(tmp_path / "writer")
    nobody = other.frozen_pid()
    mark.set()
    ourselves = other.frozen_pid()
    mark.clear()
    (tmp_path / "writer").write_bytes(b"\x01" + bytes(7) + b"\x01" + bytes(7))
    another_life = other.frozen_pid()  # Process 1 did not start at that time.

    assert (nobody, ourselves, another_life) == (None, None, None)
    mark.close()
    mark.close()
    other.close()


def test_a_stopped_holder_is_named_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    sqlite._name_frozen(4711)

    assert caplog.record_tuples[0][1] == logging.ERROR
    assert "pid=4711" in caplog.text


# Who lives.


def test_an_announcement_waits_for_whoever_just_asks_after_the_runner(
    store: Store, tmp_path: Path
) -> None:
    store.announce("r-1", "first")
    store.withdraw("r-1")
    with (tmp_path / "holders" / "r-1.lock").open("rb") as asking:
        fcntl.flock(asking, fcntl.LOCK_SH)
        letting_go = threading.Timer(0.1, fcntl.flock, (asking, fcntl.LOCK_UN))
        letting_go.start()

        store.announce("r-1", "second")

        letting_go.join()
    assert store.dead([("r-1", "second")]) == set()


# The clock.


def test_another_boot_voids_every_lease(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path)
    store.migrate()

    def lease_all(it: Transaction) -> None:
        scenarios.add_source(it, SourceId("s"), name="s", address="a.mp4")
        leases.register(it, RunnerId("r"), "i", host="h", pid=1, version="1", capacity=9,
                        lease_ms=10**9)  # fmt: skip
        leases.grant(it, SourceId("s"), RunnerId("r"), "i")
        leases.set_quarantine(it, SourceId("s"), times=1, wait_ms=10**9)
        tasks.add(it, TaskId("t"), "k", "", attempts_max=9)
        tasks.take(it, "w", ["k"], limit=1, lease_ms=10**9)

    store.write(lease_all)
    store.check()
    same_boot = store.read(leases.live_runners)
    store.write(lambda it: it.connection.execute(schema.meta.update().values(value="another boot")))
    store.close()

    store = SqliteStore(tmp_path)
    store.check()

    assert [one.id for one in same_boot] == ["r"]
    assert store.read(leases.live_runners) == []
    assert [one.source_id for one in store.read(lapsed)] == ["s"]
    assert store.read(lambda it: may_be_granted(it, SourceId("s")))
    taken = store.write(lambda it: tasks.take(it, "w", ["k"], limit=1, lease_ms=1))
    assert [one.id for one in taken] == ["t"]
    boot = store.read(lambda it: it.connection.execute(select(schema.meta.c.value)).scalar())
    assert boot == sqlite.boot_id()
    store.close()


# Changing the schema.


def test_a_schema_change_that_fails_leaves_the_old_schema(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = tmp_path / "migrations"
    (steps / "versions").mkdir(parents=True)
    for path in migrating.MIGRATIONS.rglob("*.py"):
        (steps / path.relative_to(migrating.MIGRATIONS)).write_bytes(path.read_bytes())
    (steps / "versions" / f"{NEXT}_next.py").write_text(
        "from alembic import op\n"
        f"revision, down_revision = '{NEXT}', '{NEWEST}'\n"
        "def upgrade() -> None:\n"
        "    op.execute('CREATE TABLE half (id INTEGER)')\n"
        "    op.execute('DROP TABLE deaths')\n"
        "    raise RuntimeError('the machine fell over')\n",
        encoding="utf-8",
    )
    folder = tmp_path / "data"
    folder.mkdir()
    _made(folder)
    monkeypatch.setattr(migrating, "MIGRATIONS", steps)
    monkeypatch.setattr(migrating, "HEAD", NEXT)
    store = SqliteStore(folder)

    with pytest.raises(SchemaMismatch, match="older"):
        store.check()
    with pytest.raises(RuntimeError, match="fell over"):
        store.migrate()

    assert store.read(lambda it: migrating.version(it.connection)) == NEWEST
    tables = store.read(
        lambda it: it.connection.exec_driver_sql("SELECT name FROM sqlite_master").scalars().all()
    )
    assert "deaths" in tables and "half" not in tables
    (steps / "versions" / f"{NEXT}_next.py").write_text(
        "from alembic import op\n"
        "import sqlalchemy as sa\n"
        f"revision, down_revision = '{NEXT}', '{NEWEST}'\n"
        "def upgrade() -> None:\n"
        "    with op.batch_alter_table('scenarios') as table:\n"
        "        table.alter_column('detail', nullable=True)\n",
        encoding="utf-8",
    )
    assert store.migrate() == (NEWEST, NEXT)
    store.close()


def test_changing_a_table_deletes_nothing_that_refers_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = tmp_path / "migrations"
    (steps / "versions").mkdir(parents=True)
    for path in migrating.MIGRATIONS.rglob("*.py"):
        (steps / path.relative_to(migrating.MIGRATIONS)).write_bytes(path.read_bytes())
    (steps / "versions" / f"{NEXT}_next.py").write_text(
        "from alembic import op\n"
        f"revision, down_revision = '{NEXT}', '{NEWEST}'\n"
        "def upgrade() -> None:\n"
        "    with op.batch_alter_table('sources', recreate='always') as table:\n"
        "        table.alter_column('name', nullable=True)\n",
        encoding="utf-8",
    )
    folder = tmp_path / "data"
    folder.mkdir()
    store = SqliteStore(folder)
    store.migrate()

    def add(it: Transaction) -> None:
        scenarios.add_source(it, SourceId("s"), name="s", address="a.mp4")
        held = leases.Held(SourceId("s"), leases.Token(1), RunnerId("r"), "i")
        leases.add_death(it, held, evidence="killed")

    store.write(add)
    monkeypatch.setattr(migrating, "MIGRATIONS", steps)
    monkeypatch.setattr(migrating, "HEAD", NEXT)

    assert store.migrate() == (NEWEST, NEXT)

    assert store.read(lambda it: leases.deaths_since(it, SourceId("s"), 0)) == 1
    store.close()
