"""The OpenAI-compatible paths: plain HTTP to the router's own listener, past the transcoder.

The transcoder could carry the bytes of a stream (HttpBody), but no HTTP error of OpenAI's shape and no Retry-After.
"""

from __future__ import annotations

from typing import Any

from gateway.envoy.body_limit import body_limited_to
from gateway.envoy.clusters import address_of, transport
from gateway.envoy.config import GatewaySettings
from servers.kit.tls import is_local

CLUSTER = "openai"
TRANSCRIPTIONS = "/v1/audio/transcriptions"
PATHS = {"/v1/chat/completions": "POST", "/v1/embeddings": "POST", TRANSCRIPTIONS: "POST", "/v1/models": "GET"}


def openai_cluster(settings: GatewaySettings) -> dict[str, Any]:
    """Return the cluster of the listener; whether the router lives is known from its gRPC health."""
    address = settings.address_of(CLUSTER)
    return {
        "name": CLUSTER,
        "type": "STATIC" if is_local(address) else "STRICT_DNS",
        **transport(address, settings.tls, alpn="http/1.1"),
        "connect_timeout": f"{settings.connect_timeout_s}s",
        "load_assignment": {
            "cluster_name": CLUSTER,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address_of(address)}}]}],
        },
    }


def openai_routes(settings: GatewaySettings) -> list[dict[str, Any]]:
    """Return the routes; a wrong verb is 405, as on every other path."""
    return [route for path, verb in PATHS.items() for route in _routes(settings, path, verb)]


def _routes(settings: GatewaySettings, path: str, verb: str) -> list[dict[str, Any]]:
    max_kib = settings.max_openai_audio_kib if path == TRANSCRIPTIONS else settings.max_openai_request_kib
    is_verb = {"name": ":method", "string_match": {"exact": verb}}
    route = {
        "cluster": CLUSTER,
        # The router bounds a call itself, and ends a stream with what became of it.
        "timeout": "0s",
        "idle_timeout": f"{settings.stream_idle_timeout_s}s",
        "retry_policy": {"retry_on": "connect-failure", "num_retries": 1},
    }
    return [
        {
            "match": {"path": path, "headers": [is_verb]},
            "route": route,
            "typed_per_filter_config": body_limited_to(max_kib * 1024),
        },
        {
            "match": {"path": path},
            "direct_response": {"status": 405, "body": {"inline_string": f"this path takes {verb}"}},
            "response_headers_to_add": [{"header": {"key": "allow", "value": verb}}],
        },
    ]
