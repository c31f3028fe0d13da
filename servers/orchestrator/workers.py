"""Works on jobs: a few at one time, a bounded number waiting, each under its own deadline and on its owner's behalf."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, TypeVar

import grpc

from loupe.orchestrator.v1.incident_pb2 import Incident, RemedyKind
from loupe.orchestrator.v1.orchestrator_pb2 import Ancestry, Job, JobSpec, JobState, Step
from loupe.reasoning.v1.reasoning_pb2 import Observation, PersonAnswer
from loupe.type.v1.access_pb2 import Role
from servers.kit import identity
from servers.kit.errors import LoupeError, Overloaded, StorageUnavailable
from servers.kit.identity import Caller
from servers.kit.status import from_exception
from servers.orchestrator import approvals, incidents
from servers.orchestrator.job_view import JobView
from servers.orchestrator.journal import AWAITING, Fenced, Journal
from servers.orchestrator.loop import GaveUp, Loop

log = logging.getLogger(__name__)

T = TypeVar("T")

STORAGE_RETRY_S = 2.0
# A job under which the process ends each time, without a step more, must not take the next one down too.
MOST_FRUITLESS_ATTEMPTS = 3
MOST_RETRIES = 3
RETRY_PAUSE_S = 0.25
# Codes of failures that may be over the next time.
PASSING = frozenset({"UNAVAILABLE", "RESOURCE_EXHAUSTED"})


class Workers:
    """The jobs of one process: a task each, from the moment the job is on record to its end or to a person's turn."""

    def __init__(self, journal: Journal, loop: Loop, *, count: int, queue_size: int, job_deadline_s: float) -> None:
        self._journal = journal
        self._loop = loop
        self._places = asyncio.Semaphore(count)
        self._most = count + queue_size
        self._queue_size = queue_size
        self._job_deadline_s = job_deadline_s
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._asking: dict[str, asyncio.Task[None]] = {}
        # Between asking for room and taking it nobody else may.
        self._entering = asyncio.Lock()

    async def recover(self) -> None:
        """Take up what an earlier process left: each job goes on after its last step, however many there are."""
        for owner, job in await self._journal.unfinished():
            if job.state in AWAITING:
                self._ask(owner, job)
            else:
                self._add(owner, job)

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
        # Seen through even when the caller leaves meanwhile: a job on record is a job that is worked on.
        return await asyncio.shield(self._enqueue(owner, request_id, spec, ancestry, copied))

    async def respond(self, owner: str, job: Job, *steps: Step) -> None:
        """Store a person's answer to what a waiting job asks, and let it go on.

        Raises:
          Fenced: it does not wait there any more.
        """
        await asyncio.shield(self._respond(owner, job, steps))

    async def cancel(self, job: Job) -> None:
        """End a job for its owner and stop working on it at once; its calls to other servers are cancelled with it."""
        await asyncio.shield(self._cancel(job))

    async def close(self) -> None:
        """Stop working; what was in work goes on at the next start."""
        tasks = [*self._tasks.values(), *self._asking.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def view(self, job: Job) -> JobView:
        """Return a job folded from its log."""
        view = JobView.of(job)
        for step in await self._journal.steps(job.job_id, 0, limit=job.last_sequence or 1):
            view.apply(step)
        return view

    async def _enqueue(
        self, owner: str, request_id: str, spec: JobSpec, ancestry: Ancestry | None, copied: Sequence[Step]
    ) -> Job:
        async with self._entering:
            job, is_new = await self._journal.create(
                owner, request_id, spec, admit=self._check_room, ancestry=ancestry, copied=copied
            )
            if is_new:
                self._add(owner, job)
        return job

    def _check_room(self) -> None:
        if len(self._tasks) >= self._most:
            raise Overloaded(f"{self._queue_size} jobs are waiting, which is the most", retry_after_s=5.0)

    def _add(self, owner: str, job: Job) -> None:
        _keep(self._tasks, job.job_id, self._run(owner, job))

    def _ask(self, owner: str, job: Job) -> None:
        """Wait beside the person for their time to be over."""
        _keep(self._asking, job.job_id, self._answer_in_time(owner, job))

    async def _answer_in_time(self, owner: str, job: Job) -> None:
        ask = job.awaiting.ask_person if job.awaiting.HasField("ask_person") else job.awaiting.ask_approval
        await asyncio.sleep(max(0.0, ask.expire_time.ToNanoseconds() / 1e9 - time.time()))
        observation = Observation()
        if job.awaiting.HasField("ask_person"):
            first = job.awaiting.ask_person.choices[0]
            observation.person.CopyFrom(PersonAnswer(choice_id=first.choice_id, text=first.text))
        else:
            observation.approval.CopyFrom(approvals.of_timeout(await self.view(job)))
        with contextlib.suppress(Fenced):  # the person was in time after all
            await self.respond(owner, job, Step(observation=observation, job_state=JobState.JOB_STATE_PENDING))

    async def _respond(self, owner: str, job: Job, steps: Sequence[Step]) -> None:
        await self._journal.respond(job.job_id, job.last_sequence, *steps)
        asking = self._asking.get(job.job_id)
        if asking is not None and asking is not asyncio.current_task():
            asking.cancel()
        # It has its room from when it came; a person's answer is never refused for want of it.
        self._add(owner, await self._journal.get(owner, job.job_id))

    async def _cancel(self, job: Job) -> None:
        step = Step(incident=incidents.cancelled(await self.view(job)), job_state=JobState.JOB_STATE_CANCELLED)
        try:
            await self._journal.append(job.job_id, None, step)
        except Fenced:
            return  # it ended in between, and stays as it ended
        for tasks in (self._tasks, self._asking):
            if job.job_id in tasks:
                tasks[job.job_id].cancel()

    async def _run(self, owner: str, job: Job) -> None:
        view = await self._stored(job.job_id, lambda: self.view(job))
        spec = job.spec
        time_s = spec.deadline.ToMilliseconds() / 1000 if spec.HasField("deadline") else self._job_deadline_s
        waited_s = time.time() - job.create_time.ToMilliseconds() / 1000 - view.awaited_s
        until = asyncio.get_running_loop().time() + time_s - waited_s
        # From here on for the owner and under the job's name, whichever call this task came from.
        identity.act_for(Caller(owner, Role.ROLE_ANALYST), request_id=job.job_id, deadline=until)
        limit = asyncio.timeout_at(until)
        out_of_time = f"the job's deadline of {time_s:g} s has passed"
        try:
            async with asyncio.timeout_at(until):
                await self._places.acquire()
        except TimeoutError:
            incident = incidents.budget_spent("the job ran out of time before its turn came", out_of_time, view)
            await self._end(job.job_id, job.attempt, incident)
            return
        try:
            # Outside the deadline: under which attempt the job is taken must be known to end it.
            view.attempt = (await self._stored(job.job_id, lambda: self._journal.take(job.job_id))).attempt
            if view.attempt - view.last_attempt > MOST_FRUITLESS_ATTEMPTS:
                raise GaveUp(incidents.worker_lost(view))
            async with limit:
                await self._work(view)
            if view.is_waiting:
                self._ask(owner, await self._stored(job.job_id, lambda: self._journal.get(owner, job.job_id)))
        except Fenced:
            log.info("job ended elsewhere", extra={"job_id": job.job_id})
        except GaveUp as reason:
            await self._end(job.job_id, view.attempt, reason.incident)
        except Exception as error:  # a job must end, whatever happens to it
            if isinstance(error, TimeoutError) and limit.expired():
                incident = incidents.budget_spent("the job ran out of time", out_of_time, view)
            else:
                if not isinstance(error, LoupeError | grpc.aio.AioRpcError):
                    log.error("defect", exc_info=error, extra={"job_id": job.job_id})
                incident = incidents.from_error(from_exception(error, request_id=job.job_id), view)
            await self._end(job.job_id, view.attempt, incident)
        finally:
            self._places.release()

    async def _work(self, view: JobView) -> None:
        """Work on a job. Where its owner consented, a server that failed in passing is told of, and asked again."""
        while True:
            try:
                return await self._loop.run(view)
            except (LoupeError, grpc.aio.AioRpcError) as error:
                failure = from_exception(error, request_id=view.job_id)
                has_consent = RemedyKind.REMEDY_KIND_RETRY in view.consents
                if not has_consent or failure.code not in PASSING or view.told_count == MOST_RETRIES:
                    raise
                told = Step(incident=incidents.from_error(failure, view), job_state=JobState.JOB_STATE_RUNNING)
                for stored in await self._journal.append(view.job_id, view.attempt, told):
                    view.apply(stored)
                await asyncio.sleep(RETRY_PAUSE_S * 2**view.told_count)

    async def _end(self, job_id: str, attempt: int, incident: Incident) -> None:
        try:
            await self._stored(job_id, lambda: self._journal.append(job_id, attempt, _failed(incident)))
        except Fenced:
            log.info("job ended elsewhere", extra={"job_id": job_id})

    async def _stored(self, job_id: str, write: Callable[[], Awaitable[T]]) -> T:
        """Return what a write returns, tried again while the disk is full or away: a job that began must end."""
        while True:
            try:
                return await write()
            except StorageUnavailable as error:
                log.error("not stored, will try again", extra={"job_id": job_id, "reason": error.message})
                await asyncio.sleep(STORAGE_RETRY_S)


def _keep(tasks: dict[str, asyncio.Task[None]], job_id: str, work: Coroutine[Any, Any, None]) -> None:
    """Run the work as the job's one task of its kind, until it is done."""
    task = asyncio.create_task(work)
    tasks[job_id] = task

    def forget(done: asyncio.Task[None]) -> None:
        if tasks.get(job_id) is done:  # a job that goes on has another by now
            del tasks[job_id]

    task.add_done_callback(forget)


def _failed(incident: Incident) -> Step:
    return Step(incident=incident, job_state=JobState.JOB_STATE_FAILED)
