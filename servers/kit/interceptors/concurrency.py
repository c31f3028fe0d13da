"""Bounds how many calls are in work at one time: more are refused, none waits in memory."""

from __future__ import annotations

from servers.kit.errors import Overloaded
from servers.kit.interceptors.call import Aspect, Call


class _Places:
    """The places for one kind of call; each `with` holds one."""

    def __init__(self, what: str, limit: int) -> None:
        self._what = what
        self._limit = limit
        self._in_work = 0

    def __enter__(self) -> None:
        if self._in_work >= self._limit:
            raise Overloaded(f"{self._in_work} {self._what} are in work, at most {self._limit}; try again in a second")
        self._in_work += 1

    def __exit__(self, *_error: object) -> None:
        self._in_work -= 1


def concurrency(max_calls: int, max_streams: int) -> Aspect:
    """Return the aspect; unary calls and streams have places of their own."""
    calls = _Places("calls", max_calls)
    streams = _Places("streams", max_streams)

    def aspect(call: Call) -> _Places:
        return streams if call.is_streaming else calls

    return aspect
