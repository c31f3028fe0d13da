"""When the records could last be written, attempts that came to nothing, and what they may have left."""

from __future__ import annotations

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema to this revision."""
    op.add_column("jobs", sa.Column("fruitless_count", sa.Integer, nullable=False, server_default="0"))
    op.add_column("jobs", sa.Column("tidy_time", sa.DateTime))
    op.create_index("ix_jobs_tidy_time", "jobs", ["tidy_time"])
    pulse = op.create_table(
        "pulse",
        sa.Column("pulse_id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("beat_time", sa.DateTime, nullable=False),
    )
    op.execute(pulse.insert().values(pulse_id=1, beat_time=datetime.now(UTC).replace(tzinfo=None)))


def downgrade() -> None:
    """Take it back."""
    op.drop_table("pulse")
    op.drop_index("ix_jobs_tidy_time", "jobs")
    for column in ("tidy_time", "fruitless_count"):
        op.drop_column("jobs", column)
