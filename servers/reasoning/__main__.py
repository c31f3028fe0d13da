"""Starts the reasoning server: `python -m servers.reasoning`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from loupe.reasoning.v1.reasoning_service_pb2_grpc import add_ReasoningServiceServicer_to_server
from servers.kit import config, serve
from servers.kit.mesh import Mesh
from servers.reasoning.config import Settings
from servers.reasoning.engines.builtin import BuiltinReasoningEngine
from servers.reasoning.servicer import ReasoningServicer


@asynccontextmanager
async def build(settings: Settings, mesh: Mesh) -> AsyncIterator[serve.Registration]:
    """Make the planner."""
    yield serve.Registration(add_ReasoningServiceServicer_to_server, ReasoningServicer(BuiltinReasoningEngine()))


if __name__ == "__main__":
    serve.run("reasoning", config.load(Settings), build)
