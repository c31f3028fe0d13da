"""The step log: the only truth about a job. A step is stored, then told; a stale worker stores nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp
from sqlalchemy import delete, insert, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncEngine

from loupe.orchestrator.v1.orchestrator_pb2 import Ancestry, Job, JobSpec, JobState, Step
from servers.kit.database import insert_into, transaction
from servers.kit.errors import NotFound, RequestIdReused, TooLarge
from servers.kit.ids import new_id
from servers.kit.limits import MAX_MESSAGE_BYTES
from servers.kit.pages import read_token, write_token
from servers.orchestrator.tables import JOBS, NOTICES, STEPS
from servers.orchestrator.tails import Tails

# A step is sent as a part of one message.
MAX_STEP_BYTES = MAX_MESSAGE_BYTES - 64 * 1024
AWAITING = frozenset({JobState.JOB_STATE_AWAITING_APPROVAL, JobState.JOB_STATE_AWAITING_INPUT})
TERMINAL = frozenset({JobState.JOB_STATE_SUCCEEDED, JobState.JOB_STATE_FAILED, JobState.JOB_STATE_CANCELLED})


class Fenced(Exception):
    """The job has ended, or another attempt has it: what this one does no longer counts."""


@dataclass(frozen=True, slots=True)
class Notice:
    """A step that a webhook is to be told of."""

    job_id: str
    url: str
    step: Step
    tries: int
    """That were not taken."""


class Journal:
    """The jobs and steps of one orchestrator."""

    def __init__(self, engine: AsyncEngine, tails: Tails) -> None:
        self._engine = engine
        self._tails = tails

    async def create(
        self,
        owner: str,
        request_id: str,
        spec: JobSpec,
        *,
        admit: Callable[[], None],
        ancestry: Ancestry | None = None,
        copied: Sequence[Step] = (),
    ) -> tuple[Job, bool]:
        """Record a job as PENDING; return it, and whether it is new.

        Args:
          admit: raises where there is no room; not asked about a job that is on record already.
          ancestry: where it comes from, if from another job.
          copied: what it takes over from there, as its first steps.
        Raises:
          RequestIdReused: the same request id came with another spec.
        """
        job_id = new_id("job")
        origin = ancestry.SerializeToString(deterministic=True) if ancestry else None
        async with transaction(self._engine) as connection:
            same = (JOBS.c.owner == owner, JOBS.c.request_id == request_id)
            row = await _row(connection, *same) if request_id else None
            if row is None:
                admit()
                values = {
                    "job_id": job_id,
                    "owner": owner,
                    "request_id": request_id or job_id,
                    "spec": spec.SerializeToString(deterministic=True),
                    "ancestry": origin,
                    "state": JobState.JOB_STATE_PENDING,
                    "attempt": 0,
                    "last_sequence": 0,
                    "create_time": _now(),
                }
                # Where another process makes the same job, this waits for it and then makes none.
                made = insert_into(connection, JOBS).values(values).on_conflict_do_nothing()
                if (await connection.execute(made)).rowcount:
                    if copied:
                        await _add(connection, await _row(connection, JOBS.c.job_id == job_id), copied)
                    return await _job(connection, await _row(connection, JOBS.c.job_id == job_id)), True
                row = await _row(connection, *same)
            if JobSpec.FromString(row.spec) != spec or row.ancestry != origin:
                raise RequestIdReused(f"request_id {request_id!r} was used for another job")
            return await _job(connection, row), False

    async def take(self, job_id: str) -> Job:
        """Begin a job's next attempt.

        Raises:
          Fenced: it has ended, or waits for a person.
        """
        async with transaction(self._engine) as connection:
            row = await _locked(connection, job_id)
            if row is None or row.state in TERMINAL | AWAITING:
                raise Fenced(job_id)
            running = update(JOBS).where(JOBS.c.job_id == job_id)
            await connection.execute(running.values(attempt=row.attempt + 1, state=JobState.JOB_STATE_RUNNING))
            return await _job(connection, await _row(connection, JOBS.c.job_id == job_id))

    async def append(self, job_id: str, attempt: int | None, *steps: Step) -> list[Step]:
        """Store steps as the job's next, all or none, and return them with their numbers.

        Args:
          attempt: under which attempt; None for the owner, whose word counts whoever works.
          steps: each with its `body` and `job_state`.
        Raises:
          Fenced: the job has ended or another attempt has it; nothing was stored.
          TooLarge: no watcher could be sent a step.
        """
        async with transaction(self._engine) as connection:
            row = await _locked(connection, job_id)
            if row is None or row.state in TERMINAL or attempt not in (None, row.attempt):
                raise Fenced(job_id)
            stored = await _add(connection, row, steps)
        self._tails.tell(job_id)
        return stored

    async def respond(self, job_id: str, sequence: int, *steps: Step) -> None:
        """Store what follows a step that asks, unless something else followed before.

        Raises:
          Fenced: the job no longer waits at that step; nothing was stored.
        """
        async with transaction(self._engine) as connection:
            row = await _locked(connection, job_id)
            if row is None or row.state not in AWAITING or row.last_sequence != sequence:
                raise Fenced(job_id)
            await _add(connection, row, steps)
        self._tails.tell(job_id)

    async def get(self, owner: str, job_id: str) -> Job:
        """Return an owner's job. Raises NotFound, also for someone else's."""
        async with transaction(self._engine) as connection:
            row = await _row(connection, JOBS.c.owner == owner, JOBS.c.job_id == job_id)
            if row is None:
                raise NotFound(f"there is no job {job_id}")
            return await _job(connection, row)

    async def page(self, owner: str, size: int, token: str) -> tuple[list[Job], str]:
        """Return up to `size` jobs, newest first, and the token of the next page, empty at the end.

        They come without what may be large: an answer's values and an incident's log.
        """
        query = select(JOBS).where(JOBS.c.owner == owner)
        if token:
            query = query.where(tuple_(JOBS.c.create_time, JOBS.c.job_id) < read_token(token))
        query = query.order_by(JOBS.c.create_time.desc(), JOBS.c.job_id.desc()).limit(size + 1)
        async with transaction(self._engine) as connection:
            rows = (await connection.execute(query)).all()
            jobs = [_shortened(await _job(connection, row)) for row in rows[:size]]
        last = rows[size - 1] if len(rows) > size else None
        return jobs, write_token(last.create_time, last.job_id) if last else ""

    async def steps(self, job_id: str, after_sequence: int, limit: int) -> list[Step]:
        """Return a job's steps after a number, in order, at most `limit`."""
        query = select(STEPS.c.body).where(STEPS.c.job_id == job_id, STEPS.c.sequence > after_sequence)
        async with transaction(self._engine) as connection:
            bodies: Sequence[bytes] = (await connection.scalars(query.order_by(STEPS.c.sequence).limit(limit))).all()
        return [Step.FromString(body) for body in bodies]

    async def due_notices(self, limit: int) -> list[Notice]:
        """Return what webhooks are to be told of by now, oldest first."""
        query = (
            select(NOTICES.c.job_id, NOTICES.c.tries, STEPS.c.body, JOBS.c.spec)
            .join(JOBS, JOBS.c.job_id == NOTICES.c.job_id)
            .join(STEPS, (STEPS.c.job_id == NOTICES.c.job_id) & (STEPS.c.sequence == NOTICES.c.sequence))
            .where(NOTICES.c.due_time <= _now())
            .order_by(NOTICES.c.due_time, NOTICES.c.sequence)
            .limit(limit)
        )
        async with transaction(self._engine) as connection:
            rows = (await connection.execute(query)).all()
        return [
            Notice(row.job_id, JobSpec.FromString(row.spec).webhook_url, Step.FromString(row.body), row.tries)
            for row in rows
        ]

    async def put_off_notice(self, notice: Notice, *, for_s: float) -> None:
        """Tell it again later."""
        later = _now() + timedelta(seconds=for_s)
        values = update(NOTICES).where(*_of(notice)).values(tries=notice.tries + 1, due_time=later)
        async with transaction(self._engine) as connection:
            await connection.execute(values)

    async def end_notice(self, notice: Notice) -> None:
        """Forget it: it was taken, or never will be."""
        async with transaction(self._engine) as connection:
            await connection.execute(delete(NOTICES).where(*_of(notice)))

    async def unfinished(self) -> list[tuple[str, Job]]:
        """Return every job that has not ended with its owner, oldest first."""
        query = select(JOBS).where(JOBS.c.state.not_in(TERMINAL)).order_by(JOBS.c.create_time)
        async with transaction(self._engine) as connection:
            rows = (await connection.execute(query)).all()
            return [(row.owner, await _job(connection, row)) for row in rows]


