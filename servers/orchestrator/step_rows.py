"""Steps as rows of the log: numbered, written, read again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select

from loupe.orchestrator.v1.orchestrator_pb2 import JobSpec, Step
from servers.kit.errors import TooLarge
from servers.kit.limits import MAX_MESSAGE_BYTES
from servers.orchestrator.tables import NOTICES, STEPS

# A step is sent as a part of one message.
MAX_STEP_BYTES = MAX_MESSAGE_BYTES - 64 * 1024
_ROWS_AT_ONCE = 50


def numbered(steps: Iterable[Step], attempt: int, after_sequence: int, now: datetime) -> list[Step]:
    """Return steps as they are stored."""
    found = []
    for sequence, step in enumerate(steps, start=after_sequence + 1):
        stored = Step()
        stored.CopyFrom(step)
        stored.sequence, stored.attempt = sequence, attempt
        stored.create_time.FromDatetime(now)
        found.append(stored)
    return found


async def write(connection: Any, row: Any, steps: Sequence[Step], now: datetime) -> None:
    """Store numbered steps of a job, and that its webhook is to be told of those it wants to know.

    Args:
      row: with the job's `job_id` and `spec`.
    Raises:
      TooLarge: no watcher could be sent a step.
    """
    bodies = [step.SerializeToString() for step in steps]
    for body in bodies:
        if len(body) > MAX_STEP_BYTES:
            raise TooLarge(f"the step has {len(body)} bytes, at most {MAX_STEP_BYTES} can be told to a watcher")
    rows = [
        {"job_id": row.job_id, "sequence": step.sequence, "body": body}
        for step, body in zip(steps, bodies, strict=True)
    ]
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        await connection.execute(insert(STEPS).values(rows[start : start + _ROWS_AT_ONCE]))
    for step in steps:
        if step.HasField("incident") or step.HasField("answer"):
            await _note(connection, row, step.sequence, now)


async def following(connection: Any, row: Any, after_sequence: int) -> list[Step]:
    """Return the steps after a number that the job's present attempt stored."""
    query = select(STEPS.c.body).where(STEPS.c.job_id == row.job_id, STEPS.c.sequence > after_sequence)
    bodies = (await connection.scalars(query.order_by(STEPS.c.sequence))).all()
    return [step for step in map(Step.FromString, bodies) if step.attempt == row.attempt]


def told(step: Step) -> Step:
    """Return a step without what storing it adds."""
    plain = Step()
    plain.CopyFrom(step)
    for field in ("sequence", "attempt", "create_time"):
        plain.ClearField(field)
    return plain


async def _note(connection: Any, row: Any, sequence: int, now: datetime) -> None:
    """Record that the job's webhook is to be told of a step, where it has one."""
    if JobSpec.FromString(row.spec).webhook_url:
        await connection.execute(insert(NOTICES).values(job_id=row.job_id, sequence=sequence, tries=0, due_time=now))
