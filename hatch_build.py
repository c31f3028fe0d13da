"""Build hook: turns the protos, ours and those of others, into packages at the project's root: loupe, buf, vllm_grpc.

Run by every build (`pip install .` needs nothing else), or by hand as `python hatch_build.py` after a contract changed.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent
# google/* comes ready-made in googleapis-common-protos; generating it again would register every type twice.
SOURCE_ROOTS = ("proto", "third_party/proto")
PACKAGES = {"loupe": "proto", "buf": "third_party/proto", "vllm_grpc": "third_party/proto"}
# What Envoy needs to know: not the gRPC that the router speaks to a model server.
_UNDESCRIBED = "vllm_grpc/"


def generate() -> None:
    """Write message classes, stubs, their types and the descriptor set that Envoy reads; old output goes first."""
    protos = [
        str(path.relative_to(ROOT / source_root))
        for package, source_root in PACKAGES.items()
        for path in sorted((ROOT / source_root / package).rglob("*.proto"))
    ]
    # Made beside and swapped in whole, so that a process which starts meanwhile finds the old code or the new.
    made = ROOT / ".build" / f"generated-{os.getpid()}"
    (made / "loupe").mkdir(parents=True)
    spec = importlib.util.find_spec("grpc_tools")
    if spec is None or spec.origin is None:
        raise RuntimeError("grpcio-tools is not installed in the environment that builds Loupe")
    # The mypy plugins are scripts beside the interpreter, which a build environment need not have on its PATH.
    scripts = Path(sys.executable).parent
    protoc = [
        *(sys.executable, "-m", "grpc_tools.protoc"),
        *(f"--plugin={path.name}={path}" for path in scripts.glob("protoc-gen-mypy*")),
        *(f"-I{ROOT / source_root}" for source_root in SOURCE_ROOTS),
        f"-I{Path(spec.origin).parent / '_proto'}",
    ]
    services = [path for path in protos if path.endswith(("_service.proto", "/vllm_engine.proto"))]
    subprocess.run([*protoc, f"--python_out={made}", f"--mypy_out=quiet:{made}", *protos], check=True)
    subprocess.run([*protoc, f"--grpc_python_out={made}", f"--mypy_grpc_out=quiet:{made}", *services], check=True)
    # Envoy renders google.rpc details only if their types are in the set, and no contract of ours imports them.
    descriptor_set = f"--descriptor_set_out={made / 'loupe' / 'descriptor_set.binpb'}"
    described = [path for path in protos if not path.startswith(_UNDESCRIBED)] + ["google/rpc/error_details.proto"]
    subprocess.run([*protoc, descriptor_set, "--include_imports", *described], check=True)
    for package in PACKAGES:
        for folder in [made / package, *(p for p in (made / package).rglob("*") if p.is_dir())]:
            (folder / "__init__.py").touch()
        (made / package / "py.typed").touch()
        if (ROOT / package).exists():
            (ROOT / package).rename(made / f"old-{package}")
        (made / package).rename(ROOT / package)
    shutil.rmtree(made)


if __name__ == "__main__":
    generate()
else:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface

    class GenerateProtos(BuildHookInterface[Any]):
        """Runs `generate` before hatchling collects the files."""

        PLUGIN_NAME = "custom"

        def initialize(self, version: str, build_data: dict[str, Any]) -> None:
            """Generate, and take the git-ignored output along into the wheel."""
            generate()
            build_data["artifacts"] += [f"/{package}/**" for package in PACKAGES]
