"""Wakes whoever follows something when that changes. Carries no data: followers read the log."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

TURN = "turn"
"""Told when a job waits for its turn."""


def cancelled(job_id: str) -> str:
    """Return what is told when a job was cancelled."""
    return f"cancelled:{job_id}"


class Tails:
    """The followers in this process, by topic: a job's id for its log, or one of those above."""

    def __init__(self) -> None:
        self._events: dict[str, set[asyncio.Event]] = {}

    @contextmanager
    def follow(self, topic: str) -> Iterator[asyncio.Event]:
        """Yield an event that is set whenever there may be news. Follow first, read then: nothing falls between."""
        event = asyncio.Event()
        self._events.setdefault(topic, set()).add(event)
        try:
            yield event
        finally:
            self._events[topic].discard(event)
            if not self._events[topic]:
                del self._events[topic]

    def tell(self, topic: str) -> None:
        """Wake the topic's followers."""
        self.wake(topic)

    def wake(self, topic: str) -> None:
        """Wake those of this process only."""
        for event in self._events.get(topic, ()):
            event.set()

    def wake_all(self) -> None:
        """Wake everyone: something may have been told and not heard."""
        for topic in tuple(self._events):
            self.wake(topic)

    async def start(self) -> None:
        """Begin to listen to others."""

    async def close(self) -> None:
        """Listen no more."""
