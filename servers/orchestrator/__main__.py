"""Starts the orchestrator: `python -m servers.orchestrator`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from loupe.orchestrator.v1.orchestrator_service_pb2_grpc import add_OrchestratorServiceServicer_to_server
from servers.kit import config, serve
from servers.kit.mesh import Mesh
from servers.orchestrator.config import Settings
from servers.orchestrator.control import Control
from servers.orchestrator.servicer import OrchestratorServicer
from servers.orchestrator.wiring import working


@asynccontextmanager
async def build(settings: Settings, mesh: Mesh) -> AsyncIterator[serve.Registration]:
    """Work on jobs, and answer for them."""
    hosts = frozenset(host.strip() for host in settings.webhook_hosts.split(",") if host.strip())
    async with working(settings, mesh) as parts:
        servicer = OrchestratorServicer(
            parts.journal,
            parts.backlog,
            Control(parts.journal, parts.backlog),
            parts.removal,
            parts.tails,
            parts.peers,
            heartbeat_s=settings.heartbeat_s,
            webhook_hosts=hosts,
        )
        yield serve.Registration(add_OrchestratorServiceServicer_to_server, servicer)


if __name__ == "__main__":
    serve.run("orchestrator", config.load(Settings), build)
