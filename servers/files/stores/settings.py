"""Where a bucket is, and with which keys."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr


@dataclass(frozen=True, slots=True)
class BucketSettings:
    """An S3 bucket and how to reach it."""

    endpoint: str
    """https://HOST[:PORT], or http:// on a network of one's own."""

    bucket: str
    access_key: SecretStr
    secret_key: SecretStr
    region: str = "us-east-1"

    is_path_style: bool = True
    """HOST/BUCKET/KEY, as MinIO has it, rather than BUCKET.HOST/KEY."""

    ca_file: Path | None = None
    """Who signed the store's certificate. Default: the usual authorities."""
