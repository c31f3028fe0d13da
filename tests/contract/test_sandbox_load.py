"""How busy the sandbox is: asked for, exported, and told to whom it refuses."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2, metrics_service_pb2_grpc

from loupe.sandbox.v1.sandbox_pb2 import GetCapabilitiesRequest, Outcome
from loupe.sandbox.v1.sandbox_service_pb2_grpc import SandboxServiceStub
from servers.kit.keys import KeyFolder
from tests.contract.sandbox_client import Client
from tests.running import running


class Collector(metrics_service_pb2_grpc.MetricsServiceServicer):
    """An OTLP collector that keeps the latest value of each metric."""

    def __init__(self) -> None:
        self.values: dict[tuple[str, str], float] = {}

    async def Export(self, request: Any, context: Any) -> metrics_service_pb2.ExportMetricsServiceResponse:
        for resource in request.resource_metrics:
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    for point in getattr(metric, metric.WhichOneof("data")).data_points:
                        attributes = ",".join(item.value.string_value for item in point.attributes)
                        self.values[metric.name, attributes] = point.as_int
        return metrics_service_pb2.ExportMetricsServiceResponse()


async def test_load_is_exported_as_metrics(home):
    collector, server = Collector(), grpc.aio.server()
    metrics_service_pb2_grpc.add_MetricsServiceServicer_to_server(collector, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    environment = {"LOUPE_OTLP_ENDPOINT": f"http://127.0.0.1:{port}", "LOUPE_SANDBOX_WARM_SANDBOXES": "0"}
    async with running("sandbox", home, environment) as sandbox, sandbox.channel() as channel:
        client = Client(SandboxServiceStub(channel), KeyFolder(home / "keys"), sandbox)
        await client.run("1")
        await client.run("1 / 0")
    # What is still held back is sent at the end.
    assert collector.values == {
        ("loupe.sandbox.pool_size", ""): 0,
        ("loupe.sandbox.ready", ""): 0,
        ("loupe.sandbox.running", ""): 0,
        ("loupe.sandbox.queued", ""): 0,
        ("loupe.sandbox.open_session", ""): 0,
        ("loupe.sandbox.made", ""): 3,  # the first is the probe's, before it serves
        ("loupe.sandbox.waited", ""): 3,
        ("loupe.sandbox.refused", ""): 0,
        ("loupe.sandbox.runs", "completed"): 1,
        ("loupe.sandbox.runs", "failed"): 1,
    }
    await server.stop(None)


async def test_a_full_queue_says_when_to_come_again_and_load_says_how_full_it_is(home):
    environment = {"LOUPE_SANDBOX_CONCURRENT_RUNS": "1", "LOUPE_SANDBOX_QUEUED_RUNS": "1"}
    async with running("sandbox", home, environment) as sandbox, sandbox.channel() as channel:
        client = Client(SandboxServiceStub(channel), KeyFolder(home / "keys"), sandbox)
        call = await client.begin("print('here', flush=True)\nwhile True: pass")
        waiting = asyncio.create_task(client.run("'my turn'"))
        async with asyncio.timeout(30):
            while (await load(client)).queued_count == 0:  # noqa: ASYNC110 - a condition of another process
                await asyncio.sleep(0.01)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await client.run("'no place'")
        assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        assert caught.value.details() == "1 programs run and 1 wait: every place is taken"
        status, retry = rpc_status.from_call(caught.value), error_details_pb2.RetryInfo()
        assert status is not None
        assert any(detail.Unpack(retry) for detail in status.details)
        assert retry.retry_delay.ToSeconds() == 5
        seen = await load(client)
        assert (seen.running_count, seen.queued_count, seen.refused_count) == (1, 1, 1)
        call.cancel()
        assert (await waiting).result.value.text == "'my turn'"
        seen = await load(client)
        assert (seen.running_count, seen.queued_count) == (0, 0)
        assert [(item.outcome, item.count) for item in seen.outcomes] == [(Outcome.OUTCOME_COMPLETED, 1)]
        assert seen.pool_size == 2


async def load(client: Client) -> Any:
    return (await client.stub.GetCapabilities(GetCapabilitiesRequest())).load
