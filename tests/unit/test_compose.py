"""compose.yaml: valid by the specification's own schema, locked down, gated on health, and in step with the code."""

from __future__ import annotations

import copy
import importlib
import json
import re
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from cli import provision
from gateway.envoy.config import GatewaySettings
from servers.kit.config import MeshSettings
from servers.kit.env_example import settings_of as settings_class
from servers.kit.env_example import variable
from servers.kit.services import BY_NAME, SERVICES
from servers.router.configuration import read

ROOT = Path(__file__).parents[2]
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICE = COMPOSE["services"]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
OURS = {name: service for name, service in SERVICE.items() if "build" in service}
SERVERS = [service.name for service in SERVICES]
CORE = {name for name, service in SERVICE.items() if "cpu" in service["profiles"]}


def validate(document: Any) -> None:
    jsonschema.validate(document, json.loads((ROOT / "tests/deployment/compose-spec.json").read_text()))


def settings_of(name: str) -> set[str]:
    """Return the variables that a service of ours reads."""
    settings: type[MeshSettings] = GatewaySettings
    server = "orchestrator" if name == "worker" else name
    if server in BY_NAME:
        settings = settings_class(importlib.import_module(f"{BY_NAME[server].module}.config"))
    return {variable(settings, field, info) for field, info in settings.model_fields.items()}


def secrets_of(service: dict[str, Any]) -> dict[str, str]:
    """Return the secrets of a service: the file that each is, by the path at which it is read."""
    uses = [{"source": use, "target": use} if isinstance(use, str) else use for use in service.get("secrets", [])]
    return {f"/run/secrets/{use['target']}": COMPOSE["secrets"][use["source"]]["file"] for use in uses}


def test_it_is_what_the_compose_specification_allows():
    validate(COMPOSE)


@pytest.mark.parametrize("wrong", ["read_onyl", "health_check"])
def test_a_misspelt_field_is_found(wrong):
    broken = copy.deepcopy(COMPOSE)
    broken["services"]["vision"][wrong] = True
    with pytest.raises(jsonschema.ValidationError, match=wrong):
        validate(broken)


def test_every_server_and_the_gateway_run_in_both_profiles():
    assert set(OURS) >= {*SERVERS, "gateway"}
    for name in (*SERVERS, "worker", "gateway", "postgres", "redis", "minio"):
        assert SERVICE[name]["profiles"] == ["cpu", "gpu"], name
    assert {name for name in SERVICE if SERVICE[name]["profiles"] == ["gpu"]} == {
        *("vllm-vision", "vllm-reasoning", "vllm-codegen"),
    }


@pytest.mark.parametrize("name", sorted(OURS))
def test_an_image_of_ours_is_a_target_of_the_dockerfile(name):
    assert re.search(rf"^FROM \w+ AS {OURS[name]['build']['target']}$", DOCKERFILE, re.MULTILINE)


@pytest.mark.parametrize("name", sorted(set(SERVICE) - set(OURS)))
def test_an_image_of_others_is_pinned_by_its_version(name):
    tag = SERVICE[name]["image"].rpartition(":")[2]
    assert re.search(r"\d+\.\d+\.\d+|RELEASE\.\d{4}-\d\d-\d\dT", tag), tag


