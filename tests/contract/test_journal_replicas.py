"""The step log, written by several processes at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from loupe.orchestrator.v1.orchestrator_pb2 import FinalAnswer, Job, JobSpec, JobState, Step, Thought
from loupe.type.v1.file_ref_pb2 import FileRef
from servers.kit.database import open_database
from servers.orchestrator import journal as journal_module
from servers.orchestrator.claims import Claims
from servers.orchestrator.journal import Fenced, Journal, Waiting
from servers.orchestrator.tails import Tails
from tests.postgres import PostgresServer, schema

MIGRATIONS = Path(journal_module.__file__).parent / "migrations"
SPEC = JobSpec(inputs=[FileRef(file_id="file_" + "0" * 26)])
THOUGHT = Step(thought=Thought(text="So it goes."), job_state=JobState.JOB_STATE_RUNNING)
LAST = Step(answer=FinalAnswer(), job_state=JobState.JOB_STATE_SUCCEEDED)


def admit(waiting: Waiting) -> None:
    """There is room."""


@pytest.fixture
async def engines(postgres: PostgresServer) -> AsyncIterator[list[AsyncEngine]]:
    """Those of three processes over one schema."""
    where = schema(postgres.new_database(), "orchestrator")
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(open_database(where, MIGRATIONS)) for _ in range(3)]


@pytest.fixture
async def journals(engines: list[AsyncEngine]) -> list[Journal]:
    return [Journal(engine, Tails()) for engine in engines]


def claims_of(engines: list[AsyncEngine], *, lease_s: float) -> list[Claims]:
    return [Claims(engine, f"worker {n}", lease_s=lease_s, default_deadline_s=60) for n, engine in enumerate(engines)]


async def made(journal: Journal) -> Job:
    job, _ = await journal.create("local", "", SPEC, admit=admit, deadline_s=60)
    return job


async def test_the_same_request_to_every_process_at_once_is_one_job(journals):
    asked = (journal.create("local", "once", SPEC, admit=admit, deadline_s=60) for journal in journals * 3)
    answers = await asyncio.gather(*asked)
    assert len({job.job_id for job, _ in answers}) == 1
    assert sorted(is_new for _, is_new in answers) == [False] * 8 + [True]


async def test_steps_of_several_processes_get_numbers_without_gap_or_repeat(journals):
    job = await made(journals[0])
    stored = await asyncio.gather(*(journal.append(job.job_id, 0, THOUGHT) for journal in journals * 10))
    assert sorted(step.sequence for steps in stored for step in steps) == list(range(1, 31))
    assert [step.sequence for step in await journals[1].steps(job.job_id, 0, 100)] == list(range(1, 31))


async def test_of_several_that_ask_at_once_each_gets_another_job(engines, journals):
    jobs = [await made(journals[0]) for _ in range(2)]
    taken = await asyncio.gather(*(claims.next() for claims in claims_of(engines, lease_s=60)))
    assert sorted(claim.job.job_id for claim in taken if claim) == sorted(job.job_id for job in jobs)
    assert taken.count(None) == 1


async def test_a_job_whose_lease_is_over_is_written_by_the_last_who_took_it_only(engines, journals):
    job = await made(journals[0])
    taken = [await claims.next() for claims in claims_of(engines, lease_s=0)]
    assert [claim.job.attempt for claim in taken if claim] == [1, 2, 3]
    writes = (
        journal.append(job.job_id, claim.job.attempt, THOUGHT, LAST)
        for journal, claim in zip(journals, taken, strict=True)
        if claim
    )
    outcomes = await asyncio.gather(*writes, return_exceptions=True)
    assert sum(isinstance(outcome, Fenced) for outcome in outcomes) == 2
    assert [step.attempt for step in await journals[0].steps(job.job_id, 0, 100)] == [3, 3]


async def test_who_renews_a_lease_learns_that_another_has_the_job(engines, journals):
    await made(journals[0])
    first, second, _ = claims_of(engines, lease_s=0)
    lost, kept = await first.next(), await second.next()
    assert lost is not None and kept is not None
    assert await first.renew([lost]) == {lost.job.job_id}
    assert await second.renew([kept]) == set()


async def test_a_job_is_ended_by_one_process_only(journals):
    job = await made(journals[0])
    ends = (journal.append(job.job_id, None, LAST) for journal in journals * 2)
    outcomes = await asyncio.gather(*ends, return_exceptions=True)
    assert sum(isinstance(outcome, Fenced) for outcome in outcomes) == 5
    assert (await journals[2].get("local", job.job_id)).last_sequence == 1
