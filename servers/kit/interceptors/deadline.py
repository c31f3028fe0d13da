"""Bounds every call by its caller's deadline, and unary calls without one by the server's default."""

from __future__ import annotations

import asyncio

from servers.kit import identity
from servers.kit.errors import DeadlineExceeded
from servers.kit.interceptors.call import Aspect, Call

# grpc cuts a call off at its deadline without a word; ending it a little before leaves time to say why.
MARGIN_S = 0.05


class _Limit:
    """Cancels the running task at a time, and says so: asyncio.timeout_at, without a coroutine at each end."""

    __slots__ = ("_cancelling", "_has_passed", "_task", "_time_s", "_timer", "_when")

    def __init__(self, time_s: float, when: float) -> None:
        self._time_s = time_s
        self._when = when
        self._has_passed = False

    def __enter__(self) -> None:
        task = asyncio.current_task()
        assert task is not None  # a call runs in one
        self._task = task
        self._cancelling = task.cancelling()
        self._timer = task.get_loop().call_at(self._when, self._pass)

    def _pass(self) -> None:
        self._has_passed = True
        self._task.cancel()

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        self._timer.cancel()
        is_ours = self._has_passed and self._task.uncancel() <= self._cancelling
        if isinstance(error, TimeoutError) or (is_ours and isinstance(error, asyncio.CancelledError)):
            raise DeadlineExceeded(f"the call did not end within its {self._time_s:.1f} s") from error


def deadline(default_s: float) -> Aspect:
    """Return the aspect. Streams without a deadline run as long as their caller listens."""

    def aspect(call: Call) -> _Limit | None:
        time_s = call.time_remaining_s
        if time_s is not None:
            time_s -= min(MARGIN_S, time_s / 4)
        elif not call.is_streaming:
            time_s = default_s
        if time_s is None:
            identity.set_deadline(None)
            return None
        when = asyncio.get_running_loop().time() + time_s
        identity.set_deadline(when)
        return _Limit(time_s, when)

    return aspect
