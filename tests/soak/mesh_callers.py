"""Callers of a mesh, as the command line calls it: they go on where a stream broke, and hold what they saw."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import grpc

from cli.connection import Connection, again
from cli.job_stream import run_job, watch_job
from loupe.orchestrator.v1 import orchestrator_pb2 as pb
from loupe.orchestrator.v1.control_pb2 import RetryJobRequest
from loupe.orchestrator.v1.incident_pb2 import REMEDY_KIND_RETRY
from loupe.type.v1.file_ref_pb2 import FileRef
from servers.kit.ids import new_id
from tests.soak.jobs_callers import Seen

QUESTION = "What is the total?"
_ENDS_WITHIN_S = 180.0

OnStep = Callable[[int], Awaitable[None]]
"""Awaited with a job's number of steps, when the watcher has seen the last of them."""


@dataclass
class Callers:
    """Callers of one mesh."""

    connection: Connection
    picture: FileRef
    seen: Seen = field(default_factory=Seen)
    told: Counter[str] = field(default_factory=Counter)
    """Incidents that were told of and gone on from, by what they say."""

    async def see_through(self, on_step: OnStep | None = None, *, consents: bool = True) -> str:
        """Have a job made and watch it to its end; return its id, empty where none was accepted."""
        spec = pb.JobSpec(question=QUESTION, inputs=[FileRef(file_id=self.picture.file_id)])
        spec.consents.extend([REMEDY_KIND_RETRY] if consents else [])
        job_id = ""
        try:
            async with asyncio.timeout(_ENDS_WITHIN_S):
                if on_step is not None:
                    await on_step(0)
                async for response in run_job(self.connection, spec):
                    job_id = response.job.job_id or job_id
                    if response.HasField("step"):
                        await self._see(job_id, response.step, on_step)
        except grpc.aio.AioRpcError as error:
            self._object(f"{job_id or 'a new job'}: the caller gave up: {error.code().name}: {error.details()}")
        except TimeoutError:
            count = len(self.seen.steps.get(job_id, ()))
            self._object(f"{job_id} has not ended {_ENDS_WITHIN_S:.0f} s after {count} steps")
        return job_id

    async def retry(self, job_id: str) -> str:
        """Have a job done again, as its incident offers, and watch it to its end; return the new one's id."""
        request = RetryJobRequest(job_id=job_id, request_id=new_id("retry"))
        stub, metadata = self.connection.jobs, self.connection.metadata
        made = (await again(lambda: stub.RetryJob(request, metadata=metadata))).job.job_id
        async with asyncio.timeout(_ENDS_WITHIN_S):
            async for response in watch_job(self.connection, made, 0):
                if response.HasField("step"):
                    await self._see(made, response.step, None)
        return made

    async def _see(self, job_id: str, step: pb.Step, on_step: OnStep | None) -> None:
        steps = self.seen.steps.setdefault(job_id, [])
        if step.sequence != len(steps) + 1:
            self._object(f"{job_id}: step {step.sequence} came after step {len(steps)}")
        steps.append(step)
        if step.HasField("incident") and step.job_state == pb.JOB_STATE_RUNNING:
            self.told[f"{step.incident.summary}: {step.incident.diagnosis}"] += 1
        if on_step is not None:
            await on_step(len(steps))

    def _object(self, text: str) -> None:
        self.seen.objections.append(text)
