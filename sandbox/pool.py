"""Single-use things made ahead of time: taken at once when one is there, made on the spot when none is."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Generic, Protocol, TypeVar

from sandbox.runners.base import SandboxBroken

log = logging.getLogger(__name__)

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.2, 30.0
# The next is made a moment after one was taken, so that making it does not slow the start of that one's program.
_REFILL_AFTER_S = 0.01


class SingleUse(Protocol):
    """What a pool holds."""

    @property
    def is_usable(self) -> bool:
        """Whether it still can be used."""

    async def close(self) -> None:
        """Remove every trace of it."""


T = TypeVar("T", bound=SingleUse)


class Pool(Generic[T]):
    """Keeps up to `size` of them ready."""

    def __init__(
        self, make: Callable[[], Awaitable[T]], size: int, make_on_the_spot: Callable[[], Awaitable[T]] | None = None
    ) -> None:
        """Take how one is made ahead of time, and how when none is ready, where that is another way."""
        self._make = make
        self._make_on_the_spot = make_on_the_spot or self._make_in_turn
        self.size = size
        self._ready: deque[T] = deque()
        self._wanted = asyncio.Event()
        self._making = asyncio.Lock()
        self._refill: asyncio.Task[None] | None = None
        self.made_count = 0
        """Since the start, ahead of time or not."""
        self.waited_count = 0
        """How many were made on the spot, because none was ready."""

    @property
    def ready_count(self) -> int:
        """How many are ready now."""
        return len(self._ready)

    def start(self) -> None:
        """Begin to fill it."""
        if self.size:
            self._wanted.set()
            self._refill = asyncio.create_task(self._keep_filled())

    async def take(self) -> T:
        """Return one, which is the caller's to close.

        Raises:
          SandboxBroken: none was ready and none could be made.
        """
        while self._ready:
            one = self._ready.popleft()
            asyncio.get_running_loop().call_later(_REFILL_AFTER_S, self._wanted.set)
            if one.is_usable:
                return one
            await one.close()
        self.waited_count += 1
        one = await self._make_on_the_spot()
        self.made_count += 1
        return one

    async def close(self) -> None:
        """Close those that are ready and make no more."""
        if self._refill:
            self._refill.cancel()
            await asyncio.gather(self._refill, return_exceptions=True)
        while self._ready:
            await self._ready.popleft().close()

    async def _make_in_turn(self) -> T:
        # One at a time: making is work of one core, and two at once would both come later.
        async with self._making:
            return await self._make()

    async def _keep_filled(self) -> None:
        pause_s = _FIRST_PAUSE_S
        while True:
            await self._wanted.wait()
            if len(self._ready) >= self.size:
                self._wanted.clear()
                continue
            try:
                self._ready.append(await self._make_in_turn())
                self.made_count += 1
                pause_s = _FIRST_PAUSE_S
            except SandboxBroken as error:
                log.warning("no sandbox could be made ahead of time", extra={"reason": str(error)[:500]})
                with contextlib.suppress(TimeoutError):
                    await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
