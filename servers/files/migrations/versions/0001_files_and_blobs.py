"""Files, owned, over blobs, shared by content."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema to this revision."""
    op.create_table(
        "blobs",
        sa.Column("sha256", sa.String(64), primary_key=True),
        sa.Column("size_bytes", sa.Integer, nullable=False),
    )
    op.create_table(
        "files",
        sa.Column("file_id", sa.String(32), primary_key=True),
        sa.Column("owner", sa.String(128), nullable=False),
        sa.Column("request_id", sa.String(128), nullable=False),
        sa.Column("sha256", sa.String(64), sa.ForeignKey("blobs.sha256"), nullable=False),
        sa.Column("file_name", sa.String(255), nullable=False),
        sa.Column("media_type", sa.String(127), nullable=False),
        sa.Column("width_px", sa.Integer),
        sa.Column("height_px", sa.Integer),
        sa.Column("create_time", sa.DateTime, nullable=False),
        sa.UniqueConstraint("owner", "request_id", name="uq_files_owner_request"),
    )
    op.create_index("ix_files_owner_create_time", "files", ["owner", "create_time", "file_id"])
    op.create_index("ix_files_sha256", "files", ["sha256"])


def downgrade() -> None:
    """Take it back."""
    op.drop_table("files")
    op.drop_table("blobs")
