"""Of whom how many asks were erased."""

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
        "erased",
        sa.Column("erasure_id", sa.String(40), primary_key=True),
        sa.Column("owner_sha256", sa.String(64), nullable=False),
        sa.Column("ask_count", sa.Integer, nullable=False),
        sa.Column("erase_time", sa.DateTime, nullable=False),
    )
    op.create_index("ix_erased_owner", "erased", ["owner_sha256", "erasure_id"])


def downgrade() -> None:
    """Take it back."""
    op.drop_table("erased")
