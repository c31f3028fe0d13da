"""The Kubernetes manifests in step with the code: settings, secrets, certificates, images, Envoy, providers."""

from __future__ import annotations

import importlib
import json
import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from cli import provision
from gateway.envoy.bootstrap import as_yaml, bootstrap
from gateway.envoy.config import GatewaySettings
from gateway.envoy.validate import validate as envoy_validate
from loupe.orchestrator.v1.orchestrator_pb2 import JobState
from servers.kit.config import MeshSettings
from servers.kit.env_example import settings_of, variable
from servers.kit.services import BY_NAME, SERVICES
from servers.orchestrator.config import Settings as OrchestratorSettings
from servers.orchestrator.tables import JOBS
from servers.router.configuration import read
from tests.deployment import K8S, Manifest, combinations
from tests.deployment.combinations import Combination
from tests.deployment.manifests import by_name, containers, environment, of_kind, pods

ROOT = K8S.parent
SERVERS = [service.name for service in SERVICES]


@pytest.fixture
def built() -> dict[str, list[Manifest]]:
    return combinations.built()


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `make secrets` makes."""
    folder = tmp_path_factory.mktemp("given")
    provision.provision(folder)
    return folder


@Combination
def test_every_configuration_and_secret_that_is_read_is_made(built, name, given):
    secrets = {
        (one["metadata"]["namespace"], one["metadata"]["name"]): set(one["data"])
        for one in provision.kubernetes_secrets(given)
    }
    # Of other places: the operator makes them.
    secrets[("loupe", "loupe-backup")] = {"endpoint", "bucket", "access_key", "secret_key"}
    secrets[("loupe", "huggingface")] = {"token"}
    configs = {
        (one["metadata"]["namespace"], one["metadata"]["name"]): set(one["data"])
        for one in of_kind(built[name], "ConfigMap")
    }
    for manifest, template in pods(built[name]):
        namespace = manifest["metadata"]["namespace"]
        for kind, reference, keys in references(template):
            made = (secrets if kind == "secret" else configs).get((namespace, reference))
            assert made is not None, f"{manifest['metadata']['name']} reads {kind} {reference}"
            assert keys <= made, f"{kind} {reference} has no {keys - made}"


def references(template: dict[str, Any]) -> Iterator[tuple[str, str, set[str]]]:
    """Each secret and configuration that a pod reads, and the keys by which it does."""
    for volume in template["spec"].get("volumes", []):
        if secret := volume.get("secret"):
            yield "secret", secret["secretName"], {item["key"] for item in secret.get("items", [])}
        if config := volume.get("configMap"):
            yield "config", config["name"], set()
        for source in volume.get("projected", {}).get("sources", []):
            yield "secret", source["secret"]["name"], {item["key"] for item in source["secret"].get("items", [])}
    for container in containers(template):
        for whole in container.get("envFrom", []):
            yield "config", whole["configMapRef"]["name"], set()
        for item in container.get("env", []):
            source = item.get("valueFrom", {})
            for kind, key in (("secret", "secretKeyRef"), ("config", "configMapKeyRef")):
                if key in source:
                    yield kind, source[key]["name"], {source[key]["key"]}


def variables(settings: type[MeshSettings]) -> set[str]:
    return {variable(settings, name, field) for name, field in settings.model_fields.items()}


def settings_read_by(server: str) -> type[MeshSettings]:
    if server == "gateway":
        return GatewaySettings
    if server == "worker":
        return OrchestratorSettings
    return settings_of(importlib.import_module(f"{BY_NAME[server].module}.config"))


@Combination
def test_every_setting_is_one_that_the_server_reads(built, name):
    shared = set().union(
        *(variables(settings_of(importlib.import_module(f"{service.module}.config"))) for service in SERVICES)
    )
    for manifest, template in pods(built[name]):
        for container in containers(template):
            if not container["image"].rpartition("/")[2].startswith("loupe-") or manifest["kind"] == "CronJob":
                continue
            server = manifest["metadata"]["labels"]["app.kubernetes.io/name"].removeprefix("loupe-")
            settings = settings_read_by(server)
            own = {item["name"] for item in container.get("env", [])}
            assert own - variables(settings) == set(), server
            assert set(environment(built[name], container)) - variables(settings) - shared == set(), server


@Combination
def test_every_image_is_a_target_of_the_dockerfile_or_pinned_by_its_version(built, name):
    targets = set(re.findall(r"^FROM \w+ AS (\w+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE))
    for _, template in pods(built[name]):
        for container in containers(template):
            image, _, tag = container["image"].rpartition("/")[2].partition(":")
            if image.startswith("loupe-"):
                assert image.removeprefix("loupe-").removesuffix("-canary") in targets
            else:
                assert re.search(r"\d+\.\d+|RELEASE\.\d{4}", tag), container["image"]


def test_certificates_name_the_hosts_by_which_servers_are_called(built):
    vision = by_name(built["base"], "Deployment", "loupe-vision")["spec"]["template"]
    mesh = environment(built["base"], vision["spec"]["containers"][0])
    services = {
        f"{one['metadata']['name']}.{one['metadata']['namespace']}.svc": {port["port"] for port in one["spec"]["ports"]}
        for one in of_kind(built["base"], "Service")
    }
    for server in (*SERVERS, "openai"):
        host, _, port = mesh[f"LOUPE_{server.upper()}_ADDRESS"].rpartition(":")
        assert host in provision.hosts_of("router" if server == "openai" else server)
        assert int(port) in services[host]


@pytest.mark.parametrize("name", ["base", "prod"])
def test_envoy_is_configured_by_the_gateways_settings_and_takes_it(built, name, given, tmp_path, monkeypatch):
    (container,) = by_name(built[name], "Deployment", "loupe-gateway")["spec"]["template"]["spec"]["containers"]
    # On this machine the folders lie elsewhere; all else is as the pod has it.
    elsewhere = {"LOUPE_TLS_DIR": str(given / "tls/gateway"), "LOUPE_HOME": str(tmp_path)}
    for setting, value in (environment(built[name], container) | elsewhere).items():
        monkeypatch.setenv(setting, value)
    config = bootstrap(GatewaySettings())
    clusters = {one["name"]: one for one in config["static_resources"]["clusters"]}
    assert set(clusters) == {*SERVERS, "openai"}
    for one in clusters.values():
        (endpoint,) = one["load_assignment"]["endpoints"][0]["lb_endpoints"]
        address = endpoint["endpoint"]["address"]["socket_address"]["address"]
        assert one["transport_socket"]["typed_config"]["sni"] == address
        assert one["type"] == "STRICT_DNS"
    listener = config["static_resources"]["listeners"][0]["address"]["socket_address"]
    assert listener == {"address": "0.0.0.0", "port_value": 8000}
    path = tmp_path / "envoy.yaml"
    path.write_text(as_yaml(config))
    envoy_validate(path)


@pytest.mark.parametrize("component", ["vllm", "triton"])
def test_the_routers_providers_are_services_that_it_may_call(built, component):
    configured = read(K8S / "components" / component / "router.toml")
    services = {one["metadata"]["name"]: one["spec"] for one in of_kind(built[component], "Service")}
    for provider in configured.providers:
        host, _, port = provider.base_url.partition("://")[2].removesuffix("/v1").partition(":")
        assert int(port) in {one["port"] for one in services[host]["ports"]}
    models = {model.name for provider in configured.providers for model in provider.models}
    for workload in of_kind(built["vllm"], "StatefulSet"):
        arguments = workload["spec"]["template"]["spec"]["containers"][0].get("args", [])
        if "--served-model-name" in arguments and component == "vllm":
            assert arguments[arguments.index("--served-model-name") + 1] in models


def test_engines_ask_for_routes_that_the_router_has(built):
    routes = {route.name for route in read(K8S / "components/vllm/router.toml").routes}
    asked = {
        item["value"]
        for _, template in pods(built["vllm"])
        for container in containers(template)
        for item in container.get("env", [])
        if re.fullmatch(r"LOUPE_\w+_MODEL", item["name"])
    }
    assert {"vision", "reasoning", "codegen"} <= asked <= routes


def test_a_backup_of_a_volume_holds_what_was_committed_last(built, tmp_path):
    job = by_name(built["volumes-backed-up"], "CronJob", "backup-volume-files")["spec"]["jobTemplate"]["spec"][
        "template"
    ]
    (dump,) = job["spec"]["initContainers"]
    live, copy_folder = tmp_path / "data", tmp_path / "dump"
    live.mkdir()
    copy_folder.mkdir()
    program = dump["command"][2].replace("/data", str(live)).replace("/dump", str(copy_folder))
    with closing(sqlite3.connect(live / "files.sqlite")) as writer:
        writer.executescript("PRAGMA journal_mode=WAL; CREATE TABLE rows (n); INSERT INTO rows VALUES (7);")
        # While the server has it open, and the newest rows are in its -wal file only.
        subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
    with closing(sqlite3.connect(copy_folder / "files.sqlite")) as restored:
        assert restored.execute("SELECT n FROM rows").fetchall() == [(7,)]


def test_the_keda_query_counts_jobs_that_wait_or_are_in_work(built):
    query = by_name(built["scaled"], "ScaledObject", "loupe-worker")["spec"]["triggers"][0]["metadata"]["query"]
    states = json.loads("[" + query.partition("IN (")[2].rstrip(")") + "]")
    assert states == [JobState.JOB_STATE_PENDING, JobState.JOB_STATE_RUNNING]
    assert f"FROM orchestrator.{JOBS.name} WHERE {JOBS.c.state.name} IN" in query