async def _note(connection: Any, row: Any, sequence: int, now: datetime) -> None:
    """Record that the job's webhook is to be told of a step, where it has one."""
    if JobSpec.FromString(row.spec).webhook_url:
        await connection.execute(insert(NOTICES).values(job_id=row.job_id, sequence=sequence, tries=0, due_time=now))


async def _row(connection: Any, *where: Any) -> Any:
    return (await connection.execute(select(JOBS).where(*where))).one_or_none()


async def _locked(connection: Any, job_id: str) -> Any:
    """Return a job's row, which no other process changes before the transaction ends."""
    return (await connection.execute(select(JOBS).where(JOBS.c.job_id == job_id).with_for_update())).one_or_none()


async def _add(connection: Any, row: Any, steps: Iterable[Step]) -> list[Step]:
    now = _now()
    added = []
    for sequence, step in enumerate(steps, start=row.last_sequence + 1):
        stored = Step()
        stored.CopyFrom(step)
        stored.sequence, stored.attempt = sequence, row.attempt
        stored.create_time.FromDatetime(now)
        body = stored.SerializeToString()
        if len(body) > MAX_STEP_BYTES:
            raise TooLarge(f"the step has {len(body)} bytes, at most {MAX_STEP_BYTES} can be told to a watcher")
        await connection.execute(insert(STEPS).values(job_id=row.job_id, sequence=sequence, body=body))
        added.append(stored)
        if stored.HasField("incident") or stored.job_state in TERMINAL:
            await _note(connection, row, sequence, now)
    values: dict[str, Any] = {"last_sequence": added[-1].sequence, "state": added[-1].job_state}
    if added[-1].job_state in TERMINAL:
        values["end_time"] = now
    await connection.execute(update(JOBS).where(JOBS.c.job_id == row.job_id).values(values))
    return added


