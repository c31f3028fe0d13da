"""A job whose owner consented to a retry waits for a server that died until it serves again, and no longer than set."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
import pytest_asyncio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from loupe.orchestrator.v1 import incident_pb2
from loupe.orchestrator.v1 import orchestrator_pb2 as pb
from loupe.orchestrator.v1.orchestrator_service_pb2_grpc import OrchestratorServiceStub
from loupe.sandbox.v1.sandbox_pb2 import LimitKind, Outcome, RunResult
from loupe.type.v1.file_ref_pb2 import FileRef
from loupe.vision.v1 import vision_pb2, vision_service_pb2_grpc
from servers.kit.files_client import FilesClient
from tests.contract.orchestrator_world import kinds
from tests.contract.scripted_peers import Script, Vision, scripted
from tests.running import running
from tests.soak.mesh import EXAMPLE

pytestmark = pytest.mark.asyncio(loop_scope="module")

RETRY = incident_pb2.REMEDY_KIND_RETRY
RETRY_WITHIN_S = 3.0


class Restarting(health_pb2_grpc.HealthServicer):  # type: ignore[misc]  # grpc_health has no types
    """A vision server that does not serve until it was asked for its health so often."""

    def __init__(self) -> None:
        self.fail(until_asked=0)

    def fail(self, *, until_asked: int) -> None:
        self._until_asked = until_asked
        self.asked_count = 0

    async def Check(self, request: Any, context: Any) -> health_pb2.HealthCheckResponse:
        self.asked_count += 1
        state = health_pb2.HealthCheckResponse
        return state(status=state.SERVING if self._serves else state.NOT_SERVING)

    async def before(self, call: str) -> None:
        if not self._serves:
            raise ConnectionError(call)

    @property
    def _serves(self) -> bool:
        return self.asked_count >= self._until_asked


class FailingVision(Vision):
    """Vision, which answers UNAVAILABLE as long as it does not serve."""

    async def AnalyzeImage(self, request: Any, context: Any) -> vision_pb2.AnalyzeImageResponse:
        try:
            return await super().AnalyzeImage(request, context)
        except ConnectionError:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "it is being started")
            raise


class World:
    """An orchestrator that asks a vision server which restarts."""

    def __init__(self, jobs: Any, script: Script, vision: Restarting, picture: FileRef) -> None:
        self.jobs = jobs
        self.script = script
        self.vision = vision
        self.picture = picture

    async def run(self, *consents: incident_pb2.RemedyKind.ValueType) -> list[pb.Step]:
        spec = pb.JobSpec(question="What is the total?", inputs=[self.picture], consents=consents)
        return [event.step async for event in self.jobs.RunJob(pb.RunJobRequest(spec=spec)) if event.HasField("step")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(module_home) -> AsyncIterator[World]:
    async with running("files", module_home) as file_server, file_server.channel() as channel:
        files = FilesClient(channel)
        picture = await files.write(EXAMPLE.read_bytes(), "coffee.png", request_id="picture")
        script, vision = Script(), Restarting()
        async with scripted(script, files) as address, _served(vision, files, module_home) as vision_address:
            names = ("REASONING", "CODEGEN", "CRITIC", "SANDBOX")
            settings = {f"LOUPE_{name}_ADDRESS": address for name in names} | {
                "LOUPE_VISION_ADDRESS": vision_address,
                "LOUPE_FILES_ADDRESS": file_server.address,
                "LOUPE_ORCHESTRATOR_RETRY_WITHIN_S": str(RETRY_WITHIN_S),
            }
            async with running("orchestrator", module_home, settings) as server, server.channel() as jobs:
                yield World(OrchestratorServiceStub(jobs), script, vision, FileRef(file_id=picture.file_id))


@asynccontextmanager
async def _served(vision: Restarting, files: FilesClient, home: Path) -> AsyncIterator[str]:
    server = grpc.aio.server()
    servicer = FailingVision(Script(before=vision.before), files)
    vision_service_pb2_grpc.add_VisionServiceServicer_to_server(servicer, server)
    health_pb2_grpc.add_HealthServicer_to_server(vision, server)
    address = f"unix:{home}/vision.sock"
    server.add_insecure_port(address)
    await server.start()
    try:
        yield address
    finally:
        await server.stop(None)


async def test_a_server_is_asked_again_when_it_serves_and_not_before(world):
    world.vision.fail(until_asked=6)
    steps = await world.run(RETRY)
    assert kinds(steps)[:4] == ["thought", "read_figures", "incident", "seen"]
    assert steps[2].incident.summary == "the vision server failed while reading the picture"
    assert steps[2].incident.diagnosis == "the vision server does not answer"
    assert steps[-1].job_state == pb.JOB_STATE_SUCCEEDED
    assert world.vision.asked_count == 6


async def test_a_server_that_stays_away_ends_the_job_when_the_time_is_over(world):
    world.vision.fail(until_asked=1_000_000)
    steps = await world.run(RETRY)
    assert kinds(steps) == ["thought", "read_figures", "incident", "incident"]
    assert steps[2].job_state == pb.JOB_STATE_RUNNING
    assert steps[3].job_state == pb.JOB_STATE_FAILED
    assert RETRY in [remedy.kind for remedy in steps[3].incident.remedies]


async def test_without_consent_nobody_waits(world):
    world.vision.fail(until_asked=1_000_000)
    steps = await world.run()
    assert kinds(steps) == ["thought", "read_figures", "incident"]
    assert world.vision.asked_count == 0


async def test_a_program_that_something_outside_killed_is_run_again_and_not_repaired(world):
    world.vision.fail(until_asked=0)
    world.script.runs.clear()
    world.script.outcomes = [RunResult(outcome=Outcome.OUTCOME_FAILED, signal=9, exit_code=137)]
    steps = await world.run(RETRY)
    assert kinds(steps)[8:11] == ["run_code", "incident", "seen"]
    assert "something outside the sandbox killed the program" in steps[9].incident.diagnosis
    assert steps[-1].job_state == pb.JOB_STATE_SUCCEEDED
    assert world.script.repairs == []
    assert len(world.script.runs) == 2


async def test_a_program_that_met_a_limit_is_repaired_as_before(world):
    world.script.runs.clear()
    limit = RunResult(outcome=Outcome.OUTCOME_LIMIT_EXCEEDED, signal=9, exceeded=LimitKind.LIMIT_KIND_MEMORY)
    world.script.outcomes = [limit]
    assert "repair_code" in kinds(await world.run(RETRY))
