"""The tables of the files server. Blobs are shared by content, files are owned."""

from __future__ import annotations

from sqlalchemy import Column, DateTime, ForeignKey, Index, Integer, MetaData, String, Table, UniqueConstraint

METADATA = MetaData()

BLOBS = Table(
    "blobs",
    METADATA,
    Column("sha256", String(64), primary_key=True),
    Column("size_bytes", Integer, nullable=False),
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
    UniqueConstraint("owner", "request_id", name="uq_files_owner_request"),
    Index("ix_files_owner_create_time", "owner", "create_time", "file_id"),
    Index("ix_files_sha256", "sha256"),
)
