"""The one port: gRPC, gRPC-Web, REST and server-sent events."""

from __future__ import annotations

from typing import Any

from gateway.envoy.body_limit import body_limit
from gateway.envoy.config import GatewaySettings
from gateway.envoy.contracts import Rpc
from gateway.envoy.local_replies import READINESS_PATH, local_replies
from gateway.envoy.routes import route_table
from gateway.envoy.transcoder import transcoder
from servers.kit.services import Service

LISTENER_NAME = "front"
_HTTP_FILTERS = "type.googleapis.com/envoy.extensions.filters.http"
_EARLY_HEADERS = "type.googleapis.com/envoy.extensions.http.early_header_mutation"
_BUFFER_BYTES = 1024 * 1024


def listener(settings: GatewaySettings, services: tuple[Service, ...], rpcs: tuple[Rpc, ...]) -> dict[str, Any]:
    """Return the listener with its chain of filters."""
    connection_manager = {
        "@type": (
            "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
        ),
        "stat_prefix": LISTENER_NAME,
        "codec_type": "AUTO",
        "use_remote_address": True,
        "always_set_request_id_in_response": True,
        "normalize_path": True,
        "merge_slashes": True,
        "max_request_headers_kb": settings.max_header_kib,
        "request_headers_timeout": "10s",
        "stream_idle_timeout": f"{settings.stream_idle_timeout_s}s",
        "common_http_protocol_options": {"idle_timeout": "3600s", "max_headers_count": 100},
        "http2_protocol_options": {
            "max_concurrent_streams": settings.max_streams_per_connection,
            "initial_stream_window_size": _BUFFER_BYTES,
            "initial_connection_window_size": _BUFFER_BYTES,
        },
        "early_header_mutation_extensions": [_without_orders_to_envoy()],
        "local_reply_config": local_replies(),
        "http_filters": [
            _readiness(services),
            {"name": "envoy.filters.http.grpc_web", "typed_config": {"@type": f"{_HTTP_FILTERS}.grpc_web.v3.GrpcWeb"}},
            body_limit(),
            transcoder(settings, services),
            {
                "name": "envoy.filters.http.router",
                "typed_config": {"@type": f"{_HTTP_FILTERS}.router.v3.Router", "suppress_envoy_headers": True},
            },
        ],
        "route_config": {
            "name": LISTENER_NAME,
            "virtual_hosts": [
                {"name": LISTENER_NAME, "domains": ["*"], "routes": route_table(settings, services, rpcs)}
            ],
        },
    }
    return {
        "name": LISTENER_NAME,
        "address": {"socket_address": {"address": settings.host, "port_value": settings.port}},
        "per_connection_buffer_limit_bytes": _BUFFER_BYTES,
        "filter_chains": [
            {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": connection_manager}]}
        ],
    }


def _readiness(services: tuple[Service, ...]) -> dict[str, Any]:
    """Answer the readiness path with 200 while every server is healthy, else 503."""
    return {
        "name": "envoy.filters.http.health_check",
        "typed_config": {
            "@type": f"{_HTTP_FILTERS}.health_check.v3.HealthCheck",
            "pass_through_mode": False,
            "headers": [{"name": ":path", "string_match": {"exact": READINESS_PATH}}],
            "cluster_min_healthy_percentages": {service.name: {"value": 100.0} for service in services},
        },
    }


def _without_orders_to_envoy() -> dict[str, Any]:
    """Drop the headers by which Envoy takes orders on timeouts, retries and paths; callers may not give them."""
    return {
        "name": "envoy.http.early_header_mutation.header_mutation",
        "typed_config": {
            "@type": f"{_EARLY_HEADERS}.header_mutation.v3.HeaderMutation",
            "mutations": [{"remove_on_match": {"key_matcher": {"prefix": "x-envoy-"}}}],
        },
    }
