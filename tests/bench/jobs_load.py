"""Load on an orchestrator: callers who wait for each job, and callers who don't."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any

import grpc

from loupe.orchestrator.v1 import orchestrator_pb2 as pb
from servers.kit.status import from_rpc_error
from tests.bench.jobs_world import Site

_DRAINS_WITHIN_S = 120.0
_PAGE = 100


@dataclass
class Flow:
    """What callers saw who wait for each job."""

    seconds: float
    took_s: list[float] = field(default_factory=list)
    """From accepted to its end."""
    first_step_s: list[float] = field(default_factory=list)
    """From accepted to its first step."""

    @property
    def jobs_per_s(self) -> float:
        return len(self.took_s) / self.seconds


async def wait_for_each(stub: Any, spec: pb.JobSpec, *, callers: int, seconds: float) -> Flow:
    """Let each caller run one job after the other, seen to its end; count those that end in time."""
    flow = Flow(seconds)
    until = time.perf_counter() + seconds

    async def call() -> None:
        while time.perf_counter() < until:
            took, first = await run_one(stub, spec)
            if time.perf_counter() < until:
                flow.took_s.append(took)
                flow.first_step_s.append(first)

    async with asyncio.TaskGroup() as group:
        for _ in range(callers):
            group.create_task(call())
    return flow


async def run_one(stub: Any, spec: pb.JobSpec) -> tuple[float, float]:
    """Run a job; return the seconds from accepted to its end and to its first step."""
    accepted = first = 0.0
    last = None
    async for event in stub.RunJob(pb.RunJobRequest(spec=spec)):
        if event.HasField("job"):
            accepted = time.perf_counter()
        elif event.HasField("step"):
            first = first or time.perf_counter()
            last = event.step
    if last is None or last.job_state != pb.JOB_STATE_SUCCEEDED:
        raise SystemExit(f"the job failed: {last}")
    return time.perf_counter() - accepted, first - accepted


@dataclass
class Offered:
    """What came of jobs that were offered whether there was room or not."""

    began: float
    ended: float
    accepted: list[str] = field(default_factory=list)
    refused: int = 0
    answered_otherwise: list[str] = field(default_factory=list)
    """Refusals that are none, or that don't say when to come again."""


async def offer(site: Site, *, rate: float, seconds: float) -> Offered:
    """Offer jobs at a rate, each once, without waiting for any."""
    offered = Offered(time.time(), time.time() + seconds)

    async def create() -> None:
        try:
            response = await site.stub.CreateJob(pb.CreateJobRequest(spec=site.spec()))
        except grpc.aio.AioRpcError as error:
            refusal = from_rpc_error(error)
            if refusal.code == "RESOURCE_EXHAUSTED" and refusal.retry_after_s:
                offered.refused += 1
            else:
                offered.answered_otherwise.append(f"{refusal.code}: {refusal.message}")
        else:
            offered.accepted.append(response.job.job_id)

    async with asyncio.TaskGroup() as group:
        for index in range(round(rate * seconds)):
            await asyncio.sleep(offered.began + index / rate - time.time())
            group.create_task(create())
    return offered


async def drain(site: Site) -> list[float]:
    """Wait until no job is left to do; return when each that succeeded ended, in order."""
    async with asyncio.timeout(_DRAINS_WITHIN_S):
        while True:
            jobs = await _all_jobs(site)
            if all(job.HasField("end_time") for job in jobs):
                ends = [job.end_time.ToNanoseconds() / 1e9 for job in jobs if job.state == pb.JOB_STATE_SUCCEEDED]
                return sorted(ends)
            await asyncio.sleep(0.5)


async def _all_jobs(site: Site) -> list[pb.Job]:
    jobs: list[pb.Job] = []
    token = ""
    while True:
        page = await site.stub.ListJobs(pb.ListJobsRequest(page_size=_PAGE, page_token=token))
        jobs += page.jobs
        token = page.next_page_token
        if not token:
            return jobs
