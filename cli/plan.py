"""Which processes make the mesh, and how each is started."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from cli.config import Settings
from servers.kit.services import SERVICES, Service

ENVOY = "envoy"
ROOT = Path(__file__).parents[1]
"""Folder that holds the packages; every process starts in it."""

_FRONT = SERVICES[-1].name


@dataclass(frozen=True, slots=True)
class PlannedProcess:
    """One process to keep running."""

    name: str
    module: str
    """What `python -m` starts."""

    address: str
    """unix:PATH or HOST:PORT."""

    stop_phase: int
    """Those of a lower phase are stopped first, so that nothing is asked of a server that has gone."""

    sign: Path | None = None
    """The socket that it makes once it listens, where it makes one; it outlives a process that is killed."""


def plan(settings: Settings) -> tuple[PlannedProcess, ...]:
    """Return Envoy and every server of the table."""
    envoy = PlannedProcess(ENVOY, "cli.start_envoy", settings.address, 0, settings.run_dir / "envoy-admin.sock")
    return (*(_server(settings, service) for service in SERVICES), envoy)


def _server(settings: Settings, service: Service) -> PlannedProcess:
    address = settings.address_of(service.name)
    socket = Path(address.removeprefix("unix:")) if address.startswith("unix:") else None
    return PlannedProcess(service.name, service.module, address, 1 if service.name == _FRONT else 2, socket)


def environment(settings: Settings) -> dict[str, str]:
    """Return what the processes get besides this one's environment: paths that hold wherever they start."""
    paths = {"LOUPE_HOME": str(settings.home)}
    if settings.keys_dir:
        paths["LOUPE_KEYS_DIR"] = str(settings.keys.path)
    return paths


def command(module: str) -> tuple[str, ...]:
    """Return the command line of a Python module."""
    return (sys.executable, "-m", module)
