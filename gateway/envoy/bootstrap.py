"""The whole configuration, as Envoy reads it."""

from __future__ import annotations

from typing import Any

import yaml

from gateway.envoy.clusters import cluster
from gateway.envoy.config import GatewaySettings
from gateway.envoy.contracts import read_rpcs
from gateway.envoy.listener import listener
from gateway.envoy.openai import openai_cluster
from servers.kit.services import SERVICES


def bootstrap(settings: GatewaySettings) -> dict[str, Any]:
    """Return Envoy's static configuration for the table of services."""
    return {
        "admin": {"address": {"pipe": {"path": str(settings.admin_socket), "mode": 0o600}}},
        "static_resources": {
            "listeners": [listener(settings, SERVICES, read_rpcs(SERVICES))],
            "clusters": [*(cluster(settings, service) for service in SERVICES), openai_cluster(settings)],
        },
        "overload_manager": _overload_manager(settings),
    }


def as_yaml(config: dict[str, Any]) -> str:
    """Return the configuration as text."""
    return yaml.safe_dump(config, sort_keys=False, width=120)


def _overload_manager(settings: GatewaySettings) -> dict[str, Any]:
    """Bound memory and connections; without it one greedy caller takes both from all others."""
    monitors = "type.googleapis.com/envoy.extensions.resource_monitors"
    heap = "envoy.resource_monitors.fixed_heap"

    def at_heap(action: str, share: float) -> dict[str, Any]:
        return {"name": action, "triggers": [{"name": heap, "threshold": {"value": share}}]}

    return {
        "refresh_interval": "0.25s",
        "resource_monitors": [
            {
                "name": heap,
                "typed_config": {
                    "@type": f"{monitors}.fixed_heap.v3.FixedHeapConfig",
                    "max_heap_size_bytes": settings.max_heap_mib * 1024 * 1024,
                },
            },
            {
                "name": "envoy.resource_monitors.global_downstream_max_connections",
                "typed_config": {
                    "@type": f"{monitors}.downstream_connections.v3.DownstreamConnectionsConfig",
                    "max_active_downstream_connections": settings.max_connections,
                },
            },
        ],
        "actions": [
            at_heap("envoy.overload_actions.shrink_heap", 0.9),
            at_heap("envoy.overload_actions.stop_accepting_requests", 0.95),
        ],
    }
