"""Ends what waits for too long: a job whose turn did not come in time, a question that nobody answered."""

from __future__ import annotations

import asyncio
import contextlib
import logging

from loupe.orchestrator.v1.orchestrator_pb2 import Job, JobState, Step
from loupe.reasoning.v1.reasoning_pb2 import Observation, PersonAnswer
from servers.kit.errors import StorageUnavailable
from servers.orchestrator import approvals, incidents
from servers.orchestrator.backlog import Backlog
from servers.orchestrator.claims import Claims
from servers.orchestrator.journal import Fenced, Journal, asked_until, utc_now

log = logging.getLogger(__name__)

_LOOK_EVERY_S = 0.5
_AT_ONCE = 100


class Caretaker:
    """Looks after jobs that nobody works on. Any number of processes may have one: the log takes each end once."""

    def __init__(self, journal: Journal, backlog: Backlog, claims: Claims) -> None:
        self._journal = journal
        self._backlog = backlog
        self._claims = claims
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._look())

    async def close(self) -> None:
        """Stop, with nothing half done."""
        self._stopping.set()
        if self._task:
            await self._task

    async def _look(self) -> None:
        while not self._stopping.is_set():
            # What can't be read or stored now can be later; the database says so itself.
            with contextlib.suppress(StorageUnavailable):
                for job in await self._claims.overdue(_AT_ONCE):
                    try:
                        await self._end_waiting(job)
                    except Fenced:
                        continue  # its turn came after all, or the person was in time
                    except StorageUnavailable:
                        raise
                    except Exception as error:  # one job must not keep the others waiting for ever
                        log.error("defect", exc_info=error, extra={"job_id": job.job_id})
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_EVERY_S):
                    await self._stopping.wait()

    async def _end_waiting(self, job: Job) -> None:
        if job.state == JobState.JOB_STATE_PENDING:
            view = await self._backlog.view(job)
            diagnosis = "the job's deadline has passed"
            incident = incidents.budget_spent("the job ran out of time before its turn came", diagnosis, view)
            step = Step(incident=incident, job_state=JobState.JOB_STATE_FAILED)
            await self._journal.append(job.job_id, job.attempt, step)
            return
        if asked_until(job.awaiting) > utc_now():
            return  # the clocks differ: a moment later
        observation = Observation()
        if job.awaiting.HasField("ask_person"):
            first = job.awaiting.ask_person.choices[0]
            observation.person.CopyFrom(PersonAnswer(choice_id=first.choice_id, text=first.text))
        else:
            observation.approval.CopyFrom(approvals.of_timeout(await self._backlog.view(job)))
        await self._backlog.respond(job, Step(observation=observation, job_state=JobState.JOB_STATE_PENDING))
