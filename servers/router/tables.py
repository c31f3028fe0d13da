"""The tables of the router's ledger: one row for each ask of a provider, and what is left of erased owners."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, DateTime, Float, Index, Integer, MetaData, String, Table

METADATA = MetaData()

ASKS = Table(
    "asks",
    METADATA,
    Column("call_id", String(32), primary_key=True),
    Column("number", Integer, primary_key=True),
    # Empty where they were erased; then job and request are, too.
    Column("owner", String(128), nullable=False),
    Column("service", String(64), nullable=False),
    Column("job_id", String(128), nullable=False),
    Column("request_id", String(64), nullable=False),
    # What the caller asked for; the rest of the names says who was asked.
    Column("asked_for", String(200), nullable=False),
    Column("provider", String(64), nullable=False),
    Column("model", String(200), nullable=False),
    Column("upstream_model", String(200), nullable=False),
    Column("revision", String(200), nullable=False),
    Column("arm", String(200), nullable=False),
    Column("is_shadow", Boolean, nullable=False),
    Column("is_cache_hit", Boolean, nullable=False),
    # "STARTED", "COMPLETE", "INCOMPLETE", "CANCELLED", "INTERRUPTED" or a class of failure.
    Column("outcome", String(32), nullable=False),
    Column("input_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    Column("cached_input_tokens", BigInteger, nullable=False),
    Column("is_estimated", Boolean, nullable=False),
    Column("gpu_s", Float, nullable=False),
    Column("cost_nano_usd", BigInteger, nullable=False),
    Column("duration_ms", Integer, nullable=False),
    # Milliseconds since 1970, UTC.
    Column("start_time_ms", BigInteger, nullable=False),
    # Of the recording; whole, so that sums are exact.
    Column("audio_ms", BigInteger, nullable=False, server_default="0"),
    Index("ix_asks_owner_start", "owner", "start_time_ms"),
    Index("ix_asks_job", "job_id"),
    Index("ix_asks_start", "start_time_ms"),
)

# That asks became nobody's, a row for each erasure: the proof, without a word of what they were.
ERASED = Table(
    "erased",
    METADATA,
    Column("erasure_id", String(40), primary_key=True),
    Column("owner_sha256", String(64), nullable=False),
    Column("ask_count", Integer, nullable=False),
    # Of its last ask.
    Column("erase_time", DateTime, nullable=False),
    Index("ix_erased_owner", "owner_sha256", "erasure_id"),
)
