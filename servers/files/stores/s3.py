"""Blobs in an S3 bucket; while that is away, on the local disk, from where they go up as soon as it is back."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from weakref import WeakValueDictionary

from servers.files.stores.bucket import Bucket
from servers.files.stores.local import LocalStore, PendingFile
from servers.kit.conditions import Condition
from servers.kit.errors import StorageUnavailable

log = logging.getLogger(__name__)


class S3Store:
    """A bucket, and a local folder that holds what the bucket could not take."""

    def __init__(self, bucket: Bucket, local: LocalStore, *, max_waiting_bytes: int, retry_s: float) -> None:
        """Keep blobs.

        Args:
          max_waiting_bytes: that the folder may hold for a bucket that is away; more is StorageUnavailable.
          retry_s: time between two tries to reach it.
        """
        self._bucket = bucket
        self._local = local
        self._max_waiting_bytes = max_waiting_bytes
        self._retry_s = retry_s
        self._waiting: dict[str, int] = {}
        self._has_work = asyncio.Event()
        self._settled = asyncio.Event()
        self._settled.set()
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self.outage = Condition("object_store_away")

    @property
    def waiting_bytes(self) -> int:
        """Bytes on the local disk that the bucket lacks."""
        return sum(self._waiting.values())

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Make the bucket where it is missing, and carry up, also what an earlier process left, until the block ends.

        Raises:
          NotReady: the store refuses us.
        """
        self._waiting = await asyncio.to_thread(self._local.sizes)
        if self._waiting:
            self._carry_soon()
        try:
            await self._bucket.ensure()
        except StorageUnavailable as error:
            self._begin(error)
        carrying = asyncio.create_task(self._carry())
        try:
            yield
        finally:
            carrying.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await carrying
            self._bucket.close()

    async def settled(self) -> None:
        """Return once the bucket answers and has everything."""
        await self._settled.wait()

    @asynccontextmanager
    async def create(self) -> AsyncIterator[PendingObject]:
        """Return a place for bytes that arrive."""
        if self.outage.is_active:
            self._check_room(1)
        async with self._local.create() as pending:
            yield PendingObject(self, pending)

    async def read(self, sha256: str, chunk_bytes: int) -> AsyncIterator[bytes]:
        """Yield a blob in pieces."""
        if sha256 in self._waiting:
            is_open = False
            try:
                async for chunk in self._local.read(sha256, chunk_bytes):
                    is_open = True
                    yield chunk
                return
            except StorageUnavailable:
                if is_open or sha256 in self._waiting:
                    raise
                # It went up in this moment.
        async for chunk in self._bucket.read(sha256, chunk_bytes):
            yield chunk

    async def delete(self, sha256: str) -> None:
        """Remove a blob; one that is not there is fine."""
        async with self._lock(sha256):
            # Of a blob that waits, the bucket has nothing, or what the sweep finds there.
            if not (self.outage.is_active and sha256 in self._waiting):
                if self.outage.is_active:
                    raise StorageUnavailable("the object store is away")
                await self._bucket.delete(sha256)
            await self._local.delete(sha256)
            self._waiting.pop(sha256, None)

    async def listing(self) -> AsyncIterator[tuple[str, datetime]]:
        """Yield every blob's digest and when it was stored."""
        async for found in self._local.listing():
            yield found
        async for found in self._bucket.listing():
            yield found

    async def address(self, sha256: str, *, media_type: str, valid_s: int) -> str:
        """Return an address to download from, empty for a blob that is not in the bucket yet."""
        if sha256 in self._waiting:
            return ""
        return await self._bucket.address(sha256, media_type=media_type, valid_s=valid_s)

    async def keep(self, pending: PendingFile, sha256: str) -> None:
        """Put a pending file into the bucket, or keep it here for it."""
        async with self._lock(sha256):
            if not self.outage.is_active:
                try:
                    await self._bucket.put(sha256, pending.path)
                    return
                except StorageUnavailable as error:
                    self._begin(error)
            self._check_room(pending.size_bytes)
            await pending.commit(sha256)
            self._waiting[sha256] = pending.size_bytes
            self._carry_soon()

    async def _carry(self) -> None:
        """Bring up what waits, for as long as the process lives."""
        while True:
            await self._has_work.wait()
            try:
                await self._bucket.ensure()
                for sha256 in list(self._waiting):
                    await self._carry_one(sha256)
            except Exception as error:  # whatever it is, what waits must still go up
                self._begin(error)
                await asyncio.sleep(self._retry_s)
                continue
            if not self._waiting:
                self._has_work.clear()
                self.outage.end()
                self._settled.set()

    async def _carry_one(self, sha256: str) -> None:
        async with self._lock(sha256):
            if sha256 in self._waiting:
                await self._bucket.put(sha256, self._local.path(sha256))
                await self._local.delete(sha256)
                del self._waiting[sha256]

    def _begin(self, error: Exception) -> None:
        self.outage.begin(str(error), waiting_bytes=self.waiting_bytes)
        # The carrier ends it, also where nothing waits.
        self._carry_soon()

    def _carry_soon(self) -> None:
        self._settled.clear()
        self._has_work.set()

    def _check_room(self, size_bytes: int) -> None:
        if self.waiting_bytes + size_bytes > self._max_waiting_bytes:
            raise StorageUnavailable(
                f"the object store is away and {self._max_waiting_bytes // 2**20} MiB wait for it, which is the most"
            )

    def _lock(self, sha256: str) -> asyncio.Lock:
        return self._locks.setdefault(sha256, asyncio.Lock())


class PendingObject:
    """Bytes on their way into a bucket."""

    def __init__(self, store: S3Store, pending: PendingFile) -> None:
        self._store = store
        self._pending = pending

    async def append(self, data: bytes) -> None:
        """Add bytes."""
        await self._pending.append(data)

    async def head(self, size_bytes: int) -> bytes:
        """Return the first bytes."""
        return await self._pending.head(size_bytes)

    async def commit(self, sha256: str) -> None:
        """Make the blob durable under its digest."""
        await self._store.keep(self._pending, sha256)
