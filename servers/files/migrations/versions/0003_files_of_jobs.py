"""Which job a file was stored for."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema to this revision."""
    op.add_column("files", sa.Column("job_id", sa.String(32)))
    op.create_index("ix_files_job_id", "files", ["job_id"])


def downgrade() -> None:
    """Take it back."""
    op.drop_index("ix_files_job_id", "files")
    op.drop_column("files", "job_id")
