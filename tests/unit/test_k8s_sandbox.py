"""The sandbox's Kubernetes manifests: hardened, shut in, and in step with the policy and the settings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from sandbox import policy

ROOT = Path(__file__).parents[2] / "k8s"
DEPLOYMENT = ROOT / "base/sandbox.yaml"
RUN = ROOT / "components/sandbox-pod-per-run/run.yaml"
REPLICAS = ROOT / "components/sandbox-replicas"


def one(path: Path, kind: str) -> Any:
    (found,) = (document for document in yaml.safe_load_all(path.read_text()) if document["kind"] == kind)
    return found


def pod(path: Path) -> Any:
    return one(path, "Deployment" if path == DEPLOYMENT else "Job")["spec"]["template"]["spec"]


@pytest.mark.parametrize("path", [DEPLOYMENT, RUN], ids=["server", "run"])
def test_no_container_is_root_gains_rights_or_writes_its_image(path):
    spec = pod(path)
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["runAsUser"] >= 10000
    assert spec["securityContext"]["seccompProfile"]["type"] in ("Localhost", "RuntimeDefault")
    for container in [*spec.get("initContainers", []), *spec["containers"]]:
        context = container["securityContext"]
        assert context["allowPrivilegeEscalation"] is False
        assert context["readOnlyRootFilesystem"] is True
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert "privileged" not in context
        assert {"cpu", "memory"} <= set(container["resources"]["limits"])


@pytest.mark.parametrize("path", [DEPLOYMENT, RUN], ids=["server", "run"])
def test_no_pod_has_a_credential_of_the_cluster_a_name_server_or_a_folder_of_the_node(path):
    spec = pod(path)
    assert spec["automountServiceAccountToken"] is False
    assert spec["enableServiceLinks"] is False
    assert (spec["dnsPolicy"], spec["dnsConfig"]) == ("None", {"nameservers": ["127.0.0.1"]})
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec)
    assert all("hostPath" not in volume for volume in spec["volumes"])
    for volume in spec["volumes"]:
        assert volume.get("emptyDir", {"sizeLimit": "0"}).get("sizeLimit"), f"{volume['name']} is unbounded"


def test_the_server_makes_sandboxes_as_an_ordinary_user_of_the_node():
    spec = pod(DEPLOYMENT)
    (server,) = spec["containers"]
    assert spec["hostUsers"] is False
    assert server["securityContext"]["procMount"] == "Unmasked"  # only with hostUsers: false
    assert spec["securityContext"]["appArmorProfile"] == {"type": "Localhost", "localhostProfile": "loupe-sandbox"}
    assert "profile loupe-sandbox " in (ROOT / "base/sandbox/apparmor.profile").read_text()


def test_nothing_goes_out_and_only_the_orchestrator_and_the_gateway_come_in():
    rules = one(DEPLOYMENT, "NetworkPolicy")["spec"]
    assert (rules["podSelector"], sorted(rules["policyTypes"])) == ({}, ["Egress", "Ingress"])  # every pod there
    assert rules["egress"] == []
    (ingress,) = rules["ingress"]
    (source,) = ingress["from"]
    assert source["podSelector"]["matchExpressions"][0]["values"] == [
        *("loupe-orchestrator", "loupe-worker", "loupe-gateway"),
    ]
    assert ingress["ports"] == [{"protocol": "TCP", "port": 50051}]
    assert one(RUN, "Job")["metadata"]["namespace"] == one(DEPLOYMENT, "NetworkPolicy")["metadata"]["namespace"]


def test_a_run_as_a_pod_runs_once_within_the_policys_limits():
    job, limits = one(RUN, "Job")["spec"], policy.load().limits
    (program,) = pod(RUN)["containers"]
    assert (job["parallelism"], job["completions"], job["backoffLimit"]) == (1, 1, 0)
    assert pod(RUN)["restartPolicy"] == "Never"
    assert (
        pod(RUN)["runtimeClassName"]
        == one(ROOT / "components/gvisor/runtime-class.yaml", "RuntimeClass")["metadata"]["name"]
    )
    assert limits["wall_time_s"].default < job["activeDeadlineSeconds"] < 2 * limits["wall_time_s"].default
    assert program["resources"]["limits"]["memory"] == f"{limits['memory_mib'].default / 1024:g}Gi"
    assert program["resources"]["limits"]["cpu"] == f"{limits['cpu_count'].default:g}"
    (work,) = (volume for volume in pod(RUN)["volumes"] if volume["name"] == "work")
    assert work["emptyDir"]["sizeLimit"] == f"{limits['disk_mib'].default:g}Mi"
    environment = policy.load().environment
    assert all(environment[item["name"]] == item["value"] for item in program["env"])


def test_the_seccomp_profile_refuses_what_the_policy_does_but_for_what_sandboxes_are_made_of():
    profile = json.loads((ROOT / "base/sandbox/seccomp.json").read_text())
    (rule,) = profile["syscalls"]
    refused = {name for names in policy.load().syscalls.values() for name in names}
    assert (profile["defaultAction"], rule["action"], rule["errnoRet"]) == ("SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO", 1)
    assert set(rule["names"]) - refused == set()
    assert refused - set(rule["names"]) == {
        *("chroot", "clone3", "memfd_create", "memfd_secret", "mount", "pivot_root"),
        *("sched_setaffinity", "sethostname", "umount2", "unshare"),
    }


def test_replicas_share_their_used_tokens_and_one_alone_is_never_beside_its_successor():
    assert one(DEPLOYMENT, "Deployment")["spec"]["replicas"] == 1
    assert one(DEPLOYMENT, "Deployment")["spec"]["strategy"] == {"type": "Recreate"}
    patch = yaml.safe_load((REPLICAS / "deployment.yaml").read_text())["spec"]
    (server,) = patch["template"]["spec"]["containers"]
    settings = {item["name"]: item["value"] for item in server["env"]}
    (mount,) = server["volumeMounts"]
    assert settings["LOUPE_SANDBOX_USED_TOKENS_DIR"].startswith(mount["mountPath"] + "/")
    assert settings["LOUPE_SANDBOX_SESSIONS"] == "0"  # they live in one replica
    claim = yaml.safe_load((REPLICAS / "used-tokens.yaml").read_text())
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]
