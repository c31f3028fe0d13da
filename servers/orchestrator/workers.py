"""Works on jobs: a bounded queue, a few workers, each job under its own deadline and on its owner's behalf."""

from __future__ import annotations

import asyncio
import logging

import grpc

from loupe.orchestrator.v1.incident_pb2 import Incident
from loupe.orchestrator.v1.orchestrator_pb2 import Job, JobState, Step
from loupe.type.v1.access_pb2 import Role
from servers.kit import identity
from servers.kit.errors import LoupeError, Overloaded
from servers.kit.identity import Caller
from servers.kit.status import from_exception
from servers.orchestrator import incidents
from servers.orchestrator.job_view import JobView
from servers.orchestrator.journal import Fenced, Journal
from servers.orchestrator.loop import GaveUp, Loop

log = logging.getLogger(__name__)


class Workers:
    """The jobs of one process, waiting and in work."""

    def __init__(self, journal: Journal, loop: Loop, *, count: int, queue_size: int, job_deadline_s: float) -> None:
        self._journal = journal
        self._loop = loop
        self._count = count
        self._queue: asyncio.Queue[str] = asyncio.Queue(queue_size)
        self._job_deadline_s = job_deadline_s
        self._running: dict[str, asyncio.Task[None]] = {}

    async def recover(self) -> None:
        """End what an earlier process was working on, and take up again what still waited."""
        for job in await self._journal.unfinished():
            if job.state == JobState.JOB_STATE_PENDING and not self._queue.full():
                self._queue.put_nowait(job.job_id)
                continue
            view = JobView.of(job)
            for step in await self._journal.steps(job.job_id, 0, limit=job.last_sequence or 1):
                view.apply(step)
            await self._end(job, incidents.worker_lost(view))

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(self._count):
                group.create_task(self._work())

    def check_room(self) -> None:
        """Raise Overloaded when no further job may wait."""
        if self._queue.full():
            raise Overloaded(f"{self._queue.maxsize} jobs are waiting, which is the most", retry_after_s=5.0)

    def add(self, job_id: str) -> None:
        """Let a job wait for a worker."""
        self._queue.put_nowait(job_id)

    def stop(self, job_id: str) -> None:
        """Stop working on a job at once; its calls to other servers are cancelled with it."""
        if job_id in self._running:
            self._running[job_id].cancel()

    async def _work(self) -> None:
        while True:
            job_id = await self._queue.get()
            # A task of its own, so that one job's cancellation leaves the worker be.
            self._running[job_id] = asyncio.create_task(self._run(job_id))
            try:
                await asyncio.wait({self._running[job_id]})
            finally:
                self._running.pop(job_id).cancel()

    async def _run(self, job_id: str) -> None:
        try:
            job = await self._journal.take(job_id)
        except LoupeError as error:
            # Cancelled while it waited, or the database is away; then the job waits for the next start.
            log.info("job not taken", extra={"job_id": job_id, "reason": error.message})
            return
        view = JobView.of(job)
        time_s = job.spec.deadline.ToMilliseconds() / 1000 if job.spec.HasField("deadline") else self._job_deadline_s
        deadline = asyncio.get_running_loop().time() + time_s
        owner = Caller(await self._journal.owner(job_id), Role.ROLE_ANALYST)
        identity.act_for(owner, request_id=job_id, deadline=deadline)
        try:
            async with asyncio.timeout_at(deadline):
                await self._loop.run(view)
        except Fenced:
            log.info("job ended elsewhere", extra={"job_id": job_id})
        except GaveUp as reason:
            await self._end(job, reason.incident)
        except TimeoutError:
            told = f"the job's deadline of {time_s:g} s has passed"
            await self._end(job, incidents.budget_spent("the job ran out of time", told, view))
        except Exception as error:  # a job must end, whatever happens to it
            if not isinstance(error, LoupeError | grpc.aio.AioRpcError):
                log.error("defect", exc_info=error, extra={"job_id": job_id})
            await self._end(job, incidents.from_error(from_exception(error, request_id=job_id), view))

    async def _end(self, job: Job, incident: Incident) -> None:
        try:
            step = Step(incident=incident, job_state=JobState.JOB_STATE_FAILED)
            await self._journal.append(job.job_id, job.attempt, step)
        except Fenced:
            log.info("job ended elsewhere", extra={"job_id": job.job_id})
        except LoupeError as error:
            log.error("incident not stored", extra={"job_id": job.job_id, "reason": error.message})
