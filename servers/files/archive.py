"""Takes files in while they arrive (bounded, hashed, told apart, stored, recorded), and forgets them."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
from collections.abc import AsyncIterator
from datetime import datetime

from loupe.files.v1.files_pb2 import StoredFile
from servers.files.catalog import Catalog, NewFile
from servers.files.media import HEAD_BYTES, identify_artifact, identify_upload
from servers.files.stores.base import BlobStore, PendingBlob
from servers.kit.errors import EmptyFile, StorageUnavailable, TooLarge

log = logging.getLogger(__name__)

CLAIM_S = 1200.0
"""How long the blob of an upload is safe without a file; half of it is the longest time its bytes may take to store."""
ERASE_BATCH = 200


class Archive:
    """Blobs and records, kept in step."""

    def __init__(self, store: BlobStore, catalog: Catalog, *, max_bytes: int, max_pixels: int) -> None:
        self._store = store
        self._catalog = catalog
        self._max_bytes = max_bytes
        self._max_pixels = max_pixels

    async def take(
        self,
        chunks: AsyncIterator[bytes],
        *,
        owner: str,
        request_id: str,
        file_name: str,
        is_upload: bool,
        job_id: str | None = None,
    ) -> StoredFile:
        """Store a file and return its record.

        Args:
          is_upload: refuse what is neither image nor recording; what servers of the mesh make may be anything.
          job_id: in the course of which job a server made it.
        Raises:
          EmptyFile, TooLarge, UnsupportedMediaType, DamagedMedia, TooManyPixels, RequestIdReused, StorageUnavailable.
        """
        digest = hashlib.sha256()
        size = 0
        async with self._store.create() as pending:
            async for chunk in chunks:
                size += len(chunk)
                if size > self._max_bytes:
                    raise TooLarge(f"the file is over {self._max_bytes // 2**20} MiB, the most that is taken")
                digest.update(chunk)
                await pending.append(chunk)
            if not size:
                raise EmptyFile("the file has no bytes")
            identify = identify_upload if is_upload else identify_artifact
            media = await asyncio.to_thread(identify, await pending.head(HEAD_BYTES), max_pixels=self._max_pixels)
            new = NewFile(owner, request_id, file_name, digest.hexdigest(), size, media, job_id)
            return await self._catalog.known(new) or await self._keep(pending, new)

    async def forget(self, owner: str, file_id: str, uploaded_before: datetime | None = None) -> None:
        """Remove an owner's file as `Catalog.remove` does, and its bytes when no other file has them."""
        await self._discard(await self._catalog.remove(owner, file_id, uploaded_before))

    async def erase(self, owner: str) -> None:
        """Remove an owner's files, and their bytes where no other owner has them. What was removed stays on record.

        Safe to repeat: what an earlier call left undone is done.
        """
        while digests := await self._catalog.erase_some(owner, limit=ERASE_BATCH):
            for sha256 in dict.fromkeys(digests):
                await self._discard(sha256)
        await self._catalog.forget_erased()

    async def _keep(self, pending: PendingBlob, new: NewFile) -> StoredFile:
        # The claim holds the blob from before its bytes are there until the file does; who crashes lets it expire.
        claim_id = await self._catalog.claim(new.sha256, new.size_bytes, for_s=CLAIM_S)
        stored = None
        try:
            async with asyncio.timeout(CLAIM_S / 2):
                await pending.commit(new.sha256)
                stored = await self._catalog.add(new, claim_id)
        except TimeoutError as error:
            raise StorageUnavailable(f"the file was not stored within {CLAIM_S / 2:.0f} s") from error
        finally:
            if stored is None:
                with contextlib.suppress(StorageUnavailable):
                    await self._catalog.release(claim_id)
                await self._discard(new.sha256)
        return stored

    async def _discard(self, sha256: str) -> None:
        """Remove a blob's bytes if it has no use any more; where that fails, the sweep does it later."""
        try:
            async with self._catalog.unused(sha256) as is_unused:
                if is_unused:
                    await self._store.delete(sha256)
        except StorageUnavailable as error:
            log.warning("a blob waits for the sweep", extra={"sha256": sha256, "reason": error.message})
