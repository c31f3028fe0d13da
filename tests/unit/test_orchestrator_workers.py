"""Jobs wait, run and end as promised, over a real journal and with a loop that does as told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.ext.asyncio import AsyncEngine

from loupe.orchestrator.v1 import incident_pb2
from loupe.orchestrator.v1.orchestrator_pb2 import FinalAnswer, Job, JobPriority, JobSpec, JobState, Step, Thought
from loupe.type.v1.file_ref_pb2 import FileRef
from servers.kit.config import ServerSettings
from servers.kit.database import open_database, transaction
from servers.kit.errors import Overloaded
from servers.kit.mesh import Mesh
from servers.kit.postgres import Schema
from servers.orchestrator import workers as workers_module
from servers.orchestrator.backlog import Backlog
from servers.orchestrator.caretaker import Caretaker
from servers.orchestrator.claims import Claims
from servers.orchestrator.job_view import JobView
from servers.orchestrator.journal import AT_ONCE, Fenced, Journal
from servers.orchestrator.removal import Removal
from servers.orchestrator.retries import Recovery
from servers.orchestrator.tables import JOBS, PULSE
from servers.orchestrator.tails import Tails
from servers.orchestrator.workers import Workers
from tests.postgres import schema

MIGRATIONS = Path(workers_module.__file__).parent / "migrations"
KINDS = incident_pb2.IncidentKind
THOUGHT = Step(thought=Thought(text="So it goes."), job_state=JobState.JOB_STATE_RUNNING)
LAST = Step(answer=FinalAnswer(), job_state=JobState.JOB_STATE_SUCCEEDED)


class ToldLoop:
    """Stores a thought if that is not on record, waits for leave, stores the answer."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.leave = asyncio.Event()
        self.thinks = True
        self.began: asyncio.Queue[str] = asyncio.Queue()

    async def run(self, view: JobView) -> None:
        if self.thinks and not view.last_sequence:
            await self.journal.append(view.job_id, view.attempt, THOUGHT)
        self.began.put_nowait(view.job_id)
        await self.leave.wait()
        await self.journal.append(view.job_id, view.attempt, LAST)


class World:
    """One process that works on the jobs of a database."""

    def __init__(self, engine: AsyncEngine, settings: dict[str, Any]) -> None:
        self.engine = engine
        self.tails = Tails()
        self.journal = Journal(engine, self.tails)
        self.loop = ToldLoop(self.journal)
        self.backlog = Backlog(
            self.journal,
            self.tails,
            queue_size=settings["queue_size"],
            owner_queue_size=settings["owner_queue_size"],
            job_deadline_s=60.0,
        )
        self.claims = Claims(engine, "a worker", lease_s=settings["lease_s"], default_deadline_s=60.0)
        self.caretaker = Caretaker(self.journal, self.backlog, self.claims)
        self.workers = Workers(
            self.journal,
            self.backlog,
            self.claims,
            self.tails,
            self.loop,  # type: ignore[arg-type]  # the seam is run()
            Recovery(Mesh("orchestrator", ServerSettings()), within_s=1),
            count=settings["count"],
            renew_every_s=0.1,
        )

    async def enqueue(self, request_id: str = "", owner: str = "local", **spec: Any) -> Job:
        made = JobSpec(inputs=[FileRef(file_id="file_" + "0" * 26)], **spec)
        return await self.backlog.enqueue(owner, request_id, made)

    async def busy(self) -> Job:
        """A job that is in work, and stays so."""
        job = await self.enqueue()
        assert await self.loop.began.get() == job.job_id
        return job

    async def die(self) -> None:
        """End the work as a process's sudden end does: no lease is renewed, nothing given back."""
        tasks = [task for task in (self.workers._taking, self.workers._keeping, *self.workers._in_work) if task]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.workers._taking = self.workers._keeping = None

    async def ended(self, job_id: str) -> Job:
        """The job, once it has ended."""
        with self.tails.follow(job_id) as grown:
            while True:
                grown.clear()
                job = await self.journal.get("local", job_id)
                if job.HasField("end_time"):
                    return job
                await grown.wait()


Open = Callable[..., Any]


