"""Wakes whoever follows something when that changes. Carries no data: followers read the log."""

from __future__ import annotations

import asyncio
import itertools
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
        self._news: dict[str, int] = {}
        self._numbers = itertools.count(1)

    @contextmanager
    def follow(self, topic: str) -> Iterator[asyncio.Event]:
        """Yield an event that is set whenever there may be news. Follow first, read then: nothing falls between."""
        event = asyncio.Event()
        if topic not in self._events:
            self._events[topic], self._news[topic] = set(), next(self._numbers)
        self._events[topic].add(event)
        try:
            yield event
        finally:
            self._events[topic].discard(event)
            if not self._events[topic]:
                del self._events[topic], self._news[topic]

    def news(self, topic: str) -> int:
        """Return a number that is another one after each news of a topic that is followed."""
        return self._news[topic]

    def tell(self, topic: str) -> None:
        """Wake the topic's followers."""
        self.wake(topic)

    def wake(self, topic: str) -> None:
        """Wake those of this process only."""
        if topic not in self._events:
            return
        self._news[topic] = next(self._numbers)
        for event in self._events[topic]:
            event.set()

    def wake_all(self) -> None:
        """Wake everyone: something may have been told and not heard."""
        for topic in tuple(self._events):
            self.wake(topic)

    async def start(self) -> None:
        """Begin to listen to others."""

    async def close(self) -> None:
        """Listen no more."""
