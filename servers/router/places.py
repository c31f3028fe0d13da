"""Bounds how many calls a provider works on, and how many wait for it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from servers.router import failures
from servers.router.failures import ProviderFailure


class Places:
    """The places of one provider.

    Who finds the queue full is refused at once and not kept in memory.
    """

    def __init__(self, count: int, queue_size: int) -> None:
        self._count = count
        self._queue_size = queue_size
        self._semaphore = asyncio.Semaphore(count)
        self._waiting = 0
        self._taken = 0

    async def take(self) -> None:
        """Take one. Raises ProviderFailure (CLOSED) where the queue is full."""
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

    def give_back(self) -> None:
        """Give one back."""
        self._taken -= 1
        self._semaphore.release()


class Place:
    """One place, and what to close when it is given back."""

    __slots__ = ("_close", "_is_taken", "_places")

    def __init__(self, places: Places) -> None:
        self._places = places
        self._is_taken = False
        self._close: Callable[[], Awaitable[None]] | None = None

    async def take(self) -> None:
        """Take it. Raises ProviderFailure (CLOSED) where the queue is full."""
        await self._places.take()
        self._is_taken = True

    def close_with(self, close: Callable[[], Awaitable[None]]) -> None:
        """Close something before it is given back."""
        self._close = close

    async def give_back(self) -> None:
        """Give it back, where that was not done yet."""
        if not self._is_taken:
            return
        self._is_taken = False
        try:
            if self._close is not None:
                await self._close()
        finally:
            self._places.give_back()
