"""Traces, where an exporter is configured.

Nothing of OpenTelemetry is imported otherwise: its interceptors cost about 0.5 ms a call.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import grpc


def start(server: str, endpoint: str) -> None:
    """Send this process's spans to an OTLP collector."""
    if not endpoint:
        return
    from opentelemetry import trace
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider(resource=Resource.create({"service.name": f"loupe-{server}"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint, insecure=True)))
    trace.set_tracer_provider(provider)


def stop(endpoint: str) -> None:
    """Send what is still held back."""
    if not endpoint:
        return
    from opentelemetry import trace

    provider: Any = trace.get_tracer_provider()
    provider.shutdown()


def server_interceptors(endpoint: str) -> Sequence[grpc.aio.ServerInterceptor]:
    """Return what makes a span of each incoming call."""
    if not endpoint:
        return ()
    from opentelemetry.instrumentation.grpc import aio_server_interceptor, filters

    make: Any = aio_server_interceptor
    # Health's Watch writes to its context, which the interceptor can't wrap; probes are no spans anyway.
    without_health: Any = filters.negate(filters.health_check())
    return (make(filter_=without_health),)


def client_interceptors(endpoint: str) -> Sequence[grpc.aio.ClientInterceptor]:
    """Return what makes a span of each outgoing call and passes the trace on."""
    if not endpoint:
        return ()
    from opentelemetry.instrumentation.grpc import aio_client_interceptors

    make: Any = aio_client_interceptors
    return tuple(make())


def trace_id() -> str:
    """Return the running trace's id as 32 hexadecimal digits; empty without telemetry."""
    import sys

    if "opentelemetry.trace" not in sys.modules:
        return ""
    from opentelemetry import trace

    context = trace.get_current_span().get_span_context()
    return f"{context.trace_id:032x}" if context.is_valid else ""