@pytest.fixture
def opened(database: Path | Schema) -> Open:
    """Opens the world of one database, again and again."""

    @asynccontextmanager
    async def world(**settings: Any) -> AsyncIterator[World]:
        async with (
            asyncio.timeout(30),
            open_database(database, MIGRATIONS) as engine,
        ):
            made = World(engine, {"count": 1, "queue_size": 2, "owner_queue_size": 100, "lease_s": 5.0} | settings)
            try:
                made.caretaker.start()
                await made.workers.start()
                yield made
            finally:
                await made.workers.close()
                await made.caretaker.close()

    return world


async def test_many_at_once_take_exactly_the_places_there_are(opened):
    async with opened() as it:
        first = await it.busy()
        outcomes = await asyncio.gather(*(it.enqueue() for _ in range(20)), return_exceptions=True)
        taken = [outcome for outcome in outcomes if isinstance(outcome, Job)]
        assert len(taken) == 2
        assert [type(outcome) for outcome in outcomes if not isinstance(outcome, Job)] == [Overloaded] * 18
        jobs, _ = await it.journal.page("local", 50, "")
        assert len(jobs) == 3
        it.loop.leave.set()
        for job in (first, *taken):
            assert (await it.ended(job.job_id)).state == JobState.JOB_STATE_SUCCEEDED


async def test_the_same_request_many_times_at_once_is_one_job_also_when_the_queue_is_full(opened):
    async with opened(queue_size=1) as it:
        await it.busy()
        jobs = await asyncio.gather(*(it.enqueue("once") for _ in range(10)))
        assert len({job.job_id for job in jobs}) == 1
        with pytest.raises(Overloaded, match="1 jobs are waiting"):
            await it.enqueue("another")
        assert (await it.enqueue("once")).job_id == jobs[0].job_id


async def test_a_cancelled_job_frees_its_place_in_the_queue(opened):
    async with opened(queue_size=1) as it:
        await it.busy()
        waiting = await it.enqueue()
        with pytest.raises(Overloaded):
            await it.enqueue()
        await it.backlog.cancel(waiting)
        assert (await it.ended(waiting.job_id)).state == JobState.JOB_STATE_CANCELLED
        await it.enqueue()


async def test_one_owner_leaves_room_in_the_queue_for_the_others(opened):
    async with opened(queue_size=3, owner_queue_size=2) as it:
        await it.busy()
        await it.enqueue()
        await it.enqueue()
        with pytest.raises(Overloaded, match="2 of your jobs are waiting"):
            await it.enqueue()
        await it.enqueue(owner="another")


async def test_priorities_go_first_and_owners_take_turns_within_one(opened):
    async with opened(count=2, queue_size=10) as it:
        mine, theirs = await it.busy(), await it.enqueue(owner="b")
        assert await it.loop.began.get() == theirs.job_id
        batch = await it.enqueue(owner="c", priority=JobPriority.JOB_PRIORITY_LOW)
        second, third = await it.enqueue(), await it.enqueue()
        of_b = await it.enqueue(owner="b")
        of_c = await it.enqueue(owner="c")
        urgent = await it.enqueue(priority=JobPriority.JOB_PRIORITY_HIGH)
        order = []
        for done in (mine, theirs, urgent, of_b, second, of_c):
            await it.backlog.cancel(done)
            order.append(await it.loop.began.get())
        assert order == [job.job_id for job in (urgent, of_b, second, of_c, third, batch)]


async def test_a_caller_that_leaves_while_its_job_is_recorded_leaves_a_job_that_is_worked_on(opened):
    async with opened() as it:
        asking = asyncio.create_task(it.enqueue("left"))
        while not (await it.journal.page("local", 1, ""))[0]:
            asking.cancel()
        assert await it.loop.began.get() == (await it.enqueue("left")).job_id


async def test_a_caller_that_leaves_while_it_cancels_stops_the_work_all_the_same(opened):
    async with opened() as it:
        job = await it.busy()
        asking = asyncio.create_task(it.backlog.cancel(job))
        while not (await it.journal.get("local", job.job_id)).HasField("end_time"):
            asking.cancel()
        waiting = await it.enqueue()
        assert await it.loop.began.get() == waiting.job_id  # in the only place there is


