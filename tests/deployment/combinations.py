"""The combinations of components and the overlays that are tested."""

from __future__ import annotations

import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import pytest

from tests.deployment import K8S, Manifest, build, build_with, install

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

Combination = pytest.mark.parametrize("name", [*COMBINATIONS, *OVERLAYS])


@cache
def built() -> dict[str, list[Manifest]]:
    """Return the manifests of each; built once for all tests."""
    install()
    with tempfile.TemporaryDirectory() as scratch, ThreadPoolExecutor(2) as pool:
        folders = {name: Path(scratch) / name for name in COMBINATIONS}
        for folder in folders.values():
            folder.mkdir()
        made = {name: pool.submit(build_with, folders[name], *COMBINATIONS[name]) for name in COMBINATIONS}
        made |= {name: pool.submit(build, K8S / "overlays" / name) for name in OVERLAYS}
        return {name: future.result() for name, future in made.items()}