def _of(notice: Notice) -> tuple[Any, Any]:
    return NOTICES.c.job_id == notice.job_id, NOTICES.c.sequence == notice.step.sequence


async def _job(connection: Any, row: Any) -> Job:
    job = Job(
        job_id=row.job_id,
        state=row.state,
        spec=JobSpec.FromString(row.spec),
        create_time=_timestamp(row.create_time),
        attempt=row.attempt,
        last_sequence=row.last_sequence,
    )
    if row.ancestry is not None:
        job.ancestry.ParseFromString(row.ancestry)
    if row.state not in TERMINAL | AWAITING:
        return job
    where = (STEPS.c.job_id == row.job_id, STEPS.c.sequence == row.last_sequence)
    last = Step.FromString(await connection.scalar(select(STEPS.c.body).where(*where)))
    if row.state in AWAITING:
        job.awaiting.CopyFrom(last.action)
    else:
        job.end_time.CopyFrom(_timestamp(row.end_time))
        if last.HasField("answer"):
            job.answer.CopyFrom(last.answer.answer)
            if last.answer.HasField("bundle"):
                job.bundle.CopyFrom(last.answer.bundle)
        else:
            job.incident.CopyFrom(last.incident)
    return job


def _shortened(job: Job) -> Job:
    if job.HasField("answer"):
        job.answer.ClearField("values")
    if job.HasField("incident"):
        job.incident.ClearField("log_tail")
    return job


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)


def _timestamp(value: datetime) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(value)
    return stamp
