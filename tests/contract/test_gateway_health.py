"""What a real Envoy says of servers that are down, and what happens when they come back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import httpx
import pytest
from grpc_health.v1 import health_pb2

from gateway.envoy.process import Gateway
from loupe.orchestrator.v1 import orchestrator_pb2, orchestrator_service_pb2_grpc
from tests.contract.gateway_servers import Upstreams, gateway_to

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
VISION = "loupe.vision.v1.VisionService"
RETRY_INFO = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retry_delay": "1s"}
UNAVAILABLE = {
    "code": 14,
    "message": "the server for this call is not available; `loupe status` says why",
    "details": [
        {
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": "UPSTREAM_UNAVAILABLE",
            "domain": "loupe",
            "metadata": {},
        },
        RETRY_INFO,
    ],
}


@pytest.fixture
async def servers(tmp_path: Path) -> AsyncIterator[Upstreams]:
    """Servers on a unix socket, as on one machine."""
    running = Upstreams()
    await running.start(f"unix:{tmp_path / 'servers.sock'}")
    yield running
    await running.stop()


@pytest.fixture
async def gateway(servers: Upstreams, tmp_path: Path) -> AsyncIterator[Gateway]:
    async with gateway_to(tmp_path, servers.address) as running:
        yield running


@pytest.fixture
async def rest(gateway: Gateway) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=gateway.base_url, timeout=20) as client:
        yield client


async def until(rest: httpx.AsyncClient, verb: str, path: str, status: int) -> httpx.Response:
    """Ask until the answer is the expected one: health is known to the workers a moment after it changed."""
    async with asyncio.timeout(20):
        while (answer := await rest.request(verb, path)).status_code != status:
            pass
    return answer


async def test_with_all_servers_up_both_say_200_without_a_key(rest: httpx.AsyncClient) -> None:
    assert (await rest.get("/healthz")).status_code == 200
    assert (await rest.get("/readyz")).status_code == 200


async def test_one_server_that_is_not_serving_makes_the_gateway_unready_until_it_serves(
    rest: httpx.AsyncClient, servers: Upstreams
) -> None:
    await servers.health.set(VISION, NOT_SERVING)
    unready = await until(rest, "GET", "/readyz", 503)

    assert unready.json() == {
        "code": 14,
        "message": "not every server is ready; `loupe status` names them",
        "details": [
            {
                "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                "reason": "NOT_READY",
                "domain": "loupe",
                "metadata": {},
            },
            RETRY_INFO,
        ],
    }
    assert (await rest.get("/healthz")).status_code == 200

    await servers.health.set(VISION, SERVING)
    await until(rest, "GET", "/readyz", 200)


async def test_an_unhealthy_server_gets_no_calls_and_the_others_do(rest: httpx.AsyncClient, servers: Upstreams) -> None:
    await servers.health.set(VISION, NOT_SERVING)
    refused = await until(rest, "POST", "/v1/vision:analyzeImage", 503)

    assert refused.json() == UNAVAILABLE
    assert (await rest.get("/v1/jobs")).status_code == 200


async def test_a_server_that_is_gone_is_unavailable_at_once_and_found_again(
    rest: httpx.AsyncClient, gateway: Gateway, servers: Upstreams
) -> None:
    await servers.stop()
    over_rest = await rest.get("/v1/jobs")
    async with grpc.aio.insecure_channel(gateway.address) as channel:
        stub = orchestrator_service_pb2_grpc.OrchestratorServiceStub(channel)
        with pytest.raises(grpc.aio.AioRpcError) as over_grpc:
            await stub.ListJobs(orchestrator_pb2.ListJobsRequest())

    assert (over_rest.status_code, over_rest.json()) == (503, UNAVAILABLE)
    assert over_grpc.value.code() is grpc.StatusCode.UNAVAILABLE
    assert over_grpc.value.details() == UNAVAILABLE["message"]
    await until(rest, "GET", "/readyz", 503)

    await servers.start(servers.address)
    await until(rest, "GET", "/v1/jobs", 200)


async def test_the_gateway_starts_before_the_servers(tmp_path: Path) -> None:
    address = f"unix:{tmp_path / 'later.sock'}"
    async with (
        gateway_to(tmp_path, address) as gateway,
        httpx.AsyncClient(base_url=gateway.base_url, timeout=20) as rest,
    ):
        assert (await rest.get("/healthz")).status_code == 200
        assert (await rest.get("/readyz")).status_code == 503

        servers = Upstreams()
        await servers.start(address)
        await until(rest, "GET", "/readyz", 200)
        await servers.stop()
