"""Bounds every call by its caller's deadline, and unary calls without one by the server's default."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from servers.kit import identity
from servers.kit.errors import DeadlineExceeded
from servers.kit.interceptors.call import Aspect, Call

# grpc cuts a call off at its deadline without a word; ending it a little before leaves time to say why.
MARGIN_S = 0.05


def deadline(default_s: float) -> Aspect:
    """Return the aspect. Streams without a deadline run as long as their caller listens."""

    @asynccontextmanager
    async def aspect(call: Call) -> AsyncIterator[None]:
        time_s = call.time_remaining_s
        if time_s is not None:
            time_s -= min(MARGIN_S, time_s / 4)
        if time_s is None and not call.is_streaming:
            time_s = default_s
        if time_s is None:
            identity.set_deadline(None)
            yield
            return
        when = asyncio.get_running_loop().time() + time_s
        identity.set_deadline(when)
        try:
            async with asyncio.timeout_at(when):
                yield
        except TimeoutError as error:
            raise DeadlineExceeded(f"the call did not end within its {time_s:.1f} s") from error

    return aspect
