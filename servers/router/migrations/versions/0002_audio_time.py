"""The time of recordings, in whole milliseconds."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema to this revision."""
    op.add_column("asks", sa.Column("audio_ms", sa.BigInteger, nullable=False, server_default="0"))


def downgrade() -> None:
    """Take it back."""
    op.drop_column("asks", "audio_ms")
