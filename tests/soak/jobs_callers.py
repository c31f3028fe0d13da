"""Callers of an orchestrator whose processes are killed under them: they ask again until they are answered.

Each sees its job to the end and holds what it saw against what must be: no step twice, none missing.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random
from typing import TypeVar

import grpc

from loupe.orchestrator.v1 import orchestrator_pb2 as pb
from loupe.orchestrator.v1.incident_pb2 import REMEDY_KIND_RETRY
from tests.bench.jobs_world import Site
from tests.contract.orchestrator_world import kinds

T = TypeVar("T")

# A run that fails, a repair, a run that does not.
FIRST_FAILS = frozenset({"print(1)\n"})
WHOLE = (
    *("thought", "read_figures", "seen"),
    *("thought", "write_code", "seen", "review_code", "seen", "run_code", "seen"),
    *("thought", "repair_code", "seen", "review_code", "seen", "run_code", "seen"),
    *("thought", "finish", "draw_overlay", "seen", "answer"),
)
_AGAIN_AFTER_S = 0.1
_ENDS_WITHIN_S = 120.0
_LONGEST_WAIT_S = 0.3
_TERMINAL = (pb.JOB_STATE_SUCCEEDED, pb.JOB_STATE_FAILED, pb.JOB_STATE_CANCELLED)
# What a caller of a server that dies may hear, and what one hears whose server came back in between.
_PASSING = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED)


@dataclass
class Seen:
    """Jobs as their callers saw them, by id."""

    steps: dict[str, list[pb.Step]] = field(default_factory=dict)
    cancelled: set[str] = field(default_factory=set)
    """Those that were asked to stop."""
    objections: list[str] = field(default_factory=list)


class Callers:
    """Callers of one site."""

    def __init__(self, site: Site, name: str) -> None:
        """Take what tells their jobs from others'."""
        self._site = site
        self._name = name
        self._count = 0
        self.seen = Seen()

    async def see_through(self, made: asyncio.Future[str] | None = None) -> str:
        """Have a job made, and watch it to its end; return its id. `made` learns it before."""
        job_id = await self._make()
        if made is not None:
            made.set_result(job_id)
        await self.watch(job_id)
        return job_id

    async def cancel(self, after_s: float) -> None:
        """Have a job made, stop it after a time, and see that it ended."""
        job_id = await self._make()
        await asyncio.sleep(after_s)
        await self._patiently(lambda: self._site.stub.CancelJob(pb.CancelJobRequest(job_id=job_id)))
        self.seen.cancelled.add(job_id)
        await self.watch(job_id)

    async def watch(self, job_id: str) -> None:
        """Watch a job to its end, and on where the server left off."""
        steps = self.seen.steps.setdefault(job_id, [])
        try:
            async with asyncio.timeout(_ENDS_WITHIN_S):
                while not (steps and steps[-1].job_state in _TERMINAL):
                    try:
                        await self._watch_on(job_id, steps)
                    except grpc.aio.AioRpcError as error:
                        self._forgive(error, job_id)
                        await asyncio.sleep(_AGAIN_AFTER_S)
        except TimeoutError:
            self._object(f"{job_id} has not ended {_ENDS_WITHIN_S:.0f} s after {len(steps)} steps")

    async def cancel_many(self, count: int, random: Random, *, at_once: int) -> None:
        """Cancel as many jobs, most of them early."""
        waits = iter([_LONGEST_WAIT_S * random.random() ** 2 for _ in range(count)])

        async def call() -> None:
            for wait_s in waits:
                await self.cancel(wait_s)

        async with asyncio.TaskGroup() as group:
            for _ in range(at_once):
                group.create_task(call())

    async def _make(self) -> str:
        """Have a job made, once, however often it takes to be told so."""
        self._count += 1
        spec = self._site.spec(consents=[REMEDY_KIND_RETRY])
        request = pb.CreateJobRequest(spec=spec, request_id=f"{self._name}-{self._count}")
        job_id: str = (await self._patiently(lambda: self._site.stub.CreateJob(request))).job.job_id
        if job_id in self.seen.steps:
            self._object(f"{job_id} was made for two requests")
        self.seen.steps[job_id] = []
        return job_id

    async def _watch_on(self, job_id: str, steps: list[pb.Step]) -> None:
        request = pb.WatchJobRequest(job_id=job_id, after_sequence=len(steps))
        async for event in self._site.stub.WatchJob(request):
            if not event.HasField("step"):
                continue
            if event.step.sequence != len(steps) + 1:
                self._object(f"{job_id}: step {event.step.sequence} came after step {len(steps)}")
                return
            steps.append(event.step)

    async def _patiently(self, call: Callable[[], Awaitable[T]]) -> T:
        async with asyncio.timeout(_ENDS_WITHIN_S):
            while True:
                try:
                    return await call()
                except grpc.aio.AioRpcError as error:
                    self._forgive(error, "a call")
                    await asyncio.sleep(_AGAIN_AFTER_S)

    def _forgive(self, error: grpc.aio.AioRpcError, whose: str) -> None:
        if error.code() not in _PASSING:
            self._object(f"{whose}: {error.code().name}: {error.details()}")

    def _object(self, text: str) -> None:
        self.seen.objections.append(text)


@asynccontextmanager
async def busy(see_through: Callable[[], Awaitable[object]], count: int) -> AsyncIterator[None]:
    """Let so many see through one job after the other until the block ends; it ends with the last of their jobs."""
    is_over = asyncio.Event()

    async def call() -> None:
        while not is_over.is_set():
            await see_through()

    async with asyncio.TaskGroup() as group:
        for _ in range(count):
            group.create_task(call())
        try:
            yield
        finally:
            is_over.set()


def undone(steps: list[pb.Step], whole: Sequence[str] = WHOLE) -> str:
    """Return what is wrong with a whole job's steps, told incidents aside; empty where nothing is."""
    happened = [kind for kind in kinds(steps) if kind != "incident"]
    if happened != list(whole):
        return f"it did {happened}"
    if [step.sequence for step in steps] != list(range(1, len(steps) + 1)):
        return f"its steps are {[step.sequence for step in steps]}"
    if [step.attempt for step in steps] != sorted(step.attempt for step in steps):
        return f"its attempts are {[step.attempt for step in steps]}"
    return ""
