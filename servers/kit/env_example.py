"""Writes .env.example from the settings themselves, so it is complete: `python -m servers.kit.env_example`."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

from pydantic import AliasChoices
from pydantic.fields import FieldInfo

from servers.kit.config import MeshSettings
from servers.kit.services import SERVICES

TARGET = Path(__file__).parents[2] / ".env.example"
_OTHERS = ("gateway.envoy.config", "cli.config")


def render() -> str:
    """Return the file's text: every variable with its default and what it means."""
    sections = ["# Every setting of Loupe with its default. Generated: make env-example\n"]
    listed: set[str] = set()
    sections.append(_section("shared by all", MeshSettings, listed))
    for module in (*(f"{service.module}.config" for service in SERVICES), *_OTHERS):
        settings = settings_of(importlib.import_module(module))
        sections.append(_section(module.rpartition(".")[0], settings, listed))
    return "\n".join(sections)


def settings_of(module: ModuleType) -> type[MeshSettings]:
    """Return the class of settings that a module defines."""
    return next(
        found
        for found in vars(module).values()
        if isinstance(found, type) and issubclass(found, MeshSettings) and found.__module__ == module.__name__
    )


def _section(title: str, settings: type[MeshSettings], listed: set[str]) -> str:
    """Return the variables of one server that are not listed yet, and list them."""
    lines = [f"# --- {title} ---"]
    for name, field in settings.model_fields.items():
        named = variable(settings, name, field)
        if named in listed:
            continue
        listed.add(named)
        lines += [f"# {line}" for line in (field.description or "").splitlines()]
        lines.append(f"# {named}={_default(field)}\n")
    return "\n".join(lines)


def variable(settings: type[MeshSettings], name: str, field: FieldInfo) -> str:
    """Return the environment variable of a setting."""
    alias = field.validation_alias
    if isinstance(alias, AliasChoices):
        alias = str(alias.choices[0])
    return str(alias) if alias else f"{settings.model_config.get('env_prefix') or ''}{name}".upper()


def _default(field: FieldInfo) -> str:
    # What a factory makes depends on the machine; the field's own text says what it is.
    if field.default_factory is not None or field.default is None:
        return ""
    return str(field.default)


def main(arguments: list[str]) -> int:
    """Write the file, or with --check say whether it is current."""
    text = render()
    if "--check" in arguments:
        if TARGET.exists() and TARGET.read_text() == text:
            return 0
        sys.stderr.write(f"{TARGET.name} is not what the settings say: run make env-example\n")
        return 1
    TARGET.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
