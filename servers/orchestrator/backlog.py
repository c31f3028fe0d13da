"""The jobs as callers change them: made, answered, cancelled. Who works on them hears of it through the tails."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from loupe.orchestrator.v1.orchestrator_pb2 import Ancestry, Job, JobSpec, JobState, Step
from servers.kit.errors import Overloaded
from servers.orchestrator import incidents
from servers.orchestrator.job_view import JobView
from servers.orchestrator.journal import Fenced, Journal, Waiting
from servers.orchestrator.tails import TURN, Tails, cancelled

_COME_AGAIN_S = 5.0


class Backlog:
    """What waits for workers, bounded."""

    def __init__(
        self, journal: Journal, tails: Tails, *, queue_size: int, owner_queue_size: int, job_deadline_s: float
    ) -> None:
        self._journal = journal
        self._tails = tails
        self._queue_size = queue_size
        self._owner_queue_size = owner_queue_size
        self._job_deadline_s = job_deadline_s

    async def enqueue(
        self,
        owner: str,
        request_id: str,
        spec: JobSpec,
        *,
        ancestry: Ancestry | None = None,
        copied: Sequence[Step] = (),
    ) -> Job:
        """Record a job and let it wait for its turn; the same request gets the job that it made before.

        Args:
          ancestry, copied: of a job that comes from another, as `Journal.create` takes them.
        Raises:
          Overloaded: no further job may wait.
          RequestIdReused: the same request id came with another spec.
        """
        # Seen through even when the caller leaves meanwhile, likewise below: what is on record is told, too.
        return await asyncio.shield(self._enqueue(owner, request_id, spec, ancestry, copied))

    async def check_room(self, owner: str, request_id: str) -> None:
        """Raise Overloaded where no further job may wait, before the job costs anything."""
        await self._journal.check_room(owner, request_id, self._check_room)

    async def respond(self, job: Job, *steps: Step) -> None:
        """Store an answer to what a waiting job asks, and let it wait for its turn again.

        It has its room from when it came: an answer is never refused for want of it.

        Raises:
          Fenced: it does not wait there any more.
        """
        await asyncio.shield(self._respond(job, steps))

    async def cancel(self, job: Job) -> None:
        """End a job for its owner; who works on it stops, and the calls to other servers are cancelled with it."""
        await asyncio.shield(self._cancel(job))

    async def view(self, job: Job) -> JobView:
        """Return a job folded from its log."""
        view = JobView.of(job)
        if not job.last_sequence:
            return view
        for step in await self._journal.steps(job.job_id, 0, limit=job.last_sequence):
            view.apply(step)
        return view

    async def _enqueue(
        self, owner: str, request_id: str, spec: JobSpec, ancestry: Ancestry | None, copied: Sequence[Step]
    ) -> Job:
        job, is_new = await self._journal.create(
            owner,
            request_id,
            spec,
            admit=self._check_room,
            deadline_s=self._job_deadline_s,
            ancestry=ancestry,
            copied=copied,
        )
        if is_new:
            self._tails.tell(TURN)
        return job

    async def _respond(self, job: Job, steps: Sequence[Step]) -> None:
        await self._journal.respond(job.job_id, job.last_sequence, *steps)
        self._tails.tell(TURN)

    async def _cancel(self, job: Job) -> None:
        step = Step(incident=incidents.cancelled(await self.view(job)), job_state=JobState.JOB_STATE_CANCELLED)
        try:
            await self._journal.append(job.job_id, None, step)
        except Fenced:
            return  # it ended in between, and stays as it ended
        self._tails.tell(cancelled(job.job_id))

    def _check_room(self, waiting: Waiting) -> None:
        if waiting.count >= self._queue_size:
            raise Overloaded(f"{waiting.count} jobs are waiting, which is the most", retry_after_s=_COME_AGAIN_S)
        if waiting.of_owner_count >= self._owner_queue_size:
            raise Overloaded(
                f"{waiting.of_owner_count} of your jobs are waiting, which is the most of one owner",
                retry_after_s=_COME_AGAIN_S,
            )
