"""Records on a disk without room: nothing new is promised, and what was promised goes on once there is room."""

from __future__ import annotations

import asyncio
import resource

import grpc
import pytest

from loupe.orchestrator.v1 import orchestrator_pb2
from loupe.type.v1.error_reason_pb2 import ErrorReason
from servers.kit.status import from_rpc_error
from tests.contract.orchestrator_world import kinds, world
from tests.contract.scripted_peers import Script

UNLIMITED = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
# No file of the process may be written to, as on a disk that is full; raised again without a restart.
NO_ROOM = (0, resource.RLIM_INFINITY)


async def test_a_job_in_work_ends_whole_after_the_disk_was_full_and_none_is_taken_meanwhile(home):
    script = Script(hang=asyncio.Event())
    async with asyncio.timeout(60), world(home, script) as it:
        pid = it.server.process.pid
        job = (await it.jobs.CreateJob(orchestrator_pb2.CreateJobRequest(spec=it.spec()))).job
        await script.run_began.wait()
        resource.prlimit(pid, resource.RLIMIT_FSIZE, NO_ROOM)
        assert script.hang is not None
        script.hang.set()
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await it.jobs.CreateJob(orchestrator_pb2.CreateJobRequest(spec=it.spec()))
        refusal = from_rpc_error(caught.value)
        assert refusal.code == "UNAVAILABLE"
        assert refusal.reason == ErrorReason.ERROR_REASON_STORAGE_UNAVAILABLE
        while b"step not stored, will try again" not in it.server.log.read_bytes():  # noqa: ASYNC110 - a file
            await asyncio.sleep(0.05)
        # What is on record can still be read.
        request = orchestrator_pb2.GetJobRequest(job_id=job.job_id)
        assert (await it.jobs.GetJob(request)).job.state == orchestrator_pb2.JOB_STATE_RUNNING
        resource.prlimit(pid, resource.RLIMIT_FSIZE, UNLIMITED)
        watch = orchestrator_pb2.WatchJobRequest(job_id=job.job_id)
        steps = [event.step async for event in it.jobs.WatchJob(watch)]
    assert kinds(steps) == [
        *("thought", "read_figures", "seen"),
        *("thought", "write_code", "seen", "review_code", "seen", "run_code", "seen"),
        *("thought", "finish", "draw_overlay", "seen", "answer"),
    ]
    assert [step.sequence for step in steps] == list(range(1, 16))
    assert {step.attempt for step in steps} == {1}
    assert len(script.runs) == 1