async def test_one_job_that_cannot_be_ended_keeps_no_other_from_its_end(opened, monkeypatch):
    async with opened() as it:
        await it.busy()
        spec = JobSpec()
        spec.deadline.FromMilliseconds(200)
        broken, late = await it.enqueue(deadline=spec.deadline), await it.enqueue(deadline=spec.deadline)
        view: Callable[[Job], Awaitable[JobView]] = it.backlog.view

        async def one_breaks(job: Job) -> JobView:
            if job.job_id == broken.job_id:
                raise KeyError("unforeseen")
            return await view(job)

        monkeypatch.setattr(it.backlog, "view", one_breaks)
        assert (await it.ended(late.job_id)).state == JobState.JOB_STATE_FAILED


async def test_waiting_counts_against_the_deadline(opened):
    async with opened() as it:
        await it.busy()
        spec = JobSpec()
        spec.deadline.FromMilliseconds(300)
        late = await it.ended((await it.enqueue(deadline=spec.deadline)).job_id)
        assert late.incident.kind == KINDS.INCIDENT_KIND_BUDGET_SPENT
        assert late.incident.summary == "the job ran out of time before its turn came"
        assert late.attempt == 0


async def test_a_job_in_work_ends_at_its_deadline(opened):
    async with opened() as it:
        spec = JobSpec()
        spec.deadline.FromMilliseconds(300)
        late = await it.ended((await it.enqueue(deadline=spec.deadline)).job_id)
        assert late.incident.summary == "the job ran out of time"
        assert late.attempt == 1


async def test_every_job_goes_on_after_a_restart_even_when_the_queue_has_become_smaller(opened):
    async with opened(queue_size=5) as it:
        jobs = [await it.busy(), *[await it.enqueue() for _ in range(5)]]
    async with opened(queue_size=1) as it:
        it.loop.leave.set()
        ends = [await it.ended(job.job_id) for job in jobs]
        steps = await it.journal.steps(jobs[0].job_id, 0, 100)
    assert [job.state for job in ends] == [JobState.JOB_STATE_SUCCEEDED] * 6
    assert [(step.WhichOneof("body"), step.attempt) for step in steps] == [("thought", 1), ("answer", 2)]


async def test_a_job_under_which_the_process_dies_each_time_ends_as_an_incident(opened):
    async with opened(lease_s=0.2) as it:
        job = await it.enqueue()
        await it.loop.began.get()
        await it.die()
    for _ in range(5):
        async with opened(lease_s=0.2) as it:
            await it.loop.began.get()
            await it.die()
    async with opened() as it:
        ended = await it.ended(job.job_id)
    assert ended.incident.kind == KINDS.INCIDENT_KIND_WORKER_LOST
    assert ended.incident.summary == "one process after the other ended that ran the job"
    assert ended.attempt == 7


async def test_a_process_that_gives_its_job_back_costs_it_nothing_however_often(opened):
    async with opened() as it:
        job = await it.busy()
    for _ in range(6):
        async with opened() as it:
            assert await it.loop.began.get() == job.job_id
    async with opened() as it:
        it.loop.leave.set()
        ended = await it.ended(job.job_id)
    assert ended.state == JobState.JOB_STATE_SUCCEEDED
    assert ended.attempt == 8


async def test_a_job_whose_records_are_refused_goes_on_as_soon_as_they_are_taken_again(opened, monkeypatch):
    monkeypatch.setattr(workers_module, "STORAGE_RETRY_S", 0.01)
    let_go = asyncio.Event()
    monkeypatch.setattr(workers_module.log, "warning", lambda *_, **__: let_go.set())
    async with opened() as it:
        job = await it.enqueue()
        await it.loop.began.get()
        await _read_only(it.engine, "on")
        it.loop.leave.set()
        await let_go.wait()
        assert (await it.journal.get("local", job.job_id)).state == JobState.JOB_STATE_RUNNING
        await _read_only(it.engine, "off")
        ended = await it.ended(job.job_id)
        steps = await it.journal.steps(job.job_id, 0, 100)
    assert ended.state == JobState.JOB_STATE_SUCCEEDED
    assert [(step.WhichOneof("body"), step.attempt) for step in steps] == [("thought", 1), ("answer", 2)]


