"""Several servers and workers over one database: whoever is killed or cut off, each job ends, each step once."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator

import grpc
import pytest
import pytest_asyncio

from loupe.orchestrator.v1 import orchestrator_pb2
from loupe.orchestrator.v1.approval_pb2 import ApprovalMode, ApprovalPolicy
from loupe.orchestrator.v1.control_pb2 import Approve, DecideApprovalRequest, Reject
from loupe.orchestrator.v1.orchestrator_pb2 import JobState, Step
from loupe.reasoning.v1.reasoning_pb2 import Decision
from servers.kit.errors import StorageUnavailable
from servers.orchestrator.shared_tails import LOOK_EVERY_S
from tests.contract.cluster_world import Cluster, cluster
from tests.contract.orchestrator_world import kinds
from tests.contract.scripted_peers import Script

pytestmark = pytest.mark.asyncio(loop_scope="module")

# A run that fails, a repair, a run that does not.
FIRST_FAILS = frozenset({"print(1)\n"})
WHOLE = [
    *("thought", "read_figures", "seen"),
    *("thought", "write_code", "seen", "review_code", "seen", "run_code", "seen"),
    *("thought", "repair_code", "seen", "review_code", "seen", "run_code", "seen"),
    *("thought", "finish", "draw_overlay", "seen", "answer"),
]
WITHIN_S = 40.0


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def it(module_home, postgres, redis_server) -> AsyncIterator[Cluster]:
    script = Script(failing_sources=FIRST_FAILS)
    async with cluster(module_home, script, postgres.new_database(), redis_server.url, servers=2) as made:
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def undisturbed(it: Cluster) -> str:
    """The digest of the bundle of a job that nothing happened to."""
    async with asyncio.timeout(WITHIN_S):
        job, steps = await it.ended((await it.create()).job_id)
    assert kinds(steps) == WHOLE
    return job.bundle.digest


def assert_whole(job: orchestrator_pb2.Job, steps: list[Step], digest: str) -> None:
    assert job.state == JobState.JOB_STATE_SUCCEEDED
    assert kinds(steps) == WHOLE
    assert [step.sequence for step in steps] == list(range(1, len(WHOLE) + 1))
    assert job.bundle.digest == digest


async def test_a_job_made_at_one_server_is_done_by_a_worker_and_seen_at_another(it, undisturbed):
    async with asyncio.timeout(WITHIN_S):
        job = await it.create()
        steps = [step async for step in it.watch(job.job_id, server=1)]
    assert kinds(steps) == WHOLE


async def test_a_job_whose_workers_are_killed_one_after_the_other_ends_as_if_none_had(it, undisturbed):
    to_kill = ["AnalyzeImage", "RunCode", "RenderOverlay"]

    async def replace() -> None:
        await it.kill(await it.worker_of(job.job_id))
        await it.add_worker()

    async def kill(call: str) -> None:
        if to_kill and call == to_kill[0]:
            del to_kill[0]
            # With its caller this call ends, too.
            await asyncio.shield(asyncio.create_task(replace()))

    async with asyncio.timeout(WITHIN_S):
        it.script.before = kill
        job = await it.create()
        job, steps = await it.ended(job.job_id)
        it.script.before = None
    assert_whole(job, steps, undisturbed)
    assert job.attempt == 4


async def test_a_worker_that_was_frozen_past_its_lease_changes_nothing_when_it_wakes(it, undisturbed):
    async with asyncio.timeout(WITHIN_S):
        it.script.hang = asyncio.Event()
        it.script.run_began.clear()
        job = await it.create()
        await it.script.run_began.wait()
        frozen = await it.worker_of(job.job_id)
        os.kill(frozen, signal.SIGSTOP)
        while await it.worker_of(job.job_id) == frozen:  # noqa: ASYNC110 - a row of a database
            await asyncio.sleep(0.1)
        it.script.hang.set()
        os.kill(frozen, signal.SIGCONT)
        job, steps = await it.ended(job.job_id)
        it.script.hang = None
    assert_whole(job, steps, undisturbed)
    assert {step.attempt for step in steps} == {1, 2}


async def test_a_cancelled_job_stops_its_run_in_whichever_process_that_is(it):
    async with asyncio.timeout(WITHIN_S):
        it.script.hang = asyncio.Event()
        it.script.run_began.clear()
        it.script.run_cancelled.clear()
        job = await it.create()
        await it.script.run_began.wait()
        cancelled = await it.stubs[1].CancelJob(orchestrator_pb2.CancelJobRequest(job_id=job.job_id))
        await it.script.run_cancelled.wait()
        it.script.hang = None
    assert cancelled.job.state == JobState.JOB_STATE_CANCELLED


async def test_of_decisions_at_two_servers_at_once_one_counts_and_nothing_runs_twice(it):
    ended = (JobState.JOB_STATE_FAILED, JobState.JOB_STATE_AWAITING_APPROVAL)
    runs = len(it.script.runs)
    async with asyncio.timeout(WITHIN_S):
        job = await it.create(approval=ApprovalPolicy(mode=ApprovalMode.APPROVAL_MODE_ALWAYS))
        asked = [step async for step in _until(it.watch(job.job_id), ended)][-1]
        digest = asked.action.ask_approval.code_sha256
        yes = DecideApprovalRequest(job_id=job.job_id, code_sha256=digest, approve=Approve())
        no = DecideApprovalRequest(job_id=job.job_id, code_sha256=digest, reject=Reject())
        calls = [stub.DecideApproval(word) for word in (yes, no, yes, no) for stub in it.stubs]
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        steps = [step async for step in _until(it.watch(job.job_id, server=1), ended, after=asked.sequence)]
        await it.stubs[0].CancelJob(orchestrator_pb2.CancelJobRequest(job_id=job.job_id))
    refused = [one for one in outcomes if isinstance(one, grpc.aio.AioRpcError)]
    assert len(refused) == 4  # the other word, however often it was said
    assert {one.code() for one in refused} == {grpc.StatusCode.FAILED_PRECONDITION}
    decided = [step.observation.approval for step in steps if step.observation.HasField("approval")]
    assert [one.code_sha256 for one in decided] == [digest]
    assert len(it.script.runs) - runs == (decided[0].decision == Decision.DECISION_APPROVED)


async def _until(
    steps: AsyncIterator[Step], states: tuple[JobState.ValueType, ...], after: int = 0
) -> AsyncIterator[Step]:
    """The steps up to the first after a number that leaves the job in one of these states."""
    async for step in steps:
        yield step
        if step.sequence > after and step.job_state in states:
            return


async def test_watchers_see_every_step_while_redis_is_gone_and_after_it_is_back(it, undisturbed, redis_server):
    async with asyncio.timeout(WITHIN_S):
        redis_server.kill()
        job, steps = await it.ended((await it.create()).job_id)
        assert_whole(job, steps, undisturbed)
        redis_server.start()
        job, steps = await it.ended((await it.create()).job_id)
    assert_whole(job, steps, undisturbed)


async def test_without_redis_a_job_takes_the_time_it_takes_and_hears_that_it_is_cancelled(
    it, undisturbed, redis_server
):
    async def begun() -> orchestrator_pb2.Job:
        it.script.hang = asyncio.Event()
        it.script.run_began.clear()
        it.script.run_cancelled.clear()
        job: orchestrator_pb2.Job = await it.create()
        await it.script.run_began.wait()
        return job

    async with asyncio.timeout(WITHIN_S):
        redis_server.kill()
        job = await begun()
        # Three times everybody is woken, as somebody may have told something.
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(3 * LOOK_EVERY_S + 0.1):
                await it.script.run_cancelled.wait()
        it.script.hang.set()
        job, steps = await it.ended(job.job_id)
        assert_whole(job, steps, undisturbed)
        assert job.attempt == 1

        job = await begun()
        await it.stubs[0].CancelJob(orchestrator_pb2.CancelJobRequest(job_id=job.job_id))
        await it.script.run_cancelled.wait()
        it.script.hang = None
        redis_server.start()


async def test_a_database_that_is_restarted_in_mid_job_costs_no_step(it, undisturbed, postgres):
    async with asyncio.timeout(WITHIN_S):
        it.script.hang = asyncio.Event()
        it.script.run_began.clear()
        job = await it.create()
        await it.script.run_began.wait()
        await asyncio.to_thread(postgres.stop)
        it.script.hang.set()
        await asyncio.to_thread(postgres.start)
        it.script.hang = None
        while True:
            try:
                job, steps = await it.ended(job.job_id)
                break
            except grpc.aio.AioRpcError:  # the watcher's own call may meet the outage
                await asyncio.sleep(0.1)
    assert_whole(job, steps, undisturbed)


async def test_a_server_that_is_away_while_the_database_is_ends_no_job(it, undisturbed, postgres):
    """Nobody could be told of the job's end; once they can, it can go on."""
    stopping: list[asyncio.Task[None]] = []

    async def stop(call: str) -> None:
        if call == "AnalyzeImage" and not stopping:
            stopping.append(asyncio.create_task(asyncio.to_thread(postgres.stop)))
        await asyncio.gather(*stopping)

    def is_let_go_of() -> bool:
        return any(b"job let go of" in log.read_bytes() for log in it.logs.values())

    async with asyncio.timeout(WITHIN_S):
        it.script.before, it.script.vision_error = stop, StorageUnavailable("the files are away")
        it.script.readings = 0
        job = await it.create()
        while not is_let_go_of():  # noqa: ASYNC110 - files
            await asyncio.sleep(0.05)
        it.script.before = it.script.vision_error = None
        await asyncio.to_thread(postgres.start)
        while True:
            try:
                job, steps = await it.ended(job.job_id)
                break
            except grpc.aio.AioRpcError:  # the watcher's own call may meet the outage
                await asyncio.sleep(0.1)
    assert_whole(job, steps, undisturbed)
    assert {step.attempt for step in steps} == {1, 2}


async def test_a_worker_that_is_asked_to_end_hands_its_jobs_over_at_once(it, undisturbed):
    async with asyncio.timeout(WITHIN_S):
        it.script.hang = asyncio.Event()
        it.script.run_began.clear()
        job = await it.create()
        await it.script.run_began.wait()
        asked = it.workers.pop(await it.worker_of(job.job_id))
        asked.terminate()
        await asked.wait()
        it.script.hang.set()
        job, steps = await it.ended(job.job_id)
        it.script.hang = None
        await it.add_worker()
    assert_whole(job, steps, undisturbed)
    assert asked.returncode == 0


async def test_many_jobs_from_many_owners_at_once_each_end_once(it, undisturbed):
    async with asyncio.timeout(WITHIN_S):
        jobs = await asyncio.gather(*(it.create() for _ in range(20)))
        ended = await asyncio.gather(*(it.ended(job.job_id) for job in jobs))
    for job, steps in ended:
        assert_whole(job, steps, undisturbed)
        assert job.attempt == 1
