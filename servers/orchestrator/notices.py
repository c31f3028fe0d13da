"""What webhooks have not taken yet: the outbox, whose entries are stored with the steps they tell of."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from loupe.orchestrator.v1.orchestrator_pb2 import JobSpec, Step
from servers.kit.database import transaction
from servers.orchestrator.journal import utc_now
from servers.orchestrator.tables import JOBS, NOTICES, STEPS


@dataclass(frozen=True, slots=True)
class Notice:
    """A step that a webhook is to be told of."""

    job_id: str
    url: str
    step: Step
    tries: int
    """That were not taken."""


class Notices:
    """The outbox of one orchestrator's records."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def due(self, limit: int, *, for_s: float) -> list[Notice]:
        """Return what webhooks are to be told of by now, oldest first; nobody else gets them for a time."""
        query = (
            select(NOTICES.c.job_id, NOTICES.c.sequence, NOTICES.c.tries, STEPS.c.body, JOBS.c.spec)
            .join(JOBS, JOBS.c.job_id == NOTICES.c.job_id)
            .join(STEPS, (STEPS.c.job_id == NOTICES.c.job_id) & (STEPS.c.sequence == NOTICES.c.sequence))
            .where(NOTICES.c.due_time <= utc_now())
            .order_by(NOTICES.c.due_time, NOTICES.c.sequence)
            .limit(limit)
            .with_for_update(of=NOTICES, skip_locked=True)
        )
        async with transaction(self._engine) as connection:
            rows = (await connection.execute(query)).all()
            notices = [
                Notice(row.job_id, JobSpec.FromString(row.spec).webhook_url, Step.FromString(row.body), row.tries)
                for row in rows
            ]
            for notice in notices:
                later = utc_now() + timedelta(seconds=for_s)
                await connection.execute(update(NOTICES).where(*_of(notice)).values(due_time=later))
        return notices

    async def put_off(self, notice: Notice, *, for_s: float) -> None:
        """Tell it again later."""
        later = utc_now() + timedelta(seconds=for_s)
        values = update(NOTICES).where(*_of(notice)).values(tries=notice.tries + 1, due_time=later)
        async with transaction(self._engine) as connection:
            await connection.execute(values)

    async def end(self, notice: Notice) -> None:
        """Forget it: it was taken, or never will be."""
        async with transaction(self._engine) as connection:
            await connection.execute(delete(NOTICES).where(*_of(notice)))


def _of(notice: Notice) -> tuple[Any, Any]:
    return NOTICES.c.job_id == notice.job_id, NOTICES.c.sequence == notice.step.sequence
