"""Events that happen to a camera, not in a frame; a run counts all of its events."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Let events be without a frame, and count those that runs have told so far."""
    with op.batch_alter_table("events") as table:
        table.alter_column("frame", existing_type=sa.BigInteger(), nullable=True)
        table.alter_column("pts_s", existing_type=sa.Float(), nullable=True)
        table.add_column(sa.Column("cause", sa.Text(), nullable=True))
        table.add_column(sa.Column("detail", sa.Text(), nullable=True))
    with op.batch_alter_table("runs") as table:
        table.add_column(sa.Column("events", sa.Integer(), nullable=False, server_default="0"))
    # Retention may have taken the first of them: how many there were, the checkpoint knows.
    op.execute(
        "UPDATE runs SET events = coalesce((SELECT checkpoints.events FROM checkpoints "
        "WHERE checkpoints.scenario_id = runs.scenario_id AND checkpoints.run = runs.run), 0)"
    )
