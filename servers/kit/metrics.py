"""What a server has done, counted, as OpenTelemetry metrics where an exporter is configured."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opentelemetry.metrics import Counter, Meter

_LAST_WORDS_MS = 2000


class Counts:
    """The counters of one server. Without an exporter nothing is counted."""

    def __init__(self, server: str, meter: Meter | None = None) -> None:
        self._server = server
        self._meter = meter
        self._counters: dict[str, Counter] = {}

    def add(self, name: str, amount: int = 1, **attributes: str) -> None:
        """Add to the counter "loupe.SERVER.NAME"; of nothing added nothing is told."""
        if self._meter is None or not amount:
            return
        if name not in self._counters:
            self._counters[name] = self._meter.create_counter(f"loupe.{self._server}.{name}")
        self._counters[name].add(amount, attributes)


@contextmanager
def counting(server: str, endpoint: str) -> Iterator[Counts]:
    """Yield a server's counters, sent to an OTLP collector every minute and once more at the end of the block.

    Nothing of OpenTelemetry is imported without an endpoint.
    """
    if not endpoint:
        yield Counts(server)
        return
    from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
    from opentelemetry.sdk.resources import Resource

    reader = PeriodicExportingMetricReader(OTLPMetricExporter(endpoint=endpoint, insecure=True))
    provider = MeterProvider([reader], resource=Resource.create({"service.name": f"loupe-{server}"}))
    try:
        yield Counts(server, provider.get_meter(f"loupe.{server}"))
    finally:
        # A collector that is away must not hold a server up that was asked to end.
        provider.shutdown(timeout_millis=_LAST_WORDS_MS)
