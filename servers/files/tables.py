"""The tables of the files server. Blobs are shared by content, files are owned."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    UniqueConstraint,
    text,
)

METADATA = MetaData()

# 64 bits; of those, SQLite's integers have as many as they need.
SIZE = BigInteger().with_variant(Integer, "sqlite")

_NO_JOB = text("job_id IS NULL")

BLOBS = Table(
    "blobs",
    METADATA,
    Column("sha256", String(64), primary_key=True),
    Column("size_bytes", SIZE, nullable=False),
)

FILES = Table(
    "files",
    METADATA,
    Column("file_id", String(32), primary_key=True),
    Column("owner", String(128), nullable=False),
    # Made by the caller; an upload without one gets its file_id, so that the pair stays unique.
    Column("request_id", String(128), nullable=False),
    Column("sha256", String(64), ForeignKey("blobs.sha256"), nullable=False),
    Column("file_name", String(255), nullable=False),
    Column("media_type", String(127), nullable=False),
    Column("width_px", Integer),
    Column("height_px", Integer),
    Column("create_time", DateTime, nullable=False),
    # In the course of which job a server of the mesh stored it; null for what its owner uploaded or was made for them
    # otherwise, as an export is.
    Column("job_id", String(32)),
    UniqueConstraint("owner", "request_id", name="uq_files_owner_request"),
    Index("ix_files_owner_create_time", "owner", "create_time", "file_id"),
    Index("ix_files_sha256", "sha256"),
    Index("ix_files_job_id", "job_id"),
    Index("ix_files_uploads", "create_time", "file_id", sqlite_where=_NO_JOB, postgresql_where=_NO_JOB),
)

# Uploads whose bytes are on their way into the store: until then, or until they expire, nobody removes the blob.
CLAIMS = Table(
    "claims",
    METADATA,
    Column("claim_id", String(32), primary_key=True),
    Column("sha256", String(64), ForeignKey("blobs.sha256"), nullable=False),
    Column("expire_time", DateTime, nullable=False),
    Index("ix_claims_sha256", "sha256"),
)

# What was removed on an owner's behalf for good: the proof that it was, without a word of what it held.
ERASED = Table(
    "erased",
    METADATA,
    Column("file_id", String(32), primary_key=True),
    Column("owner_sha256", String(64), nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("size_bytes", SIZE, nullable=False),
    Column("erase_time", DateTime, nullable=False),
    Index("ix_erased_owner", "owner_sha256", "file_id"),
)
