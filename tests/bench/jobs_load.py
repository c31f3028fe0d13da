"""Load on an orchestrator: callers who wait for each job, and callers who don't."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any

import grpc

from loupe.orchestrator.v1 import orchestrator_pb2 as pb
from servers.kit.status import from_rpc_error


@dataclass
class Flow:
    """What callers saw who wait for each job."""

    seconds: float
    """Until the last job ended."""
    took_s: list[float] = field(default_factory=list)
    """From accepted to its end."""
    first_step_s: list[float] = field(default_factory=list)
    """From accepted to its first step."""

    @property
    def jobs_per_s(self) -> float:
        return len(self.took_s) / self.seconds


async def wait_for_each(stub: Any, spec: pb.JobSpec, *, callers: int, seconds: float) -> Flow:
    """Let each caller run one job after the other, seen to its end, and begin none after a time."""
    flow = Flow(seconds)
    began = time.perf_counter()

    async def call() -> None:
        while time.perf_counter() - began < seconds:
            took, first = await run_one(stub, spec)
            flow.took_s.append(took)
            flow.first_step_s.append(first)
            flow.seconds = time.perf_counter() - began

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

    ended_per_s: float = 0.0
    refused: int = 0
    answered_otherwise: list[str] = field(default_factory=list)
    """Refusals that are none, or that don't say when to come again."""


async def offer(stub: Any, spec: pb.JobSpec, *, rate: float, seconds: float, full_after_s: float) -> Offered:
    """Offer jobs at a rate, each once, and see those through that are accepted; count what ends once it is full."""
    offered = Offered()
    began = time.perf_counter()
    ends: list[float] = []

    async def come() -> None:
        try:
            await run_one(stub, spec)
        except grpc.aio.AioRpcError as error:
            refusal = from_rpc_error(error)
            if refusal.code == "RESOURCE_EXHAUSTED" and refusal.retry_after_s:
                offered.refused += 1
            else:
                offered.answered_otherwise.append(f"{refusal.code}: {refusal.message}")
        else:
            ends.append(time.perf_counter() - began)

    async with asyncio.TaskGroup() as group:
        for index in range(round(rate * seconds)):
            await asyncio.sleep(began + index / rate - time.perf_counter())
            group.create_task(come())
    offered.ended_per_s = sum(full_after_s < end <= seconds for end in ends) / (seconds - full_after_s)
    return offered
