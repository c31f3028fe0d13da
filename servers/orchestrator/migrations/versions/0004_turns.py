"""Whose turn it is, who has a job and for how long."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_NORMAL = 2
_ENDED = (5, 6, 7)


def upgrade() -> None:
    """Bring the schema to this revision."""
    op.add_column("jobs", sa.Column("priority", sa.Integer, nullable=False, server_default=str(_NORMAL)))
    op.add_column("jobs", sa.Column("deadline_time", sa.DateTime))
    op.add_column("jobs", sa.Column("wake_time", sa.DateTime))
    op.add_column("jobs", sa.Column("worker", sa.String(64)))
    op.create_index("ix_jobs_wake_time", "jobs", ["wake_time"])
    jobs = sa.table("jobs", sa.column("state"), sa.column("wake_time"), sa.column("create_time"))
    # Somebody looks at each that has not ended, and sees what it waits for.
    op.execute(jobs.update().where(jobs.c.state.not_in(_ENDED)).values(wake_time=jobs.c.create_time))


def downgrade() -> None:
    """Take it back."""
    op.drop_index("ix_jobs_wake_time", "jobs")
    for column in ("worker", "wake_time", "deadline_time", "priority"):
        op.drop_column("jobs", column)
