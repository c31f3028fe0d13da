"""Finding one's way in manifests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.deployment import Manifest


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


def environment(manifests: list[Manifest], container: dict[str, Any]) -> dict[str, str]:
    """A container's variables as its process sees them; those from secrets by the secret's name."""
    found: dict[str, str] = {}
    for whole in container.get("envFrom", []):
        found |= by_name(manifests, "ConfigMap", whole["configMapRef"]["name"])["data"]
    for item in container.get("env", []):
        found[item["name"]] = item.get("value", str(item.get("valueFrom")))
    return found
