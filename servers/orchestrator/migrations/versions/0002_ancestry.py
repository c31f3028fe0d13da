"""Where a retried or forked job comes from."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema to this revision."""
    op.add_column("jobs", sa.Column("ancestry", sa.LargeBinary))


def downgrade() -> None:
    """Take it back."""
    op.drop_column("jobs", "ancestry")
