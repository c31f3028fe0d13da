"""The step log: the only truth about a job. A step is stored, then told; a stale worker stores nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp
from sqlalchemy import DateTime, case, func, insert, literal, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncEngine

from loupe.orchestrator.v1.orchestrator_pb2 import Ancestry, Job, JobPriority, JobSpec, JobState, Step
from loupe.reasoning.v1.reasoning_pb2 import Action
from servers.kit.database import reading, transaction
from servers.kit.errors import NotFound, RequestIdReused
from servers.kit.ids import new_id
from servers.kit.pages import read_token, write_token
from servers.orchestrator import step_rows, uploads
from servers.orchestrator.tables import JOBS, STEPS
from servers.orchestrator.tails import Tails

AWAITING = frozenset({JobState.JOB_STATE_AWAITING_APPROVAL, JobState.JOB_STATE_AWAITING_INPUT})
AT_ONCE = datetime(1970, 1, 1)
"""The wake time of a job that anybody may take: before now by every clock."""
TERMINAL = frozenset({JobState.JOB_STATE_SUCCEEDED, JobState.JOB_STATE_FAILED, JobState.JOB_STATE_CANCELLED})


class Fenced(Exception):
    """The job has ended, or another attempt has it: what this one does no longer counts."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """How many jobs wait for their turn."""

    count: int
    of_owner_count: int


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
        admit: Callable[[Waiting], None],
        deadline_s: float,
        ancestry: Ancestry | None = None,
        copied: Sequence[Step] = (),
    ) -> tuple[Job, bool]:
        """Record a job as PENDING; return it, and whether it is new.

        Args:
          admit: raises where there is no room; not asked about a job that is on record already.
          deadline_s: time of a job that names none.
          ancestry: where it comes from, if from another job.
          copied: what it takes over from there, as its first steps.
        Raises:
          RequestIdReused: the same request id came with another spec.
          NotFound: an upload that it names goes just now.
        """
        job_id = new_id("job")
        origin = ancestry.SerializeToString(deterministic=True) if ancestry else None
        same = (JOBS.c.owner == owner, JOBS.c.request_id == request_id)
        async with transaction(self._engine) as connection:
            row = await _row(connection, *same) if request_id else None
            if row is None:
                # So that a bound is a bound, and no upload goes that this one names.
                await uploads.alone(connection)
                # Another process may have made the same job while this one waited.
                row = await _row(connection, *same) if request_id else None
            if row is not None:
                if JobSpec.FromString(row.spec) != spec or row.ancestry != origin:
                    raise RequestIdReused(f"request_id {request_id!r} was used for another job")
                return await job_of(connection, row), False
            waiting, now = await _waiting(connection, owner)
            admit(waiting)
            time_s = spec.deadline.ToMilliseconds() / 1000 if spec.HasField("deadline") else deadline_s
            values = {
                "job_id": job_id,
                "owner": owner,
                "request_id": request_id or job_id,
                "spec": spec.SerializeToString(deterministic=True),
                "ancestry": origin,
                "parent_job_id": ancestry.job_id if ancestry else None,
                "state": JobState.JOB_STATE_PENDING,
                "attempt": 0,
                "last_sequence": 0,
                "create_time": now,
                "priority": spec.priority or JobPriority.JOB_PRIORITY_NORMAL,
                "deadline_time": now + timedelta(seconds=time_s),
                "wake_time": AT_ONCE,
            }
            row = (await connection.execute(insert(JOBS).values(values).returning(JOBS))).one()
            await uploads.name(connection, job_id, spec)
            if copied:
                await _add(connection, row, copied)
                row = await _row(connection, JOBS.c.job_id == job_id)
            return await job_of(connection, row), True

    async def check_room(self, owner: str, request_id: str, admit: Callable[[Waiting], None]) -> None:
        """Call `admit` as `create` would, before anything else is asked about a job. Only `create` decides."""
        async with reading(self._engine) as connection:
            same = (JOBS.c.owner == owner, JOBS.c.request_id == request_id)
            if not request_id or await _row(connection, *same) is None:
                admit((await _waiting(connection, owner))[0])

    async def append(
        self, job_id: str, attempt: int | None, *steps: Step, after_sequence: int | None = None
    ) -> list[Step]:
        """Store steps as the job's next, all or none, and return them with their numbers.

        Args:
          attempt: under which attempt; None for the owner, whose word counts whoever works.
          steps: each with its `body` and `job_state`.
          after_sequence: of the step that they follow. Where they follow it already, they were stored by a call whose
            answer was lost, and are not stored again.
        Raises:
          Fenced: the job has ended or another attempt has it; nothing was stored.
          TooLarge: no watcher could be sent a step.
        """
        async with transaction(self._engine) as connection:
            stored = await _append(connection, job_id, attempt, steps, after_sequence)
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
            asked = Step.FromString(await _body(connection, job_id, sequence))
            stored = await _add(connection, row, steps)
            if row.deadline_time is not None:
                # A person's time is not the job's.
                waited = stored[0].create_time.ToDatetime() - asked.create_time.ToDatetime()
                later = update(JOBS).where(JOBS.c.job_id == job_id)
                await connection.execute(later.values(deadline_time=row.deadline_time + waited))
        self._tails.tell(job_id)

    async def get(self, owner: str, job_id: str) -> Job:
        """Return an owner's job. Raises NotFound, also for someone else's."""
        async with reading(self._engine) as connection:
            row = await _row(connection, JOBS.c.owner == owner, JOBS.c.job_id == job_id)
            if row is None:
                raise NotFound(f"there is no job {job_id}")
            return await job_of(connection, row)

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
            jobs = [_shortened(await job_of(connection, row)) for row in rows[:size]]
        last = rows[size - 1] if len(rows) > size else None
        return jobs, write_token(last.create_time, last.job_id) if last else ""

    async def steps(self, job_id: str, after_sequence: int, limit: int) -> list[Step]:
        """Return a job's steps after a number, in order, at most `limit`."""
        query = select(STEPS.c.body).where(STEPS.c.job_id == job_id, STEPS.c.sequence > after_sequence)
        async with reading(self._engine) as connection:
            bodies: Sequence[bytes] = (await connection.scalars(query.order_by(STEPS.c.sequence).limit(limit))).all()
        return [Step.FromString(body) for body in bodies]


