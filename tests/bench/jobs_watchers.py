"""Watchers of one job, in a process of their own: `python -m tests.bench.jobs_watchers ADDRESS KEY JOB COUNT`.

Prints what each step took from stored to seen, of those steps that were stored when all were there already.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from contextlib import AsyncExitStack
from typing import Any

from loupe.orchestrator.v1.orchestrator_pb2 import WatchJobRequest
from loupe.orchestrator.v1.orchestrator_service_pb2_grpc import OrchestratorServiceStub
from tests.running import channel_with_key

_OF_ONE_CONNECTION = 100


async def main(address: str, key: str, job_id: str, count: int) -> None:
    """Watch the job to its end, `count` times."""
    seen: list[tuple[float, float]] = []
    arrivals: list[float] = []

    async def watch(stub: Any) -> None:
        is_first = True
        async for event in stub.WatchJob(WatchJobRequest(job_id=job_id)):
            now = time.time()
            if is_first:
                arrivals.append(now)
                is_first = False
            if event.HasField("step"):
                seen.append((event.step.create_time.ToNanoseconds() / 1e9, now))

    # The group ends before the connections do.
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as group:
        for begin in range(0, count, _OF_ONE_CONNECTION):
            stub = OrchestratorServiceStub(await stack.enter_async_context(channel_with_key(address, key)))
            for _ in range(min(_OF_ONE_CONNECTION, count - begin)):
                group.create_task(watch(stub))
    json.dump([at - stored for stored, at in seen if stored > max(arrivals)], sys.stdout)


async def watch_latencies(address: str, key: str, job_id: str, count: int) -> list[float]:
    """Return seconds from stored to seen, of each step at each watcher."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.bench.jobs_watchers", address, key, job_id, str(count)),
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    latencies: list[float] = json.loads(out)
    return latencies


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])))