@pytest.mark.parametrize("name", sorted(SERVICE))
def test_a_container_can_neither_write_its_image_nor_gain_rights_nor_take_the_machine(name):
    service = SERVICE[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert {"cap_add", "privileged", "devices", "pid", "ipc", "userns_mode"} & set(service) == set()
    assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory", "pids"}
    assert not any("docker.sock" in str(volume) for volume in service.get("volumes", []))
    assert all("size=" in mount for mount in service["tmpfs"]) if "tmpfs" in service else True


def test_nobody_but_envoy_publishes_a_port_and_it_on_this_machine_only():
    assert {name: service["ports"] for name, service in SERVICE.items() if "ports" in service} == {
        "gateway": ["127.0.0.1:${LOUPE_PORT:-8000}:8000"]
    }
    assert not any(service.get("network_mode") == "host" for service in SERVICE.values())


def test_who_has_a_way_out():
    internal = {name for name, network in COMPOSE["networks"].items() if network.get("internal")}
    assert internal == {"records", "models", "traces"}
    out = {name for name, service in SERVICE.items() if set(service.get("networks", [])) - internal}
    assert out == {"gateway", "orchestrator", "worker", "vllm-vision", "vllm-reasoning", "vllm-codegen", "tunnel"}


def test_the_sandbox_has_no_network_no_private_key_and_what_it_needs_to_make_namespaces():
    sandbox = SERVICE["sandbox"]
    assert sandbox["network_mode"] == "none"
    assert "networks" not in sandbox
    assert list(secrets_of(sandbox)) == ["/run/secrets/api.sha256"]
    assert {volume.partition(":")[0] for volume in sandbox["volumes"]} == {"sandbox-socket", "./secrets/keys/public"}
    (profile,) = (option for option in sandbox["security_opt"] if option.startswith("seccomp="))
    assert (ROOT / profile.removeprefix("seccomp=")).exists()
    assert "systempaths=unconfined" in sandbox["security_opt"]
    others = {name for name, service in SERVICE.items() if len(service["security_opt"]) > 1}
    assert others == {"sandbox"}  # nobody else is given anything of this kind


@pytest.mark.parametrize("name", sorted(CORE | {"langfuse", "langfuse-worker", "clickhouse"}))
def test_who_depends_on_another_waits_for_its_health(name):
    for other, how in SERVICE[name].get("depends_on", {}).items():
        if how["condition"] == "service_completed_successfully":
            assert SERVICE[other]["restart"] == "no"
            continue
        assert how == {"condition": "service_healthy"}
        target = OURS[other]["build"]["target"] if other in OURS else ""
        stage = re.search(rf"^FROM \w+ AS {target}\n(.*?)(?=^FROM|\Z)", DOCKERFILE, re.MULTILINE | re.DOTALL)
        assert "healthcheck" in SERVICE[other] or (target and stage and "\nHEALTHCHECK " in stage[1]), other


def test_a_core_service_depends_on_core_services_only():
    for name in CORE:
        assert set(SERVICE[name].get("depends_on", {})) <= CORE


@pytest.mark.parametrize("name", sorted(OURS))
def test_every_setting_is_one_that_the_service_reads(name):
    known = settings_of(name)
    shared = {variable(MeshSettings, field, info) for field, info in MeshSettings.model_fields.items()}
    given = {*SERVICE[name]["environment"]} | {
        Path(path).name for path in secrets_of(SERVICE[name]) if "LOUPE_" in path
    }
    assert given - known - shared == set()


def test_the_files_of_env_files_and_variables_in_the_file_are_settings_or_of_compose_itself():
    known = set().union(*(settings_of(name) for name in OURS)) | {
        *("LOUPE_VERSION", "LOUPE_SANDBOX_APPARMOR"),
        *("LOUPE_VISION_CPUS", "LOUPE_SANDBOX_CPUS"),
    }
    named = set(re.findall(r"\$\{(LOUPE_\w+)", (ROOT / "compose.yaml").read_text()))
    assert {name for name in named - known if not name.startswith("LOUPE_VLLM_")} == set()
    given = {line.partition("=")[0] for line in (ROOT / "deploy/gpu.env").read_text().splitlines() if line[:1] != "#"}
    assert given - known == set()


@pytest.mark.parametrize("name", sorted(OURS))
def test_the_image_has_each_volume_s_folder_as_its_user_s_own_since_a_new_volume_takes_its_owner(name):
    made = re.search(r"install -d -o loupe -g loupe -m 0700 (.+)", DOCKERFILE)
    assert made
    volumes = [volume.split(":") for volume in SERVICE[name]["volumes"]]
    written = {inside for outside, inside, *mode in volumes if "/" not in outside and mode != ["ro"]}
    assert written <= set(made[1].split())


@pytest.mark.parametrize("name", sorted(CORE))
def test_a_machine_of_two_cores_is_enough_as_docker_refuses_a_limit_of_more_than_there_are(name):
    limit = SERVICE[name]["deploy"]["resources"]["limits"]["cpus"]
    assert float(re.sub(r"\$\{LOUPE_\w+_CPUS:-(\d+)\}", r"\1", limit)) <= 2


@pytest.mark.parametrize("name", [*SERVERS, "gateway"])
def test_sockets_are_where_their_volume_is_and_only_their_server_may_make_one(name):
    environment, volumes = SERVICE[name]["environment"], SERVICE[name]["volumes"]
    addresses = {variable: value for variable, value in environment.items() if variable.endswith("_ADDRESS")}
    assert set(addresses) == {f"LOUPE_{server.upper()}_ADDRESS" for server in (*SERVERS, "openai")}
    assert all(value.startswith(("unix:/sockets/", "unix:/sandbox-socket/")) for value in addresses.values())
    own = "sandbox-socket" if name == "sandbox" else "sockets"
    assert (f"{own}:/{own}" in volumes) is (name != "gateway")
    may_call_the_sandbox = any(volume.startswith("sandbox-socket:") for volume in volumes)
    assert may_call_the_sandbox is (name in ("sandbox", "orchestrator", "gateway"))


@pytest.mark.parametrize("name", SERVERS)
def test_a_server_has_its_own_private_key_and_nobody_elses(name):
    private = {path: file for path, file in secrets_of(SERVICE[name]).items() if path.endswith(".pem")}
    expected = {f"/run/secrets/{name}.pem": f"./secrets/keys/{name}.pem"}
    assert private == ({} if name in ("sandbox", "files") else expected)
    assert "./secrets/keys/public:/public-keys:ro" in SERVICE[name]["volumes"]


def test_every_configuration_is_a_file_that_is_there():
    # Compose copies inline ones into the container, which a read-only root refuses.
    assert all((ROOT / config["file"]).is_file() for config in COMPOSE["configs"].values())


def test_every_secret_is_made_by_make_secrets(tmp_path):
    provision.provision(tmp_path / "secrets")
    wanted = [secret["file"] for secret in COMPOSE["secrets"].values()]
    wanted += [file["path"] for service in SERVICE.values() for file in service.get("env_file", [])]
    for file in wanted:
        assert (tmp_path / file).is_file(), file


def test_the_routers_providers_are_the_three_models_as_vllm_serves_them():
    configured = read(ROOT / COMPOSE["configs"]["router_providers"]["file"])
    assert {provider.base_url for provider in configured.providers} == {
        *("http://vllm-vision:8000/v1", "http://vllm-reasoning:8000/v1", "http://vllm-codegen:8000/v1"),
    }
    for provider in configured.providers:
        (model,) = provider.models
        name = provider.base_url.removeprefix("http://").partition(":")[0]
        command = SERVICE[name]["command"]
        assert f"--served-model-name {model.name} " in command
        assert f"--max-model-len {model.context_tokens} " in command


def test_the_same_uv_builds_images_and_laptops():
    version = re.search(r"^UV_VERSION := (\S+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert version
    assert f"uv=={version[1]}" in DOCKERFILE


@pytest.mark.parametrize("service", SERVICES, ids=SERVERS)
def test_each_server_has_a_target_with_its_own_extra_only(service):
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    sync = re.search(rf"^FROM build AS build-{service.name}\nRUN .*?(uv sync .*)$", DOCKERFILE, re.MULTILINE)
    assert sync
    assert sync[1] == f"uv sync --frozen --no-dev --no-editable --extra telemetry --extra {service.name}"
    assert service.name in extras
    stage = re.search(rf"^FROM \w+ AS {service.name}\n(.*?)(?=^FROM)", DOCKERFILE, re.MULTILINE | re.DOTALL)
    assert stage
    assert f'CMD ["python", "-m", "{service.module}"]' in stage[1]
    assert f'CMD ["python", "-m", "servers.kit.probe", "{service.name}"]' in stage[1]
    assert f"COPY --from=build-{service.name} /opt/loupe /opt/loupe" in stage[1]


def test_no_image_runs_as_root_and_no_base_is_pinned_loosely():
    stages = dict(re.findall(r"^FROM \S+ AS (\S+)\n(.*?)(?=^FROM|\Z)", DOCKERFILE, re.MULTILINE | re.DOTALL))
    by_name = {name: parent for parent, name in re.findall(r"^FROM (\S+) AS (\S+)$", DOCKERFILE, re.MULTILINE)}
    for name in (*SERVERS, "gateway", "tools"):
        assert "USER 10001:10001" in stages[name] or "USER 10001:10001" in stages[by_name[name]], name
    assert {parent for parent in by_name.values() if parent not in by_name} == {"debian:12.12-slim"}


def test_workflows_build_and_scan_every_target_and_pin_what_they_use():
    targets = set(re.findall(r"^FROM server AS (\w+)$|^FROM python AS (sandbox)$", DOCKERFILE, re.MULTILINE))
    images = yaml.safe_load((ROOT / ".github/workflows/images.yml").read_text())
    assert {one or other for one, other in targets} == set(images["jobs"]["image"]["strategy"]["matrix"]["target"])
    for workflow in (ROOT / ".github/workflows").glob("*.yml"):
        document = yaml.safe_load(workflow.read_text())
        assert document["permissions"] == {"contents": "read"}, workflow.name
        used = re.findall(r"uses: (\S+)", workflow.read_text())
        assert all(re.fullmatch(r"actions/[\w-]+@v\d+\.\d+\.\d+", action) for action in used), used
    assert all(re.search(r":v?\d+\.\d+\.\d+$", image) for image in images["env"].values())
    # Branch protection knows one name; it fails with any of the others.
    assert images["jobs"]["images"]["needs"] == ["image", "mesh"]