async def _row(connection: Any, *where: Any) -> Any:
    return (await connection.execute(select(JOBS).where(*where))).one_or_none()


async def clock(connection: Any) -> datetime:
    """Return the time by the clock that deadlines are held against: the database's, where machines share it."""
    if connection.dialect.name != "postgresql":
        return utc_now()
    now: datetime = await connection.scalar(select(_clock(connection)))
    return now


def _clock(connection: Any) -> Any:
    if connection.dialect.name == "postgresql":
        return func.timezone("utc", func.clock_timestamp(), type_=DateTime)
    return literal(utc_now(), DateTime)


async def _waiting(connection: Any, owner: str) -> tuple[Waiting, datetime]:
    """Return how many jobs wait, and the time by the clock."""
    of_owner = func.count(case((JOBS.c.owner == owner, 1)))
    query = select(func.count(), of_owner, _clock(connection)).where(JOBS.c.state == JobState.JOB_STATE_PENDING)
    count, of_owner_count, now = (await connection.execute(query)).one()
    return Waiting(count, of_owner_count), now


async def _body(connection: Any, job_id: str, sequence: int) -> Any:
    where = (STEPS.c.job_id == job_id, STEPS.c.sequence == sequence)
    return await connection.scalar(select(STEPS.c.body).where(*where))


async def _locked(connection: Any, job_id: str) -> Any:
    """Return a job's row, which no other process changes before the transaction ends."""
    return (await connection.execute(select(JOBS).where(JOBS.c.job_id == job_id).with_for_update())).one_or_none()


async def _append(
    connection: Any, job_id: str, attempt: int | None, steps: Sequence[Step], after_sequence: int | None
) -> list[Step]:
    """Store steps as `Journal.append` does; where all is as its caller knows it, in two statements."""
    if attempt is not None and after_sequence is not None:
        now = utc_now()
        stored = step_rows.numbered(steps, attempt, after_sequence, now)
        as_known = (JOBS.c.job_id == job_id, JOBS.c.attempt == attempt, JOBS.c.last_sequence == after_sequence)
        change = update(JOBS).where(*as_known, JOBS.c.state.not_in(TERMINAL)).values(_moved_to(stored[-1], now))
        row = (await connection.execute(change.returning(JOBS.c.job_id, JOBS.c.spec))).one_or_none()
        if row is not None:
            await step_rows.write(connection, row, stored, now)
            return stored
    row = await _locked(connection, job_id)
    if after_sequence is not None and row is not None and row.last_sequence > after_sequence:
        stored = await step_rows.following(connection, row, after_sequence)
        if [step_rows.told(step) for step in stored] == [step_rows.told(step) for step in steps]:
            return stored
        raise Fenced(job_id)
    if row is None or row.state in TERMINAL or attempt not in (None, row.attempt):
        raise Fenced(job_id)
    return await _add(connection, row, steps)


async def _add(connection: Any, row: Any, steps: Iterable[Step]) -> list[Step]:
    """Store steps behind a job's last one; its row is this transaction's."""
    now = utc_now()
    stored = step_rows.numbered(steps, row.attempt, row.last_sequence, now)
    await step_rows.write(connection, row, stored, now)
    await connection.execute(update(JOBS).where(JOBS.c.job_id == row.job_id).values(_moved_to(stored[-1], now)))
    return stored


def _moved_to(last: Step, now: datetime) -> dict[str, Any]:
    """Return what a job's row says once this is its last step."""
    values: dict[str, Any] = {"last_sequence": last.sequence, "state": last.job_state, "fruitless_count": 0}
    if last.job_state in TERMINAL:
        values |= {"end_time": now, "wake_time": None, "tidy_time": now}
    elif last.job_state in AWAITING:
        values["wake_time"] = asked_until(last.action)
    elif last.job_state == JobState.JOB_STATE_PENDING:
        values["wake_time"] = AT_ONCE
    return values


def asked_until(action: Action) -> datetime:
    """Return when a person's time is over."""
    ask = action.ask_person if action.HasField("ask_person") else action.ask_approval
    return ask.expire_time.ToDatetime()


async def job_of(connection: Any, row: Any) -> Job:
    """Return the job of a row."""
    job = Job(
        job_id=row.job_id,
        state=row.state,
        spec=JobSpec.FromString(row.spec),
        create_time=timestamp(row.create_time),
        attempt=row.attempt,
        last_sequence=row.last_sequence,
    )
    if row.ancestry is not None:
        job.ancestry.ParseFromString(row.ancestry)
    if row.state not in TERMINAL | AWAITING:
        return job
    last = Step.FromString(await _body(connection, row.job_id, row.last_sequence))
    if row.state in AWAITING:
        job.awaiting.CopyFrom(last.action)
    else:
        job.end_time.CopyFrom(timestamp(row.end_time))
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


def utc_now() -> datetime:
    """Return the time as the tables hold it."""
    return datetime.now(UTC).replace(tzinfo=None)


def timestamp(value: datetime) -> Timestamp:
    """Return a time of the tables as messages hold it."""
    stamp = Timestamp()
    stamp.FromDatetime(value)
    return stamp
