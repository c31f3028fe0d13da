"""Traces cross the mesh: a call to the orchestrator has the call to the files server as its child."""

from __future__ import annotations

import subprocess
import sys
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from loupe.orchestrator.v1 import orchestrator_pb2
from loupe.orchestrator.v1.orchestrator_service_pb2_grpc import OrchestratorServiceStub
from loupe.type.v1.file_ref_pb2 import FileRef
from tests.running import running

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"


class Collector(trace_service_pb2_grpc.TraceServiceServicer):
    """An OTLP collector that keeps what it gets, by service."""

    def __init__(self) -> None:
        self.spans: dict[str, list[Span]] = {}

    async def Export(self, request: Any, context: Any) -> trace_service_pb2.ExportTraceServiceResponse:
        for resource_spans in request.resource_spans:
            names = {attribute.key: attribute.value.string_value for attribute in resource_spans.resource.attributes}
            for scope_spans in resource_spans.scope_spans:
                self.spans.setdefault(names["service.name"], []).extend(scope_spans.spans)
        return trace_service_pb2.ExportTraceServiceResponse()


@asynccontextmanager
async def collecting():
    collector = Collector()
    server = grpc.aio.server()
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(collector, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield collector, {"LOUPE_OTLP_ENDPOINT": f"http://127.0.0.1:{port}"}
    finally:
        await server.stop(None)


async def test_a_span_of_the_orchestrator_has_a_child_span_of_files(home):
    async with collecting() as (collector, settings):
        async with (
            running("files", home, settings) as files,
            running("orchestrator", home, settings | {"LOUPE_FILES_ADDRESS": files.address}) as orchestrator,
            orchestrator.channel() as channel,
        ):
            spec = orchestrator_pb2.JobSpec(inputs=[FileRef(file_id="file_" + "0" * 26)])
            with pytest.raises(grpc.aio.AioRpcError):
                await OrchestratorServiceStub(channel).CreateJob(
                    orchestrator_pb2.CreateJobRequest(spec=spec),
                    metadata=[("traceparent", f"00-{TRACE_ID}-00f067aa0ba902b7-01")],
                )
        # A server sends what it holds back when it stops.
        assert {"loupe-files", "loupe-orchestrator"} <= set(collector.spans)
    create = next(span for span in collector.spans["loupe-orchestrator"] if span.name.endswith("CreateJob"))
    ask = next(span for span in collector.spans["loupe-orchestrator"] if span.name.endswith("GetFile"))
    answer = next(span for span in collector.spans["loupe-files"] if span.name.endswith("GetFile"))
    assert create.trace_id.hex() == ask.trace_id.hex() == answer.trace_id.hex() == TRACE_ID
    assert (ask.parent_span_id, answer.parent_span_id) == (create.span_id, ask.span_id)


def test_without_an_exporter_nothing_of_opentelemetry_is_loaded():
    program = "import sys, servers.files.__main__; print(sorted(m for m in sys.modules if 'opentelemetry' in m))"
    assert subprocess.check_output([sys.executable, "-c", program], text=True) == "[]\n"
