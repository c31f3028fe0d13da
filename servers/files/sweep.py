"""Removes bytes that nobody has a use for: of uploads that broke off, of deletions that a store refused."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

from servers.files.catalog import Catalog
from servers.files.stores.base import BlobStore
from servers.kit.errors import StorageUnavailable
from servers.kit.metrics import Counts

log = logging.getLogger(__name__)

_BATCH = 500


class Sweep:
    """The broom of one files server; several may sweep at once."""

    def __init__(self, store: BlobStore, catalog: Catalog, counts: Counts, *, every_s: float, grace_s: float) -> None:
        """Sweep.

        Args:
          every_s: time between two rounds.
          grace_s: age that bytes without a record must have; such are left by a restored database.
        """
        self._store = store
        self._catalog = catalog
        self._counts = counts
        self._every_s = every_s
        self._grace_s = grace_s

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Sweep now and then until the block ends."""
        sweeping = asyncio.create_task(self._forever())
        try:
            yield
        finally:
            sweeping.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await sweeping

    async def once(self) -> int:
        """Remove what has no use and return how many blobs that were.

        Raises:
          StorageUnavailable: the store or the database is away; what is left is removed next time.
        """
        removed = 0
        while digests := await self._catalog.unused_blobs(_BATCH):
            went = sum([await self._remove(sha256) for sha256 in digests])
            removed += went
            if not went:
                break  # others took them up or away
        old = datetime.now(UTC) - timedelta(seconds=self._grace_s)
        seen: list[str] = []
        async for sha256, stored in self._store.listing():
            if stored < old:
                seen.append(sha256)
            if len(seen) >= _BATCH:
                removed += await self._remove_strays(seen)
                seen = []
        return removed + await self._remove_strays(seen)

    async def _remove_strays(self, digests: list[str]) -> int:
        if not digests:
            return 0
        return sum([await self._remove(sha256) for sha256 in await self._catalog.without_row(digests)])

    async def _remove(self, sha256: str) -> bool:
        async with self._catalog.unused(sha256) as is_unused:
            if is_unused:
                await self._store.delete(sha256)
        self._counts.add("swept", int(is_unused))
        return is_unused

    async def _forever(self) -> None:
        while True:
            await asyncio.sleep(self._every_s)
            try:
                if removed := await self.once():
                    log.info("swept", extra={"blobs": removed})
            except StorageUnavailable as error:
                log.warning("the sweep waits for storage", extra={"reason": error.message})
