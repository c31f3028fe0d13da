"""The filter that turns REST into gRPC and back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from gateway.envoy.config import GatewaySettings
from gateway.envoy.contracts import descriptor_set_path
from servers.kit.services import Service

FILTER_NAME = "envoy.filters.http.grpc_json_transcoder"
_TYPE = "type.googleapis.com/envoy.extensions.filters.http.grpc_json_transcoder.v3.GrpcJsonTranscoder"


def transcoder(settings: GatewaySettings, services: Iterable[Service]) -> dict[str, Any]:
    """Return the filter; its streams are newline-delimited JSON."""
    return {"name": FILTER_NAME, "typed_config": _config(settings, services, "stream_newline_delimited")}


def event_stream_transcoder(settings: GatewaySettings, services: Iterable[Service]) -> dict[str, Any]:
    """Return the setting of a route whose streams are server-sent events."""
    return {FILTER_NAME: _config(settings, services, "stream_sse_style_delimited")}


def _config(settings: GatewaySettings, services: Iterable[Service], delimiter: str) -> dict[str, Any]:
    return {
        "@type": _TYPE,
        "proto_descriptor": str(descriptor_set_path()),
        "services": [service.full_name for service in services],
        "print_options": {
            "preserve_proto_field_names": True,
            # Without it a zero and a missing number look the same.
            "always_print_primitive_fields": True,
            delimiter: True,
        },
        # Turns grpc-status-details-bin into the body of an error; without it the body is empty.
        "convert_grpc_status": True,
        # A misspelt parameter is an error of the caller's, not something to overlook.
        "request_validation_options": {"reject_unknown_query_parameters": True},
        # As forms and most clients write a space.
        "query_param_unescape_plus": True,
        # The default is the buffer limit of the connection: an answer beyond it is lost after the work was done.
        "max_response_body_size": settings.max_response_kib * 1024,
    }
