"""Claims of uploads on blobs, proofs of erasure, and blobs of 2 GiB and more."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema to this revision."""
    # SQLite's integers have 64 bits anyway.
    if op.get_bind().dialect.name == "postgresql":
        op.alter_column("blobs", "size_bytes", type_=sa.BigInteger, existing_nullable=False)
    op.create_table(
        "claims",
        sa.Column("claim_id", sa.String(32), primary_key=True),
        sa.Column("sha256", sa.String(64), sa.ForeignKey("blobs.sha256"), nullable=False),
        sa.Column("expire_time", sa.DateTime, nullable=False),
    )
    op.create_index("ix_claims_sha256", "claims", ["sha256"])
    op.create_table(
        "erased",
        sa.Column("file_id", sa.String(32), primary_key=True),
        sa.Column("owner_sha256", sa.String(64), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("size_bytes", sa.BigInteger().with_variant(sa.Integer, "sqlite"), nullable=False),
        sa.Column("erase_time", sa.DateTime, nullable=False),
    )
    op.create_index("ix_erased_owner", "erased", ["owner_sha256", "file_id"])


def downgrade() -> None:
    """Take it back."""
    op.drop_table("erased")
    op.drop_table("claims")
    if op.get_bind().dialect.name == "postgresql":
        op.alter_column("blobs", "size_bytes", type_=sa.Integer, existing_nullable=False)
