"""Bounds how many calls a provider works on, and how many wait for it."""

from __future__ import annotations

import asyncio

from servers.router import failures
from servers.router.failures import ProviderFailure


class Places:
    """The places of one provider: each `async with` holds one.

    Who finds the queue full is refused at once and not kept in memory.
    """

    def __init__(self, count: int, queue_size: int) -> None:
        self._count = count
        self._queue_size = queue_size
        self._semaphore = asyncio.Semaphore(count)
        self._waiting = 0
        self._taken = 0

    async def __aenter__(self) -> None:
        """Take a place. Raises ProviderFailure (CLOSED) where the queue is full."""
        if self._taken >= self._count and self._waiting >= self._queue_size:
            message = f"{self._taken} calls are in work, {self._waiting} wait, and the queue takes no more"
            raise ProviderFailure(failures.CLOSED, message, retry_after_s=1.0)
        if self._semaphore.locked():
            self._waiting += 1
            try:
                await self._semaphore.acquire()
            finally:
                self._waiting -= 1
        else:
            await self._semaphore.acquire()  # at once
        self._taken += 1

    async def __aexit__(self, *_error: object) -> None:
        """Give the place back."""
        self._taken -= 1
        self._semaphore.release()
