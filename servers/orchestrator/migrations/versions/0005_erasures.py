"""What was erased of whom, and which job comes from which."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema to this revision."""
    op.add_column("jobs", sa.Column("parent_job_id", sa.String(32)))
    op.create_index("ix_jobs_parent", "jobs", ["parent_job_id"])
    op.create_index("ix_jobs_end_time", "jobs", ["end_time"])
    op.create_table(
        "erased",
        sa.Column("job_id", sa.String(32), primary_key=True),
        sa.Column("owner_sha256", sa.String(64), nullable=False),
        sa.Column("log_sha256", sa.String(64), nullable=False),
        sa.Column("step_count", sa.Integer, nullable=False),
        sa.Column("erase_time", sa.DateTime, nullable=False),
    )
    op.create_index("ix_erased_owner", "erased", ["owner_sha256", "job_id"])


def downgrade() -> None:
    """Take it back."""
    op.drop_table("erased")
    op.drop_index("ix_jobs_end_time", "jobs")
    op.drop_index("ix_jobs_parent", "jobs")
    op.drop_column("jobs", "parent_job_id")
