"""Which uploads may go: no job names one that goes, and none goes that a job names, whoever of the two is first."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import delete, func, insert, select

from loupe.orchestrator.v1.orchestrator_pb2 import JobSpec
from servers.kit.database import insert_into
from servers.kit.errors import NotFound
from servers.orchestrator.naming import refs_of
from servers.orchestrator.tables import JOBS, LEAVING_UPLOADS, NAMED_UPLOADS

LEAVE_FOR = timedelta(days=1)
"""How long no new job may name an upload that is to go. Longer than a call may take that looked at it before, or that
removes it; one that was not removed by then is found again."""


async def alone(connection: Any) -> None:
    """Keep every other process from adding a job, and from letting uploads go, until the transaction ends."""
    if connection.dialect.name == "postgresql":
        await connection.execute(select(func.pg_advisory_xact_lock(func.hashtext(JOBS.name))))


async def name(connection: Any, job_id: str, spec: JobSpec) -> None:
    """Record which uploads a job names that is made in this transaction, which is `alone`.

    Raises:
      NotFound: one of them goes just now.
    """
    file_ids = sorted({ref.file_id for ref in refs_of(spec)})
    if not file_ids:
        return
    leaving = await connection.scalar(
        select(LEAVING_UPLOADS.c.file_id).where(LEAVING_UPLOADS.c.file_id.in_(file_ids)).limit(1)
    )
    if leaving is not None:
        raise NotFound(f"there is no file {leaving}")
    rows = [{"file_id": file_id, "job_id": job_id} for file_id in file_ids]
    await connection.execute(insert(NAMED_UPLOADS), rows)


async def let_go(connection: Any, file_ids: Sequence[str], now: Any) -> list[str]:
    """Return those of some uploads that no job names, and that from here on none may name; `alone`, as `name` is."""
    await connection.execute(delete(LEAVING_UPLOADS).where(LEAVING_UPLOADS.c.leave_time < now - LEAVE_FOR))
    query = select(NAMED_UPLOADS.c.file_id).where(NAMED_UPLOADS.c.file_id.in_(file_ids))
    named = set((await connection.scalars(query)).all())
    going = [file_id for file_id in file_ids if file_id not in named]
    if going:
        rows = [{"file_id": file_id, "leave_time": now} for file_id in going]
        leaving = insert_into(connection, LEAVING_UPLOADS).values(rows)
        later = {"leave_time": leaving.excluded.leave_time}
        await connection.execute(leaving.on_conflict_do_update(index_elements=["file_id"], set_=later))
    return going


async def forget(connection: Any, job_ids: Sequence[str]) -> None:
    """Let jobs that are removed in this transaction name nothing any more."""
    await connection.execute(delete(NAMED_UPLOADS).where(NAMED_UPLOADS.c.job_id.in_(job_ids)))
