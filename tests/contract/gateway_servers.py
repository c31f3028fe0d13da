"""Small real servers behind a real Envoy: what a caller does to them is remembered, what they answer is fixed."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
from google.api.httpbody_pb2 import HttpBody
from google.protobuf import any_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from grpc_status import rpc_status

from gateway.envoy.config import GatewaySettings
from gateway.envoy.process import Gateway, running
from loupe.critic.v1 import critic_pb2, critic_service_pb2_grpc
from loupe.files.v1 import files_pb2, files_service_pb2_grpc
from loupe.orchestrator.v1 import orchestrator_pb2, orchestrator_service_pb2_grpc
from loupe.type.v1.file_ref_pb2 import FileRef
from servers.kit.services import SERVICES

Context = grpc.aio.ServicerContext[Any, Any]

JOB_ID = "job_" + "0" * 26
MISSING_JOB_ID = "job_" + "1" * 26
FILE_ID = "file_" + "0" * 26
PNG_PIECES = (b"\x89PNG\r\n\x1a\n", b"\x00" * 1000, b"\xff end")


@dataclass
class Orchestrator(orchestrator_service_pb2_grpc.OrchestratorServiceServicer):
    """Jobs whose steps come when the test says so."""

    next_step: asyncio.Queue[orchestrator_pb2.Step | Exception | None] = field(default_factory=asyncio.Queue)
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)
    metadata: dict[str, str] = field(default_factory=dict)

    async def CreateJob(
        self, request: orchestrator_pb2.CreateJobRequest, context: Context
    ) -> orchestrator_pb2.CreateJobResponse:
        self.metadata = _text_metadata(context)
        job = orchestrator_pb2.Job(job_id=JOB_ID, state=orchestrator_pb2.JOB_STATE_PENDING, spec=request.spec)
        return orchestrator_pb2.CreateJobResponse(job=job)

    async def GetJob(
        self, request: orchestrator_pb2.GetJobRequest, context: Context
    ) -> orchestrator_pb2.GetJobResponse:
        if request.job_id == MISSING_JOB_ID:
            await context.abort_with_status(rpc_status.to_status(_no_such_job()))
        return orchestrator_pb2.GetJobResponse(job=orchestrator_pb2.Job(job_id=request.job_id))

    async def ListJobs(
        self, request: orchestrator_pb2.ListJobsRequest, context: Context
    ) -> orchestrator_pb2.ListJobsResponse:
        """A page has as many jobs as asked for, each with a question of 4000 letters."""
        spec = orchestrator_pb2.JobSpec(question="q" * 4000)
        jobs = [orchestrator_pb2.Job(job_id=JOB_ID, spec=spec) for _ in range(request.page_size)]
        return orchestrator_pb2.ListJobsResponse(jobs=jobs)

    async def RunJob(
        self, request: orchestrator_pb2.RunJobRequest, context: Context
    ) -> AsyncIterator[orchestrator_pb2.RunJobResponse]:
        yield orchestrator_pb2.RunJobResponse(job=orchestrator_pb2.Job(job_id=JOB_ID, spec=request.spec))
        async for step in self._steps(0):
            yield orchestrator_pb2.RunJobResponse(step=step)

    async def WatchJob(
        self, request: orchestrator_pb2.WatchJobRequest, context: Context
    ) -> AsyncIterator[orchestrator_pb2.WatchJobResponse]:
        if request.job_id == MISSING_JOB_ID:
            await context.abort_with_status(rpc_status.to_status(_no_such_job()))
        try:
            async for step in self._steps(request.after_sequence):
                yield orchestrator_pb2.WatchJobResponse(step=step)
        except asyncio.CancelledError:
            self.cancelled.set()
            raise

    async def _steps(self, after_sequence: int) -> AsyncIterator[orchestrator_pb2.Step]:
        while (step := await self.next_step.get()) is not None:
            if isinstance(step, Exception):
                raise step
            if step.sequence > after_sequence:
                yield step


@dataclass
class Files(files_service_pb2_grpc.FilesServiceServicer):
    """Remembers an upload; has one file."""

    uploads: list[files_pb2.UploadFileRequest] = field(default_factory=list)
    first_piece: asyncio.Event = field(default_factory=asyncio.Event)

    async def UploadFile(
        self, request_iterator: AsyncIterator[files_pb2.UploadFileRequest], context: Context
    ) -> files_pb2.UploadFileResponse:
        async for message in request_iterator:
            self.uploads.append(message)
            self.first_piece.set()
        size = sum(len(message.content.data) for message in self.uploads)
        return files_pb2.UploadFileResponse(file=FileRef(file_id=FILE_ID, size_bytes=size))

    async def DownloadFile(
        self, request: files_pb2.DownloadFileRequest, context: Context
    ) -> AsyncIterator[files_pb2.DownloadFileResponse]:
        for piece in PNG_PIECES:
            yield files_pb2.DownloadFileResponse(content=HttpBody(content_type="image/png", data=piece))


@dataclass
class Critic(critic_service_pb2_grpc.CriticServiceServicer):
    """Never comes to a verdict."""

    cancelled: asyncio.Event = field(default_factory=asyncio.Event)
    seconds_left: float | None = None

    async def ReviewCode(
        self, request: critic_pb2.ReviewCodeRequest, context: Context
    ) -> critic_pb2.ReviewCodeResponse:
        self.seconds_left = context.time_remaining()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        raise AssertionError("unreachable")


@dataclass
class Upstreams:
    """The servers of a test, all in this process, each on its own port."""

    orchestrator: Orchestrator = field(default_factory=Orchestrator)
    files: Files = field(default_factory=Files)
    critic: Critic = field(default_factory=Critic)
    health: health.aio.HealthServicer = field(default_factory=health.aio.HealthServicer)
    server: grpc.aio.Server | None = None
    address: str = ""

    async def start(self, address: str = "127.0.0.1:0") -> None:
        """Serve on `address`; all services healthy."""
        self.server = grpc.aio.server()
        orchestrator_service_pb2_grpc.add_OrchestratorServiceServicer_to_server(self.orchestrator, self.server)
        files_service_pb2_grpc.add_FilesServiceServicer_to_server(self.files, self.server)
        critic_service_pb2_grpc.add_CriticServiceServicer_to_server(self.critic, self.server)
        health_pb2_grpc.add_HealthServicer_to_server(self.health, self.server)
        # Reflection describes what is imported.
        for service in SERVICES:
            importlib.import_module(f"{service.package}.{service.name}_service_pb2")
        names = [service.full_name for service in SERVICES]
        reflection.enable_server_reflection([*names, reflection.SERVICE_NAME], self.server)
        for name in names:
            await self.health.set(name, health_pb2.HealthCheckResponse.SERVING)
        port = self.server.add_insecure_port(address)
        self.address = address if address.startswith("unix:") else f"127.0.0.1:{port}"
        await self.server.start()

    async def stop(self) -> None:
        """End all calls and stop listening."""
        assert self.server is not None
        await self.server.stop(grace=None)


@asynccontextmanager
async def upstreams() -> AsyncIterator[Upstreams]:
    """Yield servers that run."""
    servers = Upstreams()
    await servers.start()
    try:
        yield servers
    finally:
        await servers.stop()


def settings_for(home: Path, address: str, changes: Mapping[str, Any] | None = None) -> GatewaySettings:
    """Return settings of a gateway on a free port whose servers are all at one address."""
    values: dict[str, Any] = {"port": 0, "worker_threads": 1, "health_interval_s": 0.05}
    addresses = {f"{service.name}_address": address for service in SERVICES}
    return GatewaySettings(home=home, **(values | addresses | dict(changes or {})))


@asynccontextmanager
async def gateway_to(home: Path, address: str, **changes: Any) -> AsyncIterator[Gateway]:
    """Yield a gateway in front of servers at one address."""
    async with running(settings_for(home, address, changes)) as gateway:
        yield gateway


def thought(sequence: int) -> orchestrator_pb2.Step:
    """Return a step of a running job."""
    return orchestrator_pb2.Step(
        sequence=sequence,
        job_state=orchestrator_pb2.JOB_STATE_RUNNING,
        thought=orchestrator_pb2.Thought(text=f"thought {sequence}"),
    )


def _text_metadata(context: Context) -> dict[str, str]:
    return {key: value for key, value in context.invocation_metadata() or () if isinstance(value, str)}


def _no_such_job() -> status_pb2.Status:
    detail = any_pb2.Any()
    detail.Pack(error_details_pb2.ErrorInfo(reason="NOT_FOUND", domain="loupe"))
    return status_pb2.Status(code=code_pb2.NOT_FOUND, message="there is no such job", details=[detail])
