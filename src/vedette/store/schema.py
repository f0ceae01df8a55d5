"""Every table, on both engines.

Times end in `_ms`: `until_ms` and the like by the store's clock, `…_at_ms` milliseconds since 1970.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)
# SQLite numbers rows by itself only where the type is INTEGER.
_SERIAL = BigInteger().with_variant(Integer, "sqlite")

# Facts of the database itself, such as whose boot its clock belongs to.
meta = Table("meta", metadata, Column("key", Text, primary_key=True), Column("value", Text))

# One row per runner that ever registered; one incarnation at a time.
runners = Table(
    "runners",
    metadata,
    Column("id", Text, primary_key=True),
    Column("incarnation", Text, nullable=False),
    Column("host", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("version", Text, nullable=False),
    Column("capacity", Integer, nullable=False),  # Sources it takes at most.
    Column("only", Text),  # The one source it is there for, which is run apart; NULL: any other.
    Column("started_at_ms", BigInteger, nullable=False),
    Column("until_ms", BigInteger, nullable=False),  # Its leases hold until then; renewed.
)

# What is leased. `token` grows with every grant and every taking away.
sources = Table(
    "sources",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),  # For people and rows; never holds a password.
    Column("address", Text, nullable=False),  # Sealed where it holds a password.
    Column("token", BigInteger, nullable=False, default=0),
    Column("holder", ForeignKey("runners.id")),  # NULL: nobody.
    Column("incarnation", Text),  # The holder's, when it was granted.
    Column("granted_at_ms", BigInteger),
    Column("quarantine", Integer, nullable=False, default=0),  # How often it was put there.
    Column("wait_until_ms", BigInteger, nullable=False, default=0),  # Not granted before.
    Index(None, "holder"),
)

# A holder of the source died, and may have died of it.
deaths = Table(
    "deaths",
    metadata,
    Column("id", _SERIAL, primary_key=True),
    Column("source_id", ForeignKey("sources.id", ondelete="CASCADE"), nullable=False),
    Column("runner_id", Text, nullable=False),
    Column("token", BigInteger, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("evidence", Text, nullable=False),
    Index(None, "source_id", "at_ms"),
)

scenarios = Table(
    "scenarios",
    metadata,
    Column("id", Text, primary_key=True),
    Column("source_id", ForeignKey("sources.id"), nullable=False),
    Column("state", Text, nullable=False),
    Column("wanted", Text, nullable=False),
    Column("status_reason", Text, nullable=False),
    Column("detail", Text, nullable=False, default=""),  # One sentence for people.
    Column("start_again", Boolean, nullable=False, default=False),
    Column("run", Integer, nullable=False, default=0),  # 0: never started.
    Column("parameters", Text, nullable=False),  # JSON; domain/parameters.
    Column("version", Integer, nullable=False, default=0),  # Grows with every change.
    Column("created_at_ms", BigInteger, nullable=False),
    Column("updated_at_ms", BigInteger, nullable=False),
    Index(None, "state"),
    Index(None, "source_id"),
    Index(None, "created_at_ms", "id"),
)

# Every change of a scenario's state, in order.
transitions = Table(
    "transitions",
    metadata,
    Column("id", _SERIAL, primary_key=True),
    Column("scenario_id", ForeignKey("scenarios.id", ondelete="CASCADE"), nullable=False),
    Column("run", Integer, nullable=False),
    Column("before", Text, nullable=False),
    Column("after", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("token", BigInteger, nullable=False),
    Column("at_ms", BigInteger, nullable=False),  # Wall time.
    Index(None, "scenario_id", "id"),
)

# What was accepted from outside and not yet decided, in the order of accepting.
commands = Table(
    "commands",
    metadata,
    Column("id", _SERIAL, primary_key=True),
    Column("scenario_id", ForeignKey("scenarios.id", ondelete="CASCADE"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("accepted_at_ms", BigInteger, nullable=False),
    sqlite_autoincrement=True,  # Ids are never used again: order is theirs.
)

# Answers to POSTs that bore an idempotency key.
idempotency = Table(
    "idempotency",
    metadata,
    Column("key", Text, primary_key=True),
    Column("fingerprint", Text, nullable=False),  # SHA-256 of what was asked.
    Column("status", Integer, nullable=False),
    Column("answer", Text, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Index(None, "at_ms"),
)

# Messages to be sent, at least once; written with what they tell, deleted once sent.
outbox = Table(
    "outbox",
    metadata,
    Column("id", _SERIAL, primary_key=True),
    Column("topic", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("payload", Text, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    sqlite_autoincrement=True,
)

# One start of a scenario.
runs = Table(
    "runs",
    metadata,
    Column("scenario_id", ForeignKey("scenarios.id", ondelete="CASCADE"), nullable=False),
    Column("run", Integer, nullable=False),
    Column("parameters", Text, nullable=False),
    Column("started_at_ms", BigInteger, nullable=False),
    Column("ended_at_ms", BigInteger),
    Column("reason", Text),  # Why it ended.
    Column("facts", Text),  # JSON of what the stream is, once it was open.
    Column("totals", Text),  # JSON of frames and counts after the last commit.
    Column("events", Integer, nullable=False, default=0, server_default="0"),  # Ever told.
    Column("trimmed_to_frame", BigInteger),  # Retention deleted the rows up to here.
    Column("health", Text),  # JSON of how the source does; see domain/health.
    PrimaryKeyConstraint("scenario_id", "run"),
)

# All that a run remembers after the last row committed.
checkpoints = Table(
    "checkpoints",
    metadata,
    Column("scenario_id", Text, nullable=False),
    Column("run", Integer, nullable=False),
    Column("token", BigInteger, nullable=False),
    Column("parts", Integer, nullable=False),  # Parts committed so far.
    Column("events", Integer, nullable=False),  # Events committed so far.
    Column("state", LargeBinary, nullable=False),  # runner/checkpoint.
    PrimaryKeyConstraint("scenario_id", "run"),
)

# The manifest of prediction rows: which bytes hold which frames.
parts = Table(
    "parts",
    metadata,
    Column("id", _SERIAL, primary_key=True),
    Column("scenario_id", ForeignKey("scenarios.id", ondelete="CASCADE"), nullable=False),
    Column("run", Integer, nullable=False),
    Column("first", Integer, nullable=False),  # Its number in the run; a settled one spans many.
    Column("last", Integer, nullable=False),
    Column("first_frame", BigInteger, nullable=False),
    Column("last_frame", BigInteger, nullable=False),
    Column("first_pts_s", Float, nullable=False),
    Column("last_pts_s", Float, nullable=False),
    Column("first_captured_at_ms", BigInteger),
    Column("last_captured_at_ms", BigInteger),
    Column("rows", Integer, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("blob_key", Text),  # A settled part: Parquet.
    Column("token", BigInteger, nullable=False),
    Column("holder", Text, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("bytes", LargeBinary),  # A fresh part: results/fresh. Last: SQLite walks over it else.
    UniqueConstraint("scenario_id", "run", "first"),
    Index(None, "scenario_id", "run", "first_frame"),
    Index(None, "at_ms", "size_bytes"),  # What is oldest, and how much there is.
)

# What is to be settled, without reading any bytes.
Index(
    "ix_parts_fresh",
    parts.c.scenario_id, parts.c.run, parts.c.first, parts.c.at_ms, parts.c.size_bytes,
    parts.c.blob_key,  # SQLite looks into the table else.
    sqlite_where=parts.c.blob_key.is_(None),
    postgresql_where=parts.c.blob_key.is_(None),
)  # fmt: skip

# Counts in buckets of 10 s, by place and label; a bucket still open is written again and again.
counts = Table(
    "counts",
    metadata,
    Column("scenario_id", ForeignKey("scenarios.id", ondelete="CASCADE"), nullable=False),
    Column("run", Integer, nullable=False),
    Column("start_ms", BigInteger, nullable=False),  # Live: wall time. Finite: media time.
    Column("kind", Text, nullable=False),  # object, zone, line
    Column("place", Text, nullable=False),  # Empty: the whole picture.
    Column("label", Text, nullable=False),
    Column("now_mean", Float),  # NULL: unknown, as nothing of the bucket was seen.
    Column("now_min", Integer),
    Column("now_max", Integer),
    Column("entered", Integer, nullable=False),
    Column("left", Integer, nullable=False),
    Column("crossed_in", Integer, nullable=False),
    Column("crossed_out", Integer, nullable=False),
    Column("distinct", Integer, nullable=False),
    Column("covered_s", Float, nullable=False),
    PrimaryKeyConstraint("scenario_id", "run", "start_ms", "kind", "place", "label"),
)

events = Table(
    "events",
    metadata,
    Column("id", Text, primary_key=True),  # Derived: domain/ids.
    Column("scenario_id", ForeignKey("scenarios.id", ondelete="CASCADE"), nullable=False),
    Column("run", Integer, nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("type", Text, nullable=False),
    Column("frame", BigInteger),  # NULL, as is what follows: it happened to the camera.
    Column("pts_s", Float),
    Column("captured_at_ms", BigInteger),
    Column("track_id", BigInteger),
    Column("label", Text),
    Column("place", Text),
    Column("direction", Text),
    Column("dwell_s", Float),
    Column("cause", Text),
    Column("detail", Text),
    Column("token", BigInteger, nullable=False),
    UniqueConstraint("scenario_id", "run", "sequence"),
)

# When a live source was seen; what lies between is unknown.
coverage = Table(
    "coverage",
    metadata,
    Column("id", _SERIAL, primary_key=True),
    Column("scenario_id", ForeignKey("scenarios.id", ondelete="CASCADE"), nullable=False),
    Column("run", Integer, nullable=False),
    Column("from_ms", BigInteger, nullable=False),  # Wall time.
    Column("to_ms", BigInteger, nullable=False),
    Index(None, "scenario_id", "run", "from_ms"),
)

# Short pieces of work, leased one by one.
tasks = Table(
    "tasks",
    metadata,
    Column("id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("payload", Text, nullable=False),
    Column("worker", Text),
    Column("token", BigInteger, nullable=False, default=0),
    Column("until_ms", BigInteger, nullable=False, default=0),
    Column("attempts", Integer, nullable=False, default=0),
    Column("attempts_max", Integer, nullable=False),
    Column("result", Text),
    Column("error", Text),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("ended_at_ms", BigInteger),
    Index(None, "kind", "state", "id"),
)

# Bytes that nothing refers to: not any more (`due_ms` is 0), or not yet. Whoever puts bytes writes
# their key here first; so what he leaves behind when he is killed is deleted when it is due.
garbage = Table(
    "garbage",
    metadata,
    Column("blob_key", Text, primary_key=True),
    Column("due_ms", BigInteger, nullable=False, default=0),  # By the store's clock.
)
