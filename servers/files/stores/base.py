"""What a blob store promises."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Protocol


class PendingBlob(Protocol):
    """Bytes on their way in. Nobody sees them before `commit`; without it they are gone."""

    async def append(self, data: bytes) -> None:
        """Add bytes. Raises StorageUnavailable when the store refuses, as when it is full."""

    async def head(self, size_bytes: int) -> bytes:
        """Return the first bytes, for a look at what they are."""

    async def commit(self, sha256: str) -> None:
        """Make the blob durable under its digest. Committing content that is there already changes nothing."""


class BlobStore(Protocol):
    """Content-addressed bytes. Which blobs are in use is not its business."""

    def create(self) -> AbstractAsyncContextManager[PendingBlob]:
        """Return a place for bytes that arrive."""

    def read(self, sha256: str, chunk_bytes: int) -> AsyncIterator[bytes]:
        """Yield a blob in pieces. Raises StorageUnavailable when it can't be read."""

    async def delete(self, sha256: str) -> None:
        """Remove a blob; one that is not there is fine."""

    def listing(self) -> AsyncIterator[tuple[str, datetime]]:
        """Yield every blob's digest and when it was stored (UTC)."""

    async def address(self, sha256: str, *, media_type: str, valid_s: int) -> str:
        """Return an address from which anyone may download a blob for a while; empty where there is none."""
