"""Keeps a run's cleanup whole, and its life no longer than its call."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Generic, TypeVar

log = logging.getLogger(__name__)
T = TypeVar("T")

_QUEUED_ITEMS = 8


async def to_the_end(work: Awaitable[T]) -> T:
    """Return what the work returns; a cancellation that arrives meanwhile, however often, is raised after its end."""
    task = asyncio.ensure_future(work)
    is_cancelled = False
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError:
            is_cancelled = True
    result = task.result()
    if is_cancelled:
        raise asyncio.CancelledError
    return result


class Relays(Generic[T]):
    """Runs each call's generator in a task of its own.

    A generator that is suspended in `yield` when its call is cancelled learns of it only when it is collected as
    garbage; a task learns at once. A slow reader holds the task back: at most a few items wait. One that reads nothing
    for long, as where a broken client lost its call, does not keep a sandbox: the call is ended.
    """

    def __init__(self, read_within_s: float = 30.0) -> None:
        self._read_within_s = read_within_s
        self._tasks: set[asyncio.Task[None]] = set()

    async def relay(
        self, items: AsyncGenerator[T, None], when_over: Callable[[Callable[[object], object]], None]
    ) -> AsyncIterator[T]:
        """Yield the items.

        Args:
          when_over: registers a callback for the end of the call, whatever ends it.
        """
        queue: asyncio.Queue[T | None] = asyncio.Queue(_QUEUED_ITEMS)
        reader = asyncio.current_task()
        assert reader
        task = asyncio.create_task(self._pump(items, queue, reader))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        when_over(lambda _: task.cancel())
        try:
            while (item := await queue.get()) is not None:
                yield item
            await task
        finally:
            task.cancel()

    async def _pump(
        self, items: AsyncGenerator[T, None], queue: asyncio.Queue[T | None], reader: asyncio.Task[object]
    ) -> None:
        async with aclosing(items):
            try:
                async for item in items:
                    if not await self._is_taken(item, queue):
                        log.warning("a call is ended: nobody reads it", extra={"for_s": self._read_within_s})
                        reader.cancel()
                        return
            except Exception:
                await queue.put(None)
                raise
        await queue.put(None)

    async def _is_taken(self, item: T, queue: asyncio.Queue[T | None]) -> bool:
        try:
            async with asyncio.timeout(self._read_within_s):
                await queue.put(item)
        except TimeoutError:
            return False
        return True

    async def close(self) -> None:
        """Cancel every task and wait until all have cleaned up."""
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
