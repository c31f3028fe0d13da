"""Bounds how many calls are in work at one time: more are refused, none waits in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from servers.kit.errors import Overloaded
from servers.kit.interceptors.call import Aspect, Call


def concurrency(max_calls: int, max_streams: int) -> Aspect:
    """Return the aspect; unary calls and streams have places of their own."""
    in_work = {False: 0, True: 0}
    limits = {False: max_calls, True: max_streams}

    @asynccontextmanager
    async def aspect(call: Call) -> AsyncIterator[None]:
        kind = call.is_streaming
        if in_work[kind] >= limits[kind]:
            what = "streams" if kind else "calls"
            raise Overloaded(f"{in_work[kind]} {what} are in work, at most {limits[kind]}; try again in a second")
        in_work[kind] += 1
        try:
            yield
        finally:
            in_work[kind] -= 1

    return aspect
