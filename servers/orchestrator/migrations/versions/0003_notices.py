"""What webhooks have not taken yet."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema to this revision."""
    op.create_table(
        "notices",
        sa.Column("job_id", sa.String(32), sa.ForeignKey("jobs.job_id"), primary_key=True),
        sa.Column("sequence", sa.Integer, primary_key=True),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("due_time", sa.DateTime, nullable=False),
    )
    op.create_index("ix_notices_due_time", "notices", ["due_time"])


def downgrade() -> None:
    """Take it back."""
    op.drop_table("notices")
