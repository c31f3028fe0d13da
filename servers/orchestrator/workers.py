"""Works on jobs: takes the next whose turn it is, a few at one time, each under its own deadline for its owner."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

import grpc

from loupe.orchestrator.v1.incident_pb2 import Incident
from loupe.orchestrator.v1.orchestrator_pb2 import JobState, Step
from loupe.type.v1.access_pb2 import Role
from loupe.type.v1.cost_pb2 import Cost
from servers.kit import identity
from servers.kit.errors import LoupeError, StorageUnavailable
from servers.kit.identity import Caller
from servers.kit.status import from_exception
from servers.orchestrator import incidents
from servers.orchestrator.backlog import Backlog
from servers.orchestrator.claims import Claim, Claims
from servers.orchestrator.job_view import JobView
from servers.orchestrator.journal import Fenced, Journal
from servers.orchestrator.loop import GaveUp, Loop
from servers.orchestrator.retries import Recovery, may_retry, pause_s
from servers.orchestrator.tails import TURN, Tails, cancelled

log = logging.getLogger(__name__)

T = TypeVar("T")

STORAGE_RETRY_S = 2.0
# A job under which the process ends each time, without a step more, must not take the next one down too. Three were too
# few: among a hundred kills at random one job met three while its code ran (soak, 2026-11-21).
MOST_FRUITLESS_ATTEMPTS = 5
_CLOCKS_AGREE_WITHIN_S = 0.5
# A job whose worker died is seen by looking: nobody is left to tell of it.
_LOOK_EVERY_S = 1.0


class Workers:
    """The jobs that this process has in work: a task each, from its turn to its end or to a person's turn."""

    def __init__(
        self,
        journal: Journal,
        backlog: Backlog,
        claims: Claims,
        tails: Tails,
        loop: Loop,
        recovery: Recovery,
        *,
        count: int,
        renew_every_s: float = 1.0,
    ) -> None:
        """Take how many jobs to have in work at one time, and how often to say that they are."""
        self._journal = journal
        self._backlog = backlog
        self._claims = claims
        self._tails = tails
        self._loop = loop
        self._recovery = recovery
        self._places = asyncio.Semaphore(count)
        self._renew_every_s = renew_every_s
        self._in_work: dict[asyncio.Task[None], Claim] = {}
        self._let_go: list[Claim] = []
        self._stopping = asyncio.Event()
        self._taking: asyncio.Task[None] | None = None
        self._keeping: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to work, with what an earlier process left where nobody else could have taken it up."""
        if self._claims.are_exclusive:
            await self._claims.take_over()
        else:
            self._keeping = asyncio.create_task(self._keep_leases())
        self._taking = asyncio.create_task(self._take_turns())

    async def close(self) -> None:
        """Stop working; what was in work goes on at another worker, or at the next start."""
        self._stopping.set()
        self._tails.wake(TURN)
        claims = [*self._in_work.values(), *self._let_go]
        for task in tuple(self._in_work):
            task.cancel()
        for loop in (self._taking, self._keeping):
            if loop:
                await loop
        await asyncio.gather(*self._in_work, return_exceptions=True)
        await self._give_back(claims)

    async def _take_turns(self) -> None:
        with self._tails.follow(TURN) as bell:
            while not self._stopping.is_set():
                await self._places.acquire()
                claim = await self._next(bell)
                if claim is None or self._stopping.is_set():
                    await self._give_back([claim] if claim else [])
                    return
                task = asyncio.create_task(self._run(claim))
                self._in_work[task] = claim
                task.add_done_callback(self._put_down)

    def _put_down(self, task: asyncio.Task[None]) -> None:
        del self._in_work[task]
        self._places.release()

    async def _next(self, bell: asyncio.Event) -> Claim | None:
        """Return the next job to work on, once there is one; None when there is no time left for one."""
        while not self._stopping.is_set():
            bell.clear()
            try:
                if let_go := self._let_go[:]:
                    await self._claims.give_back(let_go)
                    del self._let_go[: len(let_go)]
                claim = await self._claims.next()
            except StorageUnavailable:
                await self._pause(STORAGE_RETRY_S, self._stopping)
                continue
            except Exception as error:  # a worker that lives must not stop taking jobs unseen
                log.error("defect", exc_info=error)
                await self._pause(STORAGE_RETRY_S, self._stopping)
                continue
            if claim is not None:
                return claim
            if not self._stopping.is_set():
                await self._pause(_LOOK_EVERY_S, bell)
        return None

    async def _keep_leases(self) -> None:
        """Keep what is in work, and stop working on what was cancelled or taken by another."""
        while not self._stopping.is_set():
            await self._pause(self._renew_every_s, self._stopping)
            if not self._in_work:
                continue
            try:
                lost = await self._claims.renew(list(self._in_work.values()))
            except StorageUnavailable:
                continue  # what another takes meanwhile is fenced off
            for task, claim in self._in_work.items():
                if claim.job.job_id in lost:
                    log.info("job ended elsewhere", extra={"job_id": claim.job.job_id})
                    task.cancel()

    async def _give_back(self, claims: list[Claim]) -> None:
        if claims:
            with contextlib.suppress(StorageUnavailable):  # the leases end by themselves
                await self._claims.give_back(claims)
            self._tails.tell(TURN)

    async def _pause(self, time_s: float, until: asyncio.Event) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(time_s):
                await until.wait()

    async def _run(self, claim: Claim) -> None:
        job = claim.job
        until = asyncio.get_running_loop().time() + claim.left_s
        # From here on for the owner and under the job's name.
        identity.act_for(Caller(claim.owner, Role.ROLE_ANALYST), request_id=job.job_id, deadline=until)
        with self._tails.follow(cancelled(job.job_id)) as bell:
            working = asyncio.create_task(self._work_until(claim, until))
            listening = asyncio.create_task(self._until_lost(claim, bell))
            try:
                await asyncio.wait({working, listening}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in (working, listening):
                    task.cancel()
                done, _ = await asyncio.gather(working, listening, return_exceptions=True)
                if isinstance(done, Exception):  # what even the end of a job did not foresee
                    log.error("defect", exc_info=done, extra={"job_id": job.job_id})

    async def _until_lost(self, claim: Claim, bell: asyncio.Event) -> None:
        """Wait until a job is not this worker's any more. A bell says only that it may be so."""
        while True:
            await bell.wait()
            bell.clear()
            with contextlib.suppress(StorageUnavailable):  # what another takes meanwhile is fenced off
                if not await self._claims.holds(claim):
                    return

    async def _work_until(self, claim: Claim, until: float) -> None:
        view = await self._stored(claim.job.job_id, lambda: self._backlog.view(claim.job))
        limit = asyncio.timeout_at(until)
        try:
            if claim.fruitless_count >= MOST_FRUITLESS_ATTEMPTS:
                raise GaveUp(incidents.worker_lost(view))
            async with limit:
                await self._work(view)
        except Fenced:
            log.info("job ended elsewhere", extra={"job_id": view.job_id})
        except GaveUp as reason:
            await self._end(view, reason.incident)
        except Exception as error:  # a job must end, whatever happens to it
            await self._end_failed(claim, view, error, is_late=limit.expired())

    async def _end_failed(self, claim: Claim, view: JobView, error: Exception, *, is_late: bool) -> None:
        if is_late:
            incident = incidents.budget_spent("the job ran out of time", "the job's deadline has passed", view)
            if await self._left_s(claim) > _CLOCKS_AGREE_WITHIN_S:
                self._lay_down(claim)  # an outage moved its deadline
            else:
                await self._end(view, incident)
            return
        if not isinstance(error, LoupeError | grpc.aio.AioRpcError):
            log.error("defect", exc_info=error, extra={"job_id": view.job_id})
        failure = from_exception(error, request_id=view.job_id)
        incident = incidents.from_error(failure, view)
        if failure.code != "UNAVAILABLE":
            await self._end(view, incident, failure.cost)
        elif not await self._told_at_once(view, incident, failure.cost):
            self._lay_down(claim)

    async def _work(self, view: JobView) -> None:
        """Work on a job.

        Where its owner consented, a server that failed in passing is told of, and asked again once it serves.
        """
        while True:
            try:
                return await self._loop.run(view)
            except (LoupeError, grpc.aio.AioRpcError) as error:
                failure = from_exception(error, request_id=view.job_id)
                if not may_retry(view, failure):
                    raise
                told = Step(incident=incidents.from_error(failure, view), cost=failure.cost)
                told.job_state = JobState.JOB_STATE_RUNNING
                for stored in await self._stored(view.job_id, partial(self._tell, view, told)):
                    view.apply(stored)
                await asyncio.sleep(pause_s(view))
                if not await self._recovery.wait_for(failure.server):
                    raise

    async def _tell(self, view: JobView, told: Step) -> list[Step]:
        return await self._journal.append(view.job_id, view.attempt, told, after_sequence=view.last_sequence)

    async def _end(self, view: JobView, incident: Incident, cost: Cost | None = None) -> None:
        step = Step(incident=incident, cost=cost, job_state=JobState.JOB_STATE_FAILED)
        try:
            # After whatever is on record: a deadline may have cut off the answer that a step was stored.
            await self._stored(view.job_id, lambda: self._journal.append(view.job_id, view.attempt, step))
        except Fenced:
            log.info("job ended elsewhere", extra={"job_id": view.job_id})

    async def _left_s(self, claim: Claim) -> float:
        try:
            return await self._stored(claim.job.job_id, lambda: self._claims.left_s(claim))
        except Fenced:
            return 0.0  # whatever is written under this attempt is refused

    async def _told_at_once(self, view: JobView, incident: Incident, cost: Cost | None) -> bool:
        """End a job as a server was away; return False where the records are, too.

        Then it was no one server, and the job no more failed than everything else: nobody could be told of its end, and
        once they can, it can go on.
        """
        step = Step(incident=incident, cost=cost, job_state=JobState.JOB_STATE_FAILED)
        try:
            await self._journal.append(view.job_id, view.attempt, step)
        except Fenced:
            log.info("job ended elsewhere", extra={"job_id": view.job_id})
        except StorageUnavailable:
            return False
        return True

    def _lay_down(self, claim: Claim) -> None:
        """Let another attempt have a job, here or at another worker, as soon as that can be stored."""
        log.warning("job let go of", extra={"job_id": claim.job.job_id})
        self._let_go.append(claim)
        self._tails.wake(TURN)

    async def _stored(self, job_id: str, write: Callable[[], Awaitable[T]]) -> T:
        """Return what a write returns, tried again while the disk is full or away: a job that began must end."""
        while True:
            try:
                return await write()
            except StorageUnavailable as error:
                log.error("not stored, will try again", extra={"job_id": job_id, "reason": error.message})
                await asyncio.sleep(STORAGE_RETRY_S)
