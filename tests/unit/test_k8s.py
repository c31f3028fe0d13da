"""The Kubernetes manifests: every tested combination builds, is valid, hardened, and in step with the code."""

from __future__ import annotations

import copy
import importlib
import json
import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import jsonschema
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
from tests.deployment import K8S, NEWEST, OLDEST, Manifest, build, build_with, builders, install, validate

ROOT = K8S.parent
COMBINATIONS: dict[str, tuple[str, ...]] = {
    "base": (),
    "database": ("database",),
    "objects": ("objects",),
    "vllm": ("vllm", "gpu"),
    "triton": ("triton", "gpu", "observability"),
    "scaled": ("database", "workers", "autoscaling", "keda", "sandbox-replicas"),
    "canary": ("canary",),
    "volumes-backed-up": ("backup-volumes", "gvisor"),
    "all": (
        *("database", "objects", "workers", "queue", "postgres", "minio", "redis", "sandbox-replicas"),
        *("observability", "autoscaling", "keda", "canary", "backup", "vllm", "gpu", "gvisor"),
    ),
}
OVERLAYS = ("dev", "prod")
SERVERS = [service.name for service in SERVICES]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Manifest]]:
    """Every tested combination."""
    install()
    folders = {name: tmp_path_factory.mktemp(name) for name in COMBINATIONS}
    with ThreadPoolExecutor(2) as pool:
        made = {name: pool.submit(build_with, folders[name], *COMBINATIONS[name]) for name in COMBINATIONS}
        made |= {name: pool.submit(build, K8S / "overlays" / name) for name in OVERLAYS}
    return {name: future.result() for name, future in made.items()}


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `make secrets` makes."""
    folder = tmp_path_factory.mktemp("given")
    provision.provision(folder)
    return folder


Combination = pytest.mark.parametrize("name", [*COMBINATIONS, *OVERLAYS])


def of_kind(manifests: list[Manifest], *kinds: str) -> list[Manifest]:
    return [manifest for manifest in manifests if manifest["kind"] in kinds]


def pods(manifests: list[Manifest]) -> Iterator[tuple[Manifest, dict[str, Any]]]:
    """Each workload and its pod template."""
    for manifest in of_kind(manifests, "Deployment", "StatefulSet"):
        yield manifest, manifest["spec"]["template"]
    for manifest in of_kind(manifests, "CronJob"):
        yield manifest, manifest["spec"]["jobTemplate"]["spec"]["template"]


def containers(template: dict[str, Any]) -> list[dict[str, Any]]:
    return [*template["spec"].get("initContainers", []), *template["spec"]["containers"]]


def by_name(manifests: list[Manifest], kind: str, name: str) -> Manifest:
    (found,) = (one for one in of_kind(manifests, kind) if one["metadata"]["name"] == name)
    return found


def matches(selector: dict[str, str], labels: dict[str, str]) -> bool:
    return selector.items() <= labels.items()


@Combination
def test_a_cluster_would_take_it(built, name):
    for manifest in built[name]:
        for version in (OLDEST, NEWEST):
            validate(manifest, version)


@pytest.mark.parametrize(
    ("kind", "path", "wrong"),
    [
        ("Deployment", ("spec", "template", "spec"), {"securityContex": {}}),
        ("Deployment", ("spec",), {"replicas": "two"}),
        ("StatefulSet", ("spec", "template", "spec", "containers", 0), {"readinesProbe": {}}),
        ("NetworkPolicy", ("spec",), {"egres": []}),
        ("HorizontalPodAutoscaler", ("spec",), {"maxReplicas": None}),
        ("ScaledObject", ("spec",), {"minReplicas": 2}),
        ("CronJob", ("spec",), {"schedul": "daily"}),
    ],
)
def test_a_wrong_field_is_found(built, kind, path, wrong):
    manifest = copy.deepcopy(of_kind(built["all"], kind)[0])
    part: Any = manifest
    for step in path:
        part = part[step]
    part |= wrong
    with pytest.raises(jsonschema.ValidationError):
        validate(manifest, NEWEST)


@Combination
def test_no_container_is_root_gains_rights_writes_its_image_or_is_unbounded(built, name):
    for manifest, template in pods(built[name]):
        spec, who = template["spec"], manifest["metadata"]["name"]
        assert spec["automountServiceAccountToken"] is False, who
        assert spec["enableServiceLinks"] is False, who
        assert spec["securityContext"]["runAsNonRoot"] is True, who
        assert spec["securityContext"]["seccompProfile"]["type"] in ("RuntimeDefault", "Localhost"), who
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec), who
        for container in containers(template):
            context = container["securityContext"]
            assert context["allowPrivilegeEscalation"] is False, who
            assert context["readOnlyRootFilesystem"] is True, who
            assert context["capabilities"] == {"drop": ["ALL"]}, who
            assert "privileged" not in context, who
            for bound in ("requests", "limits"):
                assert {"cpu", "memory"} <= set(container["resources"][bound]), f"{who}: {bound}"
        for volume in spec.get("volumes", []):
            assert "hostPath" not in volume, who
            assert "emptyDir" not in volume or volume["emptyDir"].get("sizeLimit"), f"{who}: {volume['name']}"


@Combination
def test_only_the_sandbox_has_more_than_restricted_pods_may_have(built, name):
    for manifest, template in pods(built[name]):
        wants_more = {"procMount", "seccompProfile", "appArmorProfile"} & {
            *(key for container in containers(template) for key in container["securityContext"]),
        } or template["spec"]["securityContext"]["seccompProfile"]["type"] == "Localhost"
        assert bool(wants_more) is (manifest["metadata"]["name"] == "loupe-sandbox")
    namespaces = {one["metadata"]["name"]: one["metadata"]["labels"] for one in of_kind(built[name], "Namespace")}
    assert namespaces["loupe"]["pod-security.kubernetes.io/enforce"] == "restricted"


@Combination
def test_whoever_serves_is_probed_and_a_server_by_grpc(built, name):
    for manifest, template in pods(built[name]):
        if manifest["kind"] == "CronJob":
            continue
        (container,) = template["spec"]["containers"]
        assert {"startupProbe", "readinessProbe", "livenessProbe"} <= set(container), manifest["metadata"]["name"]
        labels = manifest["metadata"]["labels"]
        if labels.get("loupe.dev/server") or labels["app.kubernetes.io/name"] == "loupe-sandbox":
            # The kubelet speaks no TLS: health has a port of its own.
            assert container["readinessProbe"]["grpc"] == {"port": 50052}
            assert container["livenessProbe"]["grpc"] == {"port": 50052, "service": "live"}
            assert {"name": "health", "containerPort": 50052} in container["ports"]


@Combination
def test_every_server_has_its_workload_service_account_budget_and_policy(built, name):
    manifests = built[name]
    for server in (*SERVERS, "gateway"):
        called = f"loupe-{server}"
        (workload,) = (
            one for one in of_kind(manifests, "Deployment", "StatefulSet") if one["metadata"]["name"] == called
        )
        account = by_name(manifests, "ServiceAccount", called)
        assert account["automountServiceAccountToken"] is False
        assert workload["spec"]["template"]["spec"]["serviceAccountName"] == called
        service = by_name(manifests, "Service", called)["spec"]
        assert service.get("clusterIP") == (None if server == "gateway" else "None")
        labels = workload["spec"]["template"]["metadata"]["labels"]
        assert matches(service["selector"], labels)
        named = {port["name"] for port in workload["spec"]["template"]["spec"]["containers"][0]["ports"]}
        assert {port["targetPort"] for port in service["ports"]} <= named
        for kind, selector in (("PodDisruptionBudget", "selector"), ("NetworkPolicy", "podSelector")):
            chosen = by_name(manifests, kind, called)["spec"][selector]
            assert matches(chosen.get("matchLabels", {}), labels)


@Combination
def test_no_pod_belongs_to_two_workloads_and_each_to_its_own(built, name):
    workloads = of_kind(built[name], "Deployment", "StatefulSet")
    for one in workloads:
        labels = one["spec"]["template"]["metadata"]["labels"]
        owners = [
            other["metadata"]["name"]
            for other in workloads
            if other["metadata"]["namespace"] == one["metadata"]["namespace"]
            and matches(other["spec"]["selector"]["matchLabels"], labels)
        ]
        assert owners == [one["metadata"]["name"]]


@Combination
def test_nothing_comes_in_or_goes_out_unless_a_policy_says_so_and_nothing_leaves_the_sandbox(built, name):
    policies = of_kind(built[name], "NetworkPolicy")
    (deny,) = (policy for policy in policies if policy["metadata"]["name"] == "default-deny")
    assert deny["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    inside = [policy["spec"] for policy in policies if policy["metadata"]["namespace"] == "loupe-sandbox"]
    (sandbox,) = inside
    assert (sandbox["podSelector"], sandbox["egress"], sorted(sandbox["policyTypes"])) == (
        {},
        [],
        ["Egress", "Ingress"],
    )
    for policy in policies:
        for rule in policy["spec"].get("egress", []):
            # To anywhere only by port, and never on the mesh's own.
            assert rule.get("to") or not {50051, 8000} & {port["port"] for port in rule["ports"]}, policy["metadata"]


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


def environment(manifests: list[Manifest], container: dict[str, Any]) -> dict[str, str]:
    """A container's variables as its process sees them; those from secrets by the secret's name."""
    found: dict[str, str] = {}
    for whole in container.get("envFrom", []):
        found |= by_name(manifests, "ConfigMap", whole["configMapRef"]["name"])["data"]
    for item in container.get("env", []):
        found[item["name"]] = item.get("value", str(item.get("valueFrom")))
    return found


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


@Combination
def test_what_scales_by_itself_names_no_number_of_replicas_and_exists(built, name):
    scaled = [one["spec"]["scaleTargetRef"] for one in of_kind(built[name], "HorizontalPodAutoscaler", "ScaledObject")]
    for target in scaled:
        workload = by_name(built[name], target.get("kind", "Deployment"), target["name"])
        assert "replicas" not in workload["spec"]
    assert len({target["name"] for target in scaled}) == len(scaled)


def test_a_second_replica_of_what_keeps_records_comes_with_a_database_only(built):
    for name in (*COMBINATIONS, *OVERLAYS):
        for server in ("files", "orchestrator", "router"):
            workload = by_name(built[name], "StatefulSet", f"loupe-{server}")
            (container,) = workload["spec"]["template"]["spec"]["containers"]
            has_database = "LOUPE_DATABASE_URL" in environment(built[name], container)
            assert workload["spec"]["replicas"] == 1 or has_database


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


def test_every_builder_makes_the_same(built):
    assert all(build(K8S / "overlays/prod", builder) == built["prod"] for builder in builders())


def test_every_component_and_overlay_is_tested_in_some_combination():
    folders = {path.parent.name for path in (K8S / "components").glob("*/kustomization.yaml")}
    assert folders - {"hardened"} == {one for combination in COMBINATIONS.values() for one in combination}
    assert {path.parent.name for path in (K8S / "overlays").glob("*/kustomization.yaml")} == set(OVERLAYS)


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