async def test_an_outage_is_not_of_a_jobs_time_and_what_ended_is_tidied_once(opened):
    """As with a laptop that slept for an hour, or a database that was away for one."""
    deadline = JobSpec().deadline
    deadline.FromSeconds(20)
    async with opened(count=1) as it:
        in_work, waiting = await it.busy(), await it.enqueue(deadline=deadline)
        await it.die()
        async with transaction(it.engine) as connection:
            for row in (await connection.execute(select(JOBS))).all():
                times = {name: getattr(row, name) - timedelta(hours=1) for name in ("create_time", "deadline_time")}
                await connection.execute(update(JOBS).where(JOBS.c.job_id == row.job_id).values(times))
            beat = (await connection.execute(select(PULSE))).one().beat_time
            await connection.execute(update(PULSE).values(beat_time=beat - timedelta(hours=1)))
            await connection.execute(update(JOBS).values(wake_time=AT_ONCE))
    async with opened() as it:
        it.loop.leave.set()
        for job in (in_work, waiting):
            assert (await it.ended(job.job_id)).state == JobState.JOB_STATE_SUCCEEDED
        removal = Removal(it.engine)
        named = {"file_" + "0" * 26}  # its input; these jobs made nothing
        assert await removal.untidied(timedelta(hours=1), 9) == []
        found = await removal.untidied(timedelta(), 9)
        assert found == [("local", job.job_id, named) for job in (in_work, waiting)]
        await removal.tidied(in_work.job_id)
        assert [job_id for _, job_id, _ in await removal.untidied(timedelta(), 9)] == [waiting.job_id]


async def _read_only(engine: AsyncEngine, state: str) -> None:
    if engine.dialect.name == "sqlite":
        async with engine.begin() as connection:
            await connection.execute(text(f"PRAGMA query_only={state}"))
        return
    async with engine.connect() as plain:
        connection = await plain.execution_options(isolation_level="AUTOCOMMIT")
        await connection.execute(text(f"ALTER SYSTEM SET default_transaction_read_only = {state}"))
        await connection.execute(text("SELECT pg_reload_conf()"))
        while await connection.scalar(text("SHOW default_transaction_read_only")) != state:
            pass


async def test_a_step_whose_answer_was_lost_is_stored_once(opened):
    async with opened() as it:
        job = await it.busy()
        before = (await it.journal.get("local", job.job_id)).last_sequence
        first = await it.journal.append(job.job_id, 1, THOUGHT, after_sequence=before)
        again = await it.journal.append(job.job_id, 1, THOUGHT, after_sequence=before)
        assert again == first
        assert [step.sequence for step in await it.journal.steps(job.job_id, 0, 100)] == [1, 2]
        other = Step(thought=Thought(text="Another."), job_state=JobState.JOB_STATE_RUNNING)
        with pytest.raises(Fenced):
            await it.journal.append(job.job_id, 1, other, after_sequence=before)


async def test_two_processes_share_the_work_and_one_takes_up_what_the_other_lost(postgres):
    where = schema(postgres.new_database(), "records")
    async with asyncio.timeout(30), open_database(where, MIGRATIONS) as engine:
        settings = {"count": 1, "queue_size": 9, "owner_queue_size": 9, "lease_s": 0.5}
        one, other = World(engine, settings), World(engine, settings)
        await one.workers.start()
        await other.workers.start()
        jobs = [await one.enqueue(), await one.enqueue()]
        assert {await one.loop.began.get(), await other.loop.began.get()} == {job.job_id for job in jobs}
        await one.die()
        other.loop.leave.set()
        for job in jobs:
            assert (await other.ended(job.job_id)).state == JobState.JOB_STATE_SUCCEEDED
        await other.workers.close()


async def test_jobs_cut_off_at_any_moment_leave_logs_without_a_gap(opened):
    async with opened(count=4, queue_size=100) as it:
        it.loop.leave.set()
        jobs = [await it.enqueue() for _ in range(40)]
        for index, job in enumerate(jobs):
            if index % 2:
                await it.backlog.cancel(job)
        for job in jobs:
            ended = await it.ended(job.job_id)
            steps = await it.journal.steps(job.job_id, 0, 100)
            assert [step.sequence for step in steps] == list(range(1, ended.last_sequence + 1))
            assert steps[-1].job_state == ended.state
            assert sum(step.job_state in (5, 6, 7) for step in steps) == 1
