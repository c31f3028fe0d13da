"""Where each server is, and how its health is known."""

from __future__ import annotations

from typing import Any

from gateway.envoy.config import GatewaySettings
from servers.kit.services import Service
from servers.kit.tls import TlsFolder, is_local

# A server that computes may be slow to answer; one that is gone refuses the connection at once.
_HEALTH_TIMEOUT_S = 5
_HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


def cluster(settings: GatewaySettings, service: Service) -> dict[str, Any]:
    """Return the cluster of one server, named as the server is."""
    address = settings.address_of(service.name)
    return {
        "name": service.name,
        # Names may stand for several addresses that come and go (a headless Kubernetes service).
        "type": "STATIC" if is_local(address) else "STRICT_DNS",
        **transport(address, settings.tls, alpn="h2"),
        "lb_policy": "LEAST_REQUEST",
        "connect_timeout": f"{settings.connect_timeout_s}s",
        "load_assignment": {
            "cluster_name": service.name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address_of(address)}}]}],
        },
        "typed_extension_protocol_options": {
            _HTTP_OPTIONS: {
                "@type": f"type.googleapis.com/{_HTTP_OPTIONS}",
                "explicit_http_config": {"http2_protocol_options": {}},
            }
        },
        "common_lb_config": {
            # By default Envoy ignores health once half of the hosts are unhealthy: with one host, always.
            "healthy_panic_threshold": {"value": 0},
            # By default a change of health may wait a second for others to join it.
            "update_merge_window": "0s",
        },
        "health_checks": [
            {
                "timeout": f"{_HEALTH_TIMEOUT_S}s",
                "interval": f"{settings.health_interval_s}s",
                # The default for a server without traffic is one check a minute.
                "no_traffic_interval": f"{settings.health_interval_s}s",
                "unhealthy_threshold": 2,
                "healthy_threshold": 1,
                "grpc_health_check": {"service_name": service.full_name},
            }
        ],
    }


def transport(address: str, tls: TlsFolder | None, *, alpn: str) -> dict[str, Any]:
    """Return the field that makes a cluster speak mutual TLS; none for a unix socket, or without certificates."""
    if tls is None or is_local(address):
        return {}
    host = _host_of(address)
    return {
        "transport_socket": {
            "name": "envoy.transport_sockets.tls",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
                "sni": host,
                "common_tls_context": {
                    # grpc refuses a connection on which nobody said that it is HTTP/2.
                    "alpn_protocols": [alpn],
                    "tls_certificates": [
                        {
                            "certificate_chain": {"filename": str(tls.certificate)},
                            "private_key": {"filename": str(tls.key)},
                        }
                    ],
                    "validation_context": {
                        "trusted_ca": {"filename": str(tls.authority)},
                        "match_typed_subject_alt_names": [{"san_type": "DNS", "matcher": {"exact": host}}],
                    },
                },
            },
        }
    }


def address_of(address: str) -> dict[str, Any]:
    """Return Envoy's form of unix:PATH or HOST:PORT."""
    if is_local(address):
        return {"pipe": {"path": address.removeprefix("unix:")}}
    return {"socket_address": {"address": _host_of(address), "port_value": int(address.rpartition(":")[2])}}


def _host_of(address: str) -> str:
    return address.rpartition(":")[0].strip("[]")
