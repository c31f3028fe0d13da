"""The step log, written by several processes at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from loupe.orchestrator.v1.orchestrator_pb2 import FinalAnswer, JobSpec, JobState, Step, Thought
from loupe.type.v1.file_ref_pb2 import FileRef
from servers.kit.database import open_database
from servers.orchestrator import journal as journal_module
from servers.orchestrator.journal import Fenced, Journal
from servers.orchestrator.tails import Tails
from tests.postgres import PostgresServer, schema

MIGRATIONS = Path(journal_module.__file__).parent / "migrations"
SPEC = JobSpec(inputs=[FileRef(file_id="file_" + "0" * 26)])
THOUGHT = Step(thought=Thought(text="So it goes."), job_state=JobState.JOB_STATE_RUNNING)
LAST = Step(answer=FinalAnswer(), job_state=JobState.JOB_STATE_SUCCEEDED)


def admit() -> None:
    """There is room."""


@pytest.fixture
async def journals(postgres: PostgresServer) -> AsyncIterator[list[Journal]]:
    """Those of three processes over one schema."""
    where = schema(postgres.new_database(), "orchestrator")
    async with AsyncExitStack() as stack:
        yield [Journal(await stack.enter_async_context(open_database(where, MIGRATIONS)), Tails()) for _ in range(3)]


async def test_the_same_request_to_every_process_at_once_is_one_job(journals):
    asked = (journal.create("local", "once", SPEC, admit=admit) for journal in journals * 3)
    made = await asyncio.gather(*asked)
    assert len({job.job_id for job, _ in made}) == 1
    assert sorted(is_new for _, is_new in made) == [False] * 8 + [True]


async def test_steps_of_several_processes_get_numbers_without_gap_or_repeat(journals):
    job, _ = await journals[0].create("local", "", SPEC, admit=admit)
    attempt = (await journals[0].take(job.job_id)).attempt
    stored = await asyncio.gather(*(journal.append(job.job_id, attempt, THOUGHT) for journal in journals * 10))
    assert sorted(step.sequence for steps in stored for step in steps) == list(range(1, 31))
    assert [step.sequence for step in await journals[1].steps(job.job_id, 0, 100)] == list(range(1, 31))


async def test_a_job_taken_by_several_at_once_is_written_by_the_last_of_them_only(journals):
    job, _ = await journals[0].create("local", "", SPEC, admit=admit)
    taken = await asyncio.gather(*(journal.take(job.job_id) for journal in journals))
    assert sorted(each.attempt for each in taken) == [1, 2, 3]
    writes = (
        journal.append(job.job_id, each.attempt, THOUGHT, LAST) for journal, each in zip(journals, taken, strict=True)
    )
    outcomes = await asyncio.gather(*writes, return_exceptions=True)
    assert sum(isinstance(outcome, Fenced) for outcome in outcomes) == 2
    assert [step.attempt for step in await journals[0].steps(job.job_id, 0, 100)] == [3, 3]


async def test_a_job_is_ended_by_one_process_only(journals):
    job, _ = await journals[0].create("local", "", SPEC, admit=admit)
    ends = (journal.append(job.job_id, None, LAST) for journal in journals * 2)
    outcomes = await asyncio.gather(*ends, return_exceptions=True)
    assert sum(isinstance(outcome, Fenced) for outcome in outcomes) == 5
    assert (await journals[2].get("local", job.job_id)).last_sequence == 1
