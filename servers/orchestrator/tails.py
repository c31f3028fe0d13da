"""Wakes whoever follows a job when its log grows. Carries no data: followers read the log."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


class Tails:
    """The followers of every job, in this process."""

    def __init__(self) -> None:
        self._events: dict[str, set[asyncio.Event]] = {}

    @contextmanager
    def follow(self, job_id: str) -> Iterator[asyncio.Event]:
        """Yield an event that is set whenever the job's log grows. Follow first, read then: nothing falls between."""
        event = asyncio.Event()
        self._events.setdefault(job_id, set()).add(event)
        try:
            yield event
        finally:
            self._events[job_id].discard(event)
            if not self._events[job_id]:
                del self._events[job_id]

    def tell(self, job_id: str) -> None:
        """Wake the job's followers."""
        for event in self._events.get(job_id, ()):
            event.set()
