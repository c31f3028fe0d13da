"""gRPC and gRPC-Web through a real Envoy."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from gateway.envoy.process import Gateway
from loupe.critic.v1 import critic_pb2, critic_service_pb2_grpc
from loupe.orchestrator.v1 import orchestrator_pb2, orchestrator_service_pb2_grpc
from tests.contract.gateway_servers import JOB_ID, MISSING_JOB_ID, Upstreams, gateway_to, thought, upstreams


@pytest.fixture
async def servers() -> AsyncIterator[Upstreams]:
    async with upstreams() as running:
        yield running


@pytest.fixture
async def gateway(servers: Upstreams, tmp_path: Path) -> AsyncIterator[Gateway]:
    async with gateway_to(tmp_path, servers.address) as running:
        yield running


@pytest.fixture
async def channel(gateway: Gateway) -> AsyncIterator[grpc.aio.Channel]:
    async with grpc.aio.insecure_channel(gateway.address) as opened:
        yield opened


async def test_a_unary_call_passes(channel: grpc.aio.Channel) -> None:
    stub = orchestrator_service_pb2_grpc.OrchestratorServiceStub(channel)
    answer = await stub.CreateJob(orchestrator_pb2.CreateJobRequest(), metadata=(("authorization", "Bearer lk_1"),))

    assert answer.job.job_id == JOB_ID


async def test_each_message_of_a_stream_passes_before_the_next_one_exists(
    channel: grpc.aio.Channel, servers: Upstreams
) -> None:
    stub = orchestrator_service_pb2_grpc.OrchestratorServiceStub(channel)
    call = stub.WatchJob(orchestrator_pb2.WatchJobRequest(job_id=JOB_ID))
    messages: list[Any] = []
    for message in (thought(1), thought(2)):
        servers.orchestrator.next_step.put_nowait(message)
        messages.append(await call.read())
    servers.orchestrator.next_step.put_nowait(None)

    assert [message.step.sequence for message in messages] == [1, 2]
    assert await call.read() is grpc.aio.EOF


async def test_an_error_keeps_its_details(channel: grpc.aio.Channel) -> None:
    stub = orchestrator_service_pb2_grpc.OrchestratorServiceStub(channel)
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await stub.GetJob(orchestrator_pb2.GetJobRequest(job_id=MISSING_JOB_ID))

    status = status_pb2.Status.FromString(raised.value.trailing_metadata()["grpc-status-details-bin"])
    info = error_details_pb2.ErrorInfo()
    status.details[0].Unpack(info)
    assert raised.value.code() is grpc.StatusCode.NOT_FOUND
    assert info == error_details_pb2.ErrorInfo(reason="NOT_FOUND", domain="loupe")


async def test_a_call_that_takes_too_long_is_told_so_and_not_to_retry(servers: Upstreams, tmp_path: Path) -> None:
    async with (
        gateway_to(tmp_path, servers.address, unary_timeout_s=0.2) as gateway,
        grpc.aio.insecure_channel(gateway.address) as channel,
    ):
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await critic_service_pb2_grpc.CriticServiceStub(channel).ReviewCode(
                critic_pb2.ReviewCodeRequest(source="1")
            )

    assert raised.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    # gRPC itself may answer for the server at the same moment, in words of its own.
    assert raised.value.details() in ("the server did not answer in time", "Deadline Exceeded")


async def test_a_callers_shorter_deadline_reaches_the_server(channel: grpc.aio.Channel, servers: Upstreams) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await critic_service_pb2_grpc.CriticServiceStub(channel).ReviewCode(
            critic_pb2.ReviewCodeRequest(source="1"), timeout=0.5
        )

    assert raised.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert servers.critic.seconds_left is not None
    # The gateway's own limit is 60 s; a deadline travels in rounded milliseconds.
    assert servers.critic.seconds_left < 1


async def test_an_unknown_service_is_unimplemented(channel: grpc.aio.Channel) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await channel.unary_unary("/loupe.nothing.v1.NothingService/Do", bytes)(b"")

    assert raised.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert raised.value.details() == "nothing is served at this path"


async def test_reflection_lists_every_service_and_describes_each(channel: grpc.aio.Channel) -> None:
    requests = [
        reflection_pb2.ServerReflectionRequest(list_services=""),
        reflection_pb2.ServerReflectionRequest(file_containing_symbol="loupe.vision.v1.VisionService"),
    ]
    stub = reflection_pb2_grpc.ServerReflectionStub(channel)
    listed, described = [answer async for answer in stub.ServerReflectionInfo(iter(requests))]

    assert {service.name for service in listed.list_services_response.service} >= {
        "loupe.codegen.v1.CodegenService",
        "loupe.critic.v1.CriticService",
        "loupe.files.v1.FilesService",
        "loupe.orchestrator.v1.OrchestratorService",
        "loupe.reasoning.v1.ReasoningService",
        "loupe.sandbox.v1.SandboxService",
        "loupe.vision.v1.VisionService",
    }
    assert len(described.file_descriptor_response.file_descriptor_proto) > 0


async def test_health_is_answered_over_grpc(channel: grpc.aio.Channel) -> None:
    request = health_pb2.HealthCheckRequest(service="loupe.orchestrator.v1.OrchestratorService")
    answer = await health_pb2_grpc.HealthStub(channel).Check(request)

    assert answer.status == health_pb2.HealthCheckResponse.SERVING


async def test_a_browser_calls_by_grpc_web(gateway: Gateway) -> None:
    request = orchestrator_pb2.GetJobRequest(job_id=JOB_ID).SerializeToString()
    async with httpx.AsyncClient(base_url=gateway.base_url) as web:
        answer = await web.post(
            "/loupe.orchestrator.v1.OrchestratorService/GetJob",
            content=b"\x00" + len(request).to_bytes(4, "big") + request,
            headers={"content-type": "application/grpc-web+proto"},
        )

    (message_flag, message), (trailer_flag, trailer) = _grpc_web_frames(answer.content)
    assert answer.headers["content-type"] == "application/grpc-web+proto"
    assert message_flag == 0
    assert orchestrator_pb2.GetJobResponse.FromString(message).job.job_id == JOB_ID
    assert trailer_flag == 0x80
    assert b"grpc-status:0" in trailer


def _grpc_web_frames(content: bytes) -> list[tuple[int, bytes]]:
    frames = []
    while content:
        size = int.from_bytes(content[1:5], "big")
        frames.append((content[0], content[5 : 5 + size]))
        content = content[5 + size :]
    return frames
