"""Removes jobs from the records: an owner's for good and with proof, and old ones on schedule."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import delete, exists, insert, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from loupe.orchestrator.v1.control_pb2 import ErasedJob
from loupe.orchestrator.v1.orchestrator_pb2 import JobSpec, Step
from servers.kit.database import forget_deleted, transaction
from servers.orchestrator import uploads
from servers.orchestrator.journal import clock, timestamp, utc_now
from servers.orchestrator.naming import refs_of
from servers.orchestrator.tables import ERASED, JOBS, NOTICES, STEPS


@dataclass(frozen=True, slots=True)
class OldJob:
    """A job that is to go."""

    owner: str
    job_id: str
    steps: Sequence[Step]


class Removal:
    """Takes jobs off the records of one orchestrator."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def erase_some(self, owner: str, limit: int) -> list[str]:
        """Remove up to `limit` of an owner's jobs, whatever their state, and note the proofs; return their ids.

        Who works on one finds it gone, and stores nothing more. Once none is found, nothing of them is left in a file
        of records either.
        """
        query = select(JOBS.c.job_id).where(JOBS.c.owner == owner).limit(limit).with_for_update()
        async with transaction(self._engine) as connection:
            job_ids = list((await connection.scalars(query)).all())
            for job_id in job_ids:
                bodies = await _bodies(connection, job_id)
                proof = {
                    "job_id": job_id,
                    "owner_sha256": _digest(owner),
                    "log_sha256": hashlib.sha256(b"".join(bodies)).hexdigest(),
                    "step_count": len(bodies),
                    "erase_time": utc_now(),
                }
                await connection.execute(insert(ERASED).values(proof))
            await _remove(connection, job_ids)
        if not job_ids:
            await forget_deleted(self._engine)
        return job_ids

    async def erased(self, owner: str, after_job_id: str, limit: int) -> list[ErasedJob]:
        """Return the proofs of what was erased of an owner, ordered by job id."""
        where = (ERASED.c.owner_sha256 == _digest(owner), ERASED.c.job_id > after_job_id)
        query = select(ERASED).where(*where).order_by(ERASED.c.job_id).limit(limit)
        async with transaction(self._engine) as connection:
            rows = (await connection.execute(query)).all()
        return [
            ErasedJob(
                job_id=row.job_id,
                log_sha256=row.log_sha256,
                step_count=row.step_count,
                erase_time=timestamp(row.erase_time),
            )
            for row in rows
        ]

    async def old(self, age: timedelta, limit: int) -> list[OldJob]:
        """Return jobs that ended that long ago, the oldest first.

        A job that another one comes from stays as long as that: they share files.
        """
        child = JOBS.alias("child")
        query = (
            select(JOBS.c.owner, JOBS.c.job_id)
            .where(JOBS.c.end_time < utc_now() - age, ~exists().where(child.c.parent_job_id == JOBS.c.job_id))
            .order_by(JOBS.c.end_time)
            .limit(limit)
        )
        async with transaction(self._engine) as connection:
            rows = (await connection.execute(query)).all()
            return [
                OldJob(
                    row.owner,
                    row.job_id,
                    [Step.FromString(body) for body in await _bodies(connection, row.job_id)],
                )
                for row in rows
            ]

    async def let_go(self, file_ids: Sequence[str]) -> list[str]:
        """Return those of some uploads that no job names. From here on none may: whoever makes one is refused."""
        async with transaction(self._engine) as connection:
            await uploads.alone(connection)
            return await uploads.let_go(connection, file_ids, await clock(connection))

    async def untidied(self, age: timedelta, limit: int) -> list[tuple[str, str, set[str]]]:
        """Return the owner, id and the ids of all files it names of jobs that ended that long ago, the oldest first.

        Only those that nobody has called `tidied`.
        """
        query = select(JOBS).where(JOBS.c.tidy_time < utc_now() - age).order_by(JOBS.c.tidy_time).limit(limit)
        async with transaction(self._engine) as connection:
            rows = (await connection.execute(query)).all()
            found = []
            for row in rows:
                steps = [Step.FromString(body) for body in await _bodies(connection, row.job_id)]
                named = {ref.file_id for message in (JobSpec.FromString(row.spec), *steps) for ref in refs_of(message)}
                found.append((row.owner, row.job_id, named))
        return found

    async def tidied(self, job_id: str) -> None:
        """Note that nothing is left of a job's cut attempts."""
        async with transaction(self._engine) as connection:
            await connection.execute(update(JOBS).where(JOBS.c.job_id == job_id).values(tidy_time=None))

    async def remove(self, job_id: str) -> bool:
        """Remove a job that has ended, if nobody did and no other came from it meanwhile; return whether it went."""
        child = JOBS.alias("child")
        query = select(JOBS.c.job_id).where(
            JOBS.c.job_id == job_id, JOBS.c.end_time.is_not(None), ~exists().where(child.c.parent_job_id == job_id)
        )
        async with transaction(self._engine) as connection:
            is_there = await connection.scalar(query.with_for_update(of=JOBS)) is not None
            if is_there:
                await _remove(connection, [job_id])
        return is_there


async def _bodies(connection: Any, job_id: str) -> Sequence[bytes]:
    query = select(STEPS.c.body).where(STEPS.c.job_id == job_id).order_by(STEPS.c.sequence)
    bodies: Sequence[bytes] = (await connection.scalars(query)).all()
    return bodies


async def _remove(connection: Any, job_ids: Sequence[str]) -> None:
    await uploads.forget(connection, job_ids)
    for table in (NOTICES, STEPS, JOBS):
        await connection.execute(delete(table).where(table.c.job_id.in_(job_ids)))


def _digest(owner: str) -> str:
    return hashlib.sha256(owner.encode()).hexdigest()
