"""A job that a person steers, for tests: waited for, asked about, decided on."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest

from loupe.orchestrator.v1 import approval_pb2, control_pb2
from loupe.orchestrator.v1 import orchestrator_pb2 as pb
from loupe.orchestrator.v1.incident_pb2 import IncidentKind
from tests.contract.orchestrator_world import World

CODE_FAILED, CODE_DENIED = IncidentKind.INCIDENT_KIND_CODE_FAILED, IncidentKind.INCIDENT_KIND_CODE_DENIED
ALWAYS = approval_pb2.ApprovalPolicy(mode=approval_pb2.APPROVAL_MODE_ALWAYS)
RISKY = approval_pb2.ApprovalPolicy(mode=approval_pb2.APPROVAL_MODE_RISKY)
WRITTEN = hashlib.sha256(b"print(1)\n").hexdigest()
TO_APPROVAL = [
    *("thought", "read_figures", "seen"),
    *("thought", "write_code", "seen", "review_code", "seen", "ask_approval"),
]
TO_END = ["run_code", "seen", "thought", "finish", "draw_overlay", "seen", "answer"]


async def until(it: World, job_id: str, after: int, *states: pb.JobState.ValueType) -> list[pb.Step]:
    """The steps after a number, up to one that leaves the job in one of the states."""
    steps = []
    call = it.jobs.WatchJob(pb.WatchJobRequest(job_id=job_id, after_sequence=after))
    async with asyncio.timeout(20):
        async for event in call:
            if event.HasField("step"):
                steps.append(event.step)
                if event.step.job_state in states:
                    break
    call.cancel()
    return steps


async def asked(it: World, policy: approval_pb2.ApprovalPolicy = ALWAYS, **spec: Any) -> pb.Job:
    """A job that waits for a decision."""
    request = pb.CreateJobRequest(spec=it.spec(approval=policy, **spec))
    job = (await it.jobs.CreateJob(request)).job
    await until(it, job.job_id, 0, pb.JOB_STATE_AWAITING_APPROVAL)
    return await stored(it, job.job_id)


async def stored(it: World, job_id: str) -> pb.Job:
    job: pb.Job = (await it.jobs.GetJob(pb.GetJobRequest(job_id=job_id))).job
    return job


async def rest(it: World, job: pb.Job) -> list[pb.Step]:
    return await until(it, job.job_id, job.last_sequence, *ENDED)


ENDED = (pb.JOB_STATE_SUCCEEDED, pb.JOB_STATE_FAILED, pb.JOB_STATE_CANCELLED)


def decision(job: pb.Job, *, code: str = WRITTEN, **kind: Any) -> control_pb2.DecideApprovalRequest:
    return control_pb2.DecideApprovalRequest(job_id=job.job_id, code_sha256=code, **kind)


APPROVE: dict[str, Any] = {"approve": control_pb2.Approve()}


@asynccontextmanager
async def refused(word: str) -> AsyncIterator[None]:
    with pytest.raises(grpc.aio.AioRpcError, match=word) as caught:
        yield
    assert caught.value.code() == grpc.StatusCode.FAILED_PRECONDITION
