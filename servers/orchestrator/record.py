"""Stores what a job does and what comes of it, and keeps the job's view in step with its log."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from loupe.orchestrator.v1.orchestrator_pb2 import JobState, Step
from loupe.reasoning.v1.reasoning_pb2 import Action, Observation
from loupe.type.v1.cost_pb2 import Cost
from servers.kit.errors import StorageUnavailable
from servers.orchestrator.job_view import JobView
from servers.orchestrator.journal import Journal

log = logging.getLogger(__name__)

_AGAIN_AFTER_S = 0.5


class Record:
    """Writes under the attempt of the view it is given; a view whose attempt is over writes nothing (Fenced)."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    async def begin(self, view: JobView, action: Action) -> int:
        """Store an action before its call and return its step's number; one on record already keeps its own."""
        if view.pending is None:
            await self.store(view, Step(action=action))
        return view.pending_sequence

    async def observe(self, view: JobView, observation: Observation, cost: Cost | None = None) -> None:
        """Store what came of the pending action, and what models cost that were asked for it, where that was told."""
        await self.store(view, Step(observation=observation, cost=cost))

    async def store(self, view: JobView, *steps: Step) -> None:
        """Store steps in one transaction: all of them or none."""
        for step in steps:
            if step.job_state == JobState.JOB_STATE_UNSPECIFIED:
                step.job_state = JobState.JOB_STATE_RUNNING
        for stored in await self._stored(view, steps):
            view.apply(stored)

    async def _stored(self, view: JobView, steps: Sequence[Step]) -> list[Step]:
        """Return the steps as stored, however long that takes: an outage must not lose what came of an action.

        The job's deadline ends it, and another worker that took the job up where only this one is cut off (Fenced).
        """
        while True:
            try:
                return await self._journal.append(view.job_id, view.attempt, *steps, after_sequence=view.last_sequence)
            except StorageUnavailable as error:
                log.error("step not stored, will try again", extra={"job_id": view.job_id, "reason": error.message})
                await asyncio.sleep(_AGAIN_AFTER_S)
