"""Reads of the log that followers share: a thousand who are woken by one step read it once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from loupe.orchestrator.v1.orchestrator_pb2 import Step
from servers.orchestrator.journal import Journal
from servers.orchestrator.tails import Tails


class SharedReads:
    """The log as followers of this process read it."""

    def __init__(self, journal: Journal, tails: Tails) -> None:
        self._journal = journal
        self._tails = tails
        self._running: dict[tuple[str, int, int, int], asyncio.Future[list[Step]]] = {}

    async def steps(self, job_id: str, after_sequence: int, limit: int) -> Sequence[Step]:
        """Return a job's steps after a number, in order, at most `limit`; they are others' too, and not to be changed.

        For one who follows the job, and cleared its event right before: a read is shared only with those who ask
        before the next news, so what it misses, if anything, sets the event of each of them again.
        """
        key = (job_id, after_sequence, limit, self._tails.news(job_id))
        reading = self._running.get(key)
        if reading is None:
            reading = self._running[key] = asyncio.ensure_future(self._journal.steps(job_id, after_sequence, limit))
            reading.add_done_callback(lambda done: self._forget(key, done))
        # One who leaves ends nobody else's.
        return await asyncio.shield(reading)

    def _forget(self, key: tuple[str, int, int, int], done: asyncio.Future[list[Step]]) -> None:
        del self._running[key]
        if not done.cancelled():
            done.exception()  # all who wanted to know may have left
