"""What the sandbox is doing, as OpenTelemetry metrics, where an exporter is configured; the same as `Load` says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from loupe.sandbox.v1.sandbox_pb2 import Load, Outcome

if TYPE_CHECKING:
    from opentelemetry.metrics import CallbackOptions, Observation

_NOW = ("pool_size", "ready_count", "running_count", "queued_count", "open_session_count")
_SINCE_START = ("made_count", "waited_count", "refused_count")


@contextmanager
def exported(load: Callable[[], Load], endpoint: str) -> Iterator[None]:
    """Send metrics to an OTLP collector for as long as the context lasts, and once more at its end.

    Their names are those of the fields of `Load` without `_count`, after "loupe.sandbox."; "loupe.sandbox.runs" counts
    by the attribute "outcome". Nothing of OpenTelemetry is imported without an endpoint.
    """
    if not endpoint:
        yield
        return
    from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
    from opentelemetry.metrics import Observation
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
    from opentelemetry.sdk.resources import Resource

    reader = PeriodicExportingMetricReader(OTLPMetricExporter(endpoint=endpoint, insecure=True))
    provider = MeterProvider([reader], resource=Resource.create({"service.name": "loupe-sandbox"}))
    meter = provider.get_meter("loupe.sandbox")

    def one(field: str) -> Callable[[CallbackOptions], list[Observation]]:
        return lambda _: [Observation(getattr(load(), field))]

    def runs(_: CallbackOptions) -> list[Observation]:
        return [Observation(item.count, {"outcome": _word(item.outcome)}) for item in load().outcomes]

    instruments: list[Any] = [
        meter.create_observable_gauge(f"loupe.sandbox.{field.removesuffix('_count')}", [one(field)]) for field in _NOW
    ]
    instruments += [
        meter.create_observable_counter(f"loupe.sandbox.{field.removesuffix('_count')}", [one(field)])
        for field in _SINCE_START
    ]
    instruments.append(meter.create_observable_counter("loupe.sandbox.runs", [runs]))
    try:
        yield
    finally:
        provider.shutdown()


def _word(outcome: Outcome.ValueType) -> str:
    return Outcome.Name(outcome).removeprefix("OUTCOME_").lower()
