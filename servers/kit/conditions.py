"""What is wrong for a while, told to the operator: one log line when it begins, one when it ends."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

log = logging.getLogger(__name__)

_TRY_EVERY_S = 1.0


class Condition:
    """Something outside that is away, as long as it is; in the log by its name."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._began: float | None = None
        self._has_begun = asyncio.Event()

    @property
    def is_active(self) -> bool:
        """Whether it has begun and not ended."""
        return self._began is not None

    def begin(self, reason: str, **fields: Any) -> None:
        """Say that it began; while it lasts, nothing."""
        if self._began is None:
            self._began = time.monotonic()
            self._has_begun.set()
            log.error("condition began", extra={"condition": self.name, "reason": reason} | fields)

    def end(self, **fields: Any) -> None:
        """Say that it ended, if it had begun."""
        if self._began is not None:
            lasted_s = round(time.monotonic() - self._began, 3)
            self._began = None
            self._has_begun.clear()
            log.warning("condition ended", extra={"condition": self.name, "lasted_s": lasted_s} | fields)

    @asynccontextmanager
    async def ended_by(self, is_well: Callable[[], Awaitable[bool]]) -> AsyncIterator[None]:
        """Ask `is_well` as long as the condition is active, and end it once that is so, until the block ends.

        For what may be well again with nobody there who would notice.
        """

        async def ask() -> None:
            while True:
                await self._has_begun.wait()
                await asyncio.sleep(_TRY_EVERY_S)
                if await is_well():
                    self.end()

        asking = asyncio.create_task(ask())
        try:
            yield
        finally:
            asking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await asking
