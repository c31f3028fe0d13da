"""Prints the public names of the modules that programs may import, as JSON, from the sandbox's own runtime.

Run it with the runtime's interpreter whenever the runtime's lock or `policy.json` changes:

    RUNTIME/bin/python servers/critic/snapshot.py > servers/critic/module_names.json

It imports nothing of Loupe. A name that is a module is left out: modules are allowed by `policy.json` alone, so
`pathlib.os` is never among the names.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import platform
import sys
import warnings
from pathlib import Path
from types import ModuleType

DISTRIBUTIONS = ("numpy", "pandas", "matplotlib", "scipy", "scikit-learn", "pillow")


def public_names(module: ModuleType) -> list[str]:
    """Return the names a program may use of a module: what it declares public or defines itself."""
    declared = set(getattr(module, "__all__", ()))
    package = module.__name__.partition(".")[0]
    is_standard = package in sys.stdlib_module_names
    names = set()
    for name in {*declared, *dir(module)}:
        if name.startswith("_") or (is_standard and declared and name not in declared):
            continue
        try:
            value = getattr(module, name)
        except (AttributeError, ImportError):  # declared, and not there without an experimental switch
            continue
        # Functions and classes carry where they come from; constants don't, and count as the module's own.
        home = str(getattr(value, "__module__", None) or package)
        if isinstance(value, ModuleType) or (name not in declared and home.partition(".")[0].strip("_") != package):
            continue
        names.add(name)
    return sorted(names)


def main() -> None:
    """Write the names to standard output."""
    policy = json.loads((Path(__file__).parent / "policy.json").read_text(encoding="utf-8"))
    versions = {name: importlib.metadata.version(name) for name in DISTRIBUTIONS}
    with warnings.catch_warnings():
        # Asking for an old name warns; it stays allowed as long as it is there.
        warnings.simplefilter("ignore")
        modules = {path: public_names(importlib.import_module(path)) for path in policy["modules"]}
    snapshot = {"python": ".".join(platform.python_version_tuple()[:2]), "versions": versions, "modules": modules}
    lines = [f"    {json.dumps(path)}: {json.dumps(names)}" for path, names in modules.items()]
    snapshot["modules"] = {}
    text = json.dumps(snapshot, indent=2)
    sys.stdout.write(text.replace('"modules": {}', '"modules": {\n' + ",\n".join(lines) + "\n  }") + "\n")


if __name__ == "__main__":
    main()
