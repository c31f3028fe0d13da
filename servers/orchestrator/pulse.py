"""Time in which the records could not be written is no job's: deadlines move by it.

Whoever looks after jobs writes down now and then that the records can be written. A gap between two such beats was an
outage, or a time in which no process lived; the first to look afterwards gives it back to every job that has not ended.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import exists, select, update

from loupe.orchestrator.v1.orchestrator_pb2 import JobState
from servers.orchestrator.tables import JOBS, PULSE

EVERY = timedelta(seconds=4)
GAP = timedelta(seconds=10)
"""A longer one was an outage; a shorter one is a machine that is busy."""
_UNFINISHED = JOBS.c.state.in_((JobState.JOB_STATE_PENDING, JobState.JOB_STATE_RUNNING))


async def beat(connection: Any, now: datetime) -> None:
    """Note that the records can be written; where that was not so for a while, move deadlines. Costs a read, mostly.

    Args:
      now: by the clock that deadlines are held against.
    """
    query = select(PULSE.c.beat_time)
    if abs(now - await connection.scalar(query)) < EVERY:
        return
    if not await connection.scalar(select(exists().where(_UNFINISHED))):
        return  # nobody's time passes
    last = await connection.scalar(query.with_for_update())  # another process may have been faster
    if now - last > GAP:
        await _give_back(connection, last, now)
    await connection.execute(update(PULSE).values(beat_time=now))


async def _give_back(connection: Any, last: datetime, now: datetime) -> None:
    query = select(JOBS.c.job_id, JOBS.c.create_time, JOBS.c.deadline_time)
    rows = (await connection.execute(query.where(_UNFINISHED, JOBS.c.deadline_time.is_not(None)))).all()
    # Rows one by one: the two databases have no arithmetic of times in common.
    for row in sorted(rows, key=lambda row: row.job_id):
        later = row.deadline_time + (now - max(last, row.create_time))
        await connection.execute(update(JOBS).where(JOBS.c.job_id == row.job_id).values(deadline_time=later))
