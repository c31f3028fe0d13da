"""Which path goes to which server, and for how long.

A REST request is matched twice: as it came, and again as the gRPC call that the transcoder made of it. So the routes of
gRPC calls carry the servers and the time limits for both kinds of callers. The routes of REST paths lead nowhere: they
choose what the filters do, and are reached only by what the transcoder did not take, such as a wrong verb.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from gateway.envoy.body_limit import body_limited_to
from gateway.envoy.config import GatewaySettings
from gateway.envoy.contracts import RestRule, Rpc
from gateway.envoy.openai import openai_routes
from gateway.envoy.transcoder import event_stream_transcoder
from servers.kit.services import Service

FRONT_SERVER = "orchestrator"
"""Answers the gRPC services that every server has and that name no server: health and reflection."""
_SHARED_SERVICES = (
    "grpc.health.v1.Health",
    "grpc.reflection.v1.ServerReflection",
    "grpc.reflection.v1alpha.ServerReflection",
)
# gRPC and gRPC-Web.
_IS_GRPC = {"name": "content-type", "string_match": {"prefix": "application/grpc"}}
_WANTS_EVENTS = {"name": "accept", "string_match": {"contains": "text/event-stream"}}
_UNKNOWN_PATH = {"direct_response": {"status": 404, "body": {"inline_string": "nothing is served at this path"}}}


def route_table(
    settings: GatewaySettings, services: tuple[Service, ...], rpcs: tuple[Rpc, ...]
) -> list[dict[str, Any]]:
    """Return the routes; the first that matches wins."""
    return [
        {"match": {"path": "/healthz"}, "direct_response": {"status": 200, "body": {"inline_string": "ok\n"}}},
        *(_stream_route(settings, rpc) for rpc in rpcs if rpc.streams),
        *(_service_route(settings, service) for service in services),
        *(_shared_route(settings, name) for name in _SHARED_SERVICES),
        *openai_routes(settings),
        *(route for rpc in rpcs for rule in rpc.rules for route in _rest_routes(settings, services, rpc, rule)),
        *_wrong_verb_routes(rpcs),
        {"match": {"prefix": "/"}, **_UNKNOWN_PATH},
    ]


def _stream_route(settings: GatewaySettings, rpc: Rpc) -> dict[str, Any]:
    return {"match": {"path": rpc.path, "headers": [_IS_GRPC]}, "route": _to(settings, rpc.server, limit_s=None)}


def _service_route(settings: GatewaySettings, service: Service) -> dict[str, Any]:
    limit_s = settings.timeout_s(service.name)
    return {
        "match": {"prefix": f"/{service.full_name}/", "headers": [_IS_GRPC]},
        "route": _to(settings, service.name, limit_s=limit_s),
    }


def _shared_route(settings: GatewaySettings, full_name: str) -> dict[str, Any]:
    match = {"prefix": f"/{full_name}/", "headers": [_IS_GRPC]}
    return {"match": match, "route": _to(settings, FRONT_SERVER, limit_s=None)}


def _rest_routes(
    settings: GatewaySettings, services: tuple[Service, ...], rpc: Rpc, rule: RestRule
) -> list[dict[str, Any]]:
    path = {"safe_regex": {"regex": rule.path_regex}}
    verb = {"name": ":method", "string_match": {"exact": rule.verb}}
    filters = {} if rpc.client_streams else body_limited_to(settings.max_request_kib * 1024)
    routes = [{"match": {**path, "headers": [verb]}, "typed_per_filter_config": filters, **_UNKNOWN_PATH}]
    if rpc.server_streams:
        match = {**path, "headers": [verb, _WANTS_EVENTS]}
        filters = filters | event_stream_transcoder(settings, services)
        routes.insert(0, {"match": match, "typed_per_filter_config": filters, **_UNKNOWN_PATH})
    return routes


def _wrong_verb_routes(rpcs: Iterable[Rpc]) -> list[dict[str, Any]]:
    verbs: defaultdict[str, set[str]] = defaultdict(set)
    for rpc in rpcs:
        for rule in rpc.rules:
            verbs[rule.path_regex].add(rule.verb)
    return [_wrong_verb_route(path_regex, sorted(allowed)) for path_regex, allowed in verbs.items()]


def _wrong_verb_route(path_regex: str, allowed: list[str]) -> dict[str, Any]:
    return {
        "match": {"safe_regex": {"regex": path_regex}},
        "direct_response": {"status": 405, "body": {"inline_string": f"this path takes {' and '.join(allowed)}"}},
        "response_headers_to_add": [{"header": {"key": "allow", "value": ", ".join(allowed)}}],
    }


def _to(settings: GatewaySettings, server: str, *, limit_s: float | None) -> dict[str, Any]:
    limit = f"{limit_s or 0}s"  # 0: none
    return {
        "cluster": server,
        # A route timeout tells gRPC callers UNAVAILABLE, which invites a retry; this tells them DEADLINE_EXCEEDED, and
        # tells the server the time that is left (grpc-timeout), also where a REST caller gave none.
        "timeout": "0s",
        "max_stream_duration": {"max_stream_duration": limit, "grpc_timeout_header_max": limit},
        "idle_timeout": f"{settings.stream_idle_timeout_s}s",
        # Whatever reached a server is retried by callers who know that it is safe.
        "retry_policy": {"retry_on": "connect-failure", "num_retries": 1},
    }
