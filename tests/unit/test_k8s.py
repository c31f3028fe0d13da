"""The Kubernetes manifests: every tested combination builds, is valid, hardened and shut in."""

from __future__ import annotations

import copy
from typing import Any

import jsonschema
import pytest

from servers.kit.services import SERVICES
from tests.deployment import K8S, NEWEST, OLDEST, Manifest, build, builders, combinations, validate
from tests.deployment.combinations import COMBINATIONS, OVERLAYS, Combination
from tests.deployment.manifests import by_name, containers, environment, matches, of_kind, pods

SERVERS = [service.name for service in SERVICES]


@pytest.fixture
def built() -> dict[str, list[Manifest]]:
    return combinations.built()


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


def test_every_builder_makes_the_same(built):
    assert all(build(K8S / "overlays/prod", builder) == built["prod"] for builder in builders())


def test_every_component_and_overlay_is_tested_in_some_combination():
    folders = {path.parent.name for path in (K8S / "components").glob("*/kustomization.yaml")}
    assert folders - {"hardened"} == {one for combination in COMBINATIONS.values() for one in combination}
    assert {path.parent.name for path in (K8S / "overlays").glob("*/kustomization.yaml")} == set(OVERLAYS)
