"""Stores what a job does and what comes of it, and keeps the job's view in step with its log."""

from __future__ import annotations

from loupe.orchestrator.v1.orchestrator_pb2 import JobState, Step
from loupe.reasoning.v1.reasoning_pb2 import Action, Observation
from servers.orchestrator.job_view import JobView
from servers.orchestrator.journal import Journal


class Record:
    """Writes under the attempt of the view it is given; a view whose attempt is over writes nothing (Fenced)."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    async def begin(self, view: JobView, action: Action) -> int:
        """Store an action before its call and return its step's number; one on record already keeps its own."""
        if view.pending is None:
            await self.store(view, Step(action=action))
        return view.pending_sequence

    async def observe(self, view: JobView, observation: Observation) -> None:
        """Store what came of the pending action."""
        await self.store(view, Step(observation=observation))

    async def store(self, view: JobView, *steps: Step) -> None:
        """Store steps in one transaction: all of them or none."""
        for step in steps:
            if step.job_state == JobState.JOB_STATE_UNSPECIFIED:
                step.job_state = JobState.JOB_STATE_RUNNING
        for stored in await self._journal.append(view.job_id, view.attempt, *steps):
            view.apply(stored)
