"""Keeps a run's cleanup whole, and its life no longer than its call."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Generic, TypeVar

from servers.kit.errors import DeadlineExceeded

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
    for long, as where a client lost its call, does not hold a sandbox: the generator is closed.
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
        Raises:
          DeadlineExceeded: nothing was read for too long.
        """
        queue: asyncio.Queue[T | None] = asyncio.Queue(_QUEUED_ITEMS)
        task = asyncio.create_task(self._pump(items, queue))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        when_over(lambda _: task.cancel())
        try:
            while not (task.done() and queue.empty()) and (item := await queue.get()) is not None:
                yield item
            await task
        finally:
            task.cancel()

    async def _pump(self, items: AsyncGenerator[T, None], queue: asyncio.Queue[T | None]) -> None:
        try:
            async with aclosing(items):
                async for item in items:
                    await self._hand_over(item, queue)
        finally:
            with contextlib.suppress(asyncio.QueueFull):  # who finds it full finds this task done after that
                queue.put_nowait(None)

    async def _hand_over(self, item: T, queue: asyncio.Queue[T | None]) -> None:
        try:
            async with asyncio.timeout(self._read_within_s):
                await queue.put(item)
        except TimeoutError as error:
            raise DeadlineExceeded(f"nothing of this call was read for {self._read_within_s:g} s") from error

    async def close(self) -> None:
        """Cancel every task and wait until all have cleaned up."""
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
