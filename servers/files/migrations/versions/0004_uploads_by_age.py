"""Uploads in the order of their age."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema to this revision."""
    no_jobs = sa.text("job_id IS NULL")
    op.create_index(
        "ix_files_uploads", "files", ["create_time", "file_id"], sqlite_where=no_jobs, postgresql_where=no_jobs
    )


def downgrade() -> None:
    """Take it back."""
    op.drop_index("ix_files_uploads", "files")
