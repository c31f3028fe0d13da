"""Takes files in while they arrive (bounded, hashed, told apart, stored, recorded), and forgets them."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator

from loupe.files.v1.files_pb2 import StoredFile
from servers.files.catalog import Catalog, NewFile
from servers.files.media import HEAD_BYTES, identify_artifact, identify_image
from servers.files.stores.base import BlobStore
from servers.kit.errors import EmptyFile, RequestIdReused, TooLarge


class Archive:
    """Blobs and records, kept in step."""

    def __init__(self, store: BlobStore, catalog: Catalog, *, max_bytes: int, max_pixels: int) -> None:
        self._store = store
        self._catalog = catalog
        self._max_bytes = max_bytes
        self._max_pixels = max_pixels
        # Between a blob's last use going and its next one coming, one of the two must wait for the other.
        self._in_step = asyncio.Lock()

    async def take(
        self, chunks: AsyncIterator[bytes], *, owner: str, request_id: str, file_name: str, images_only: bool
    ) -> StoredFile:
        """Store a file and return its record.

        Args:
          images_only: refuse what is no image; what servers of the mesh make may be anything.
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
            identify = identify_image if images_only else identify_artifact
            media = await asyncio.to_thread(identify, await pending.head(HEAD_BYTES), max_pixels=self._max_pixels)
            sha256 = digest.hexdigest()
            async with self._in_step:
                # Bytes first: a blob without a record wastes space, a record without its blob is a lie.
                await pending.commit(sha256)
                try:
                    return await self._catalog.add(NewFile(owner, request_id, file_name, sha256, size, media))
                except RequestIdReused:
                    if not await self._catalog.uses(sha256):
                        await self._store.delete(sha256)
                    raise

    async def forget(self, owner: str, file_id: str) -> None:
        """Remove an owner's file, and its bytes when no other file has them. Raises NotFound."""
        async with self._in_step:
            unused = await self._catalog.remove(owner, file_id)
            if unused is not None:
                await self._store.delete(unused)
