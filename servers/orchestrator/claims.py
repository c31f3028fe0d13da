"""Whose turn it is: a worker takes a job from the log's database, keeps it by a lease, and gives it back.

The database hands the jobs out itself, in the transaction that raises the attempt: a job is with one worker or waits,
and nothing lies between the two that could be lost (docs/workers.md says why no queue stands beside it).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, DateTime, Row, case, func, literal, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from loupe.orchestrator.v1.orchestrator_pb2 import Job, JobState
from servers.kit.database import reading, transaction
from servers.orchestrator.journal import AT_ONCE, AWAITING, Fenced, clock, job_of, utc_now
from servers.orchestrator.pulse import beat
from servers.orchestrator.tables import JOBS

_PENDING, _RUNNING = JobState.JOB_STATE_PENDING, JobState.JOB_STATE_RUNNING


@dataclass(frozen=True, slots=True)
class Claim:
    """A job that is this worker's to do, under the attempt that it carries."""

    owner: str
    job: Job
    left_s: float
    """Until the job's deadline; 0 or less where that has passed."""
    fruitless_count: int
    """Attempts in a row before this one that ended with no step more and without a word, as a process that dies."""


class Claims:
    """What one worker process takes."""

    def __init__(self, engine: AsyncEngine, worker: str, *, lease_s: float, default_deadline_s: float) -> None:
        """Take whom to write down.

        Args:
          worker: names the process, among all that ever were.
          lease_s: after which another may take a job that was not renewed. Records of one process need none.
        """
        self._engine = engine
        self._worker = worker
        self._lease = timedelta(seconds=lease_s)
        self._default_deadline = timedelta(seconds=default_deadline_s)
        self.are_exclusive = engine.dialect.name == "sqlite"
        """Nobody but this process can have the records open."""

    async def next(self) -> Claim | None:
        """Take the job whose turn it is, if any: of those of the highest priority, and of those of the owner with the
        least in work, the oldest. A job whose worker's lease is over waits, too.
        """
        now = self._now()
        busy = (
            select(JOBS.c.owner, func.count().label("count"))
            .where(JOBS.c.state == _RUNNING, JOBS.c.wake_time.is_(None) | (JOBS.c.wake_time > now))
            .group_by(JOBS.c.owner)
            .subquery()
        )
        query = (
            select(JOBS)
            .join(busy, busy.c.owner == JOBS.c.owner, isouter=True)
            .where(JOBS.c.state.in_((_PENDING, _RUNNING)), JOBS.c.wake_time <= now)
            .order_by(JOBS.c.priority.desc(), func.coalesce(busy.c.count, 0), JOBS.c.create_time, JOBS.c.job_id)
            .limit(1)
            .with_for_update(of=JOBS, skip_locked=True)
        )
        async with transaction(self._engine) as connection:
            row = (await connection.execute(query)).one_or_none()
            if row is None:
                return None
            values = {
                "attempt": row.attempt + 1,
                "fruitless_count": row.fruitless_count + 1,  # until it stores a step, or gives the job back
                "state": _RUNNING,
                "worker": self._worker,
                "wake_time": self._until(),
            }
            changed = update(JOBS).where(JOBS.c.job_id == row.job_id).values(values)
            taken = (await connection.execute(changed.returning(JOBS, now.label("now")))).one()
            left = taken.deadline_time - taken.now if taken.deadline_time else self._default_deadline
            return Claim(row.owner, await job_of(connection, taken), left.total_seconds(), row.fruitless_count)

    async def holds(self, claim: Claim) -> bool:
        """Return whether a job is still this worker's: not cancelled, nor taken by another."""
        async with reading(self._engine) as connection:
            return await connection.scalar(select(literal(1)).where(*_under(claim))) is not None

    async def left_s(self, claim: Claim) -> float:
        """Return the time until the deadline of a job that is this worker's as it stands now; it moves by outages.

        Raises:
          Fenced: the job is not this worker's any more.
        """
        async with transaction(self._engine) as connection:
            await beat(connection, await clock(connection))
            query = select(JOBS.c.deadline_time, self._now().label("now")).where(*_under(claim))
            row = (await connection.execute(query)).one_or_none()
        if row is None:
            raise Fenced(claim.job.job_id)
        left: timedelta = row.deadline_time - row.now if row.deadline_time else timedelta()
        return left.total_seconds()

    async def renew(self, claims: Sequence[Claim]) -> set[str]:
        """Keep jobs for another lease; return the ids of those that are not this worker's any more."""
        lost = set()
        async with transaction(self._engine) as connection:
            for claim in sorted(claims, key=lambda claim: claim.job.job_id):  # one order for all, or two could deadlock
                mine = update(JOBS).where(*_under(claim)).values(wake_time=self._until())
                if not (await connection.execute(mine)).rowcount:
                    lost.add(claim.job.job_id)
        return lost

    async def give_back(self, claims: Sequence[Claim]) -> None:
        """Let others take jobs now, not when their leases are over. It was no job's fault: the attempt counts not."""
        async with transaction(self._engine) as connection:
            for claim in sorted(claims, key=lambda claim: claim.job.job_id):
                count = case((JOBS.c.fruitless_count > 0, JOBS.c.fruitless_count - 1), else_=0)
                values = {"wake_time": AT_ONCE, "fruitless_count": count}
                await connection.execute(update(JOBS).where(*_under(claim)).values(values))

    async def take_over(self) -> None:
        """Let every job in work be taken: the process that had it is gone. For exclusive records only."""
        assert self.are_exclusive
        async with transaction(self._engine) as connection:
            orphans = update(JOBS).where(JOBS.c.state == _RUNNING)
            await connection.execute(orphans.values(wake_time=AT_ONCE))

    async def overdue(self, limit: int) -> list[Job]:
        """Return jobs that wait for too long: for their turn, or for a person."""
        now = self._now()
        late = (JOBS.c.state == _PENDING) & (JOBS.c.deadline_time <= now)
        unanswered = JOBS.c.state.in_(AWAITING) & (JOBS.c.wake_time <= now)
        query = select(JOBS).where(JOBS.c.wake_time.is_not(None), late | unanswered).order_by(JOBS.c.wake_time)
        async with transaction(self._engine) as connection:
            await beat(connection, await clock(connection))
            rows: Sequence[Row[Any]] = (await connection.execute(query.limit(limit))).all()
            return [await job_of(connection, row) for row in rows]

    def _now(self) -> ColumnElement[datetime]:
        """The database's own time where several machines share it: their clocks differ."""
        if self.are_exclusive:
            return literal(utc_now(), DateTime)
        return func.timezone("utc", func.clock_timestamp(), type_=DateTime)

    def _until(self) -> ColumnElement[datetime] | None:
        return None if self.are_exclusive else self._now() + self._lease


def _under(claim: Claim) -> tuple[Any, ...]:
    return (
        JOBS.c.job_id == claim.job.job_id,
        JOBS.c.attempt == claim.job.attempt,
        JOBS.c.state == _RUNNING,
    )
