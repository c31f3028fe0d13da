"""Which uploads jobs name, and which are about to go."""

from __future__ import annotations

import re

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_FILE_ID = re.compile(rb"file_[0-9a-z]{26}")
_AT_ONCE = 200


def upgrade() -> None:
    """Bring the schema to this revision."""
    named = op.create_table(
        "named_uploads",
        sa.Column("file_id", sa.String(32), primary_key=True),
        sa.Column("job_id", sa.String(32), sa.ForeignKey("jobs.job_id"), primary_key=True),
    )
    op.create_index("ix_named_uploads_job", "named_uploads", ["job_id"])
    op.create_table(
        "leaving_uploads",
        sa.Column("file_id", sa.String(32), primary_key=True),
        sa.Column("leave_time", sa.DateTime, nullable=False),
    )
    op.create_index("ix_leaving_uploads_leave_time", "leaving_uploads", ["leave_time"])
    # Whatever the specs and logs of jobs name, since files that jobs made once bore no job's id.
    jobs = sa.table("jobs", sa.column("job_id"), sa.column("spec"))
    steps = sa.table("steps", sa.column("job_id"), sa.column("body"))
    connection, last = op.get_bind(), ""
    while True:
        page = sa.select(jobs.c.job_id, jobs.c.spec).where(jobs.c.job_id > last).order_by(jobs.c.job_id).limit(_AT_ONCE)
        rows = connection.execute(page).all()
        if not rows:
            break
        for job_id, spec in rows:
            bodies = connection.scalars(sa.select(steps.c.body).where(steps.c.job_id == job_id))
            file_ids = {file_id.decode() for text in (spec, *bodies) for file_id in _FILE_ID.findall(text)}
            if file_ids:
                op.bulk_insert(named, [{"file_id": file_id, "job_id": job_id} for file_id in sorted(file_ids)])
        last = rows[-1].job_id


def downgrade() -> None:
    """Take it back."""
    op.drop_table("leaving_uploads")
    op.drop_table("named_uploads")
