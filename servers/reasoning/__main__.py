"""Starts the reasoning server: `python -m servers.reasoning`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from loupe.reasoning.v1.reasoning_service_pb2_grpc import add_ReasoningServiceServicer_to_server
from servers.kit import config, serve
from servers.kit.mesh import Mesh
from servers.kit.models.opening import open_model
from servers.reasoning.config import Settings
from servers.reasoning.engines.base import ReasoningEngine
from servers.reasoning.engines.builtin import BuiltinReasoningEngine
from servers.reasoning.engines.model import ModelReasoningEngine
from servers.reasoning.servicer import ReasoningServicer


@asynccontextmanager
async def build(settings: Settings, mesh: Mesh) -> AsyncIterator[serve.Registration]:
    """Make the planner."""
    model = open_model(settings, mesh)
    engine: ReasoningEngine = BuiltinReasoningEngine()
    if model is not None:
        engine = ModelReasoningEngine(model, settings.limits, falls_back=settings.fallback == "builtin")
    try:
        await engine.start()
        yield serve.Registration(add_ReasoningServiceServicer_to_server, ReasoningServicer(engine))
    finally:
        await engine.close()


if __name__ == "__main__":
    serve.run("reasoning", config.load(Settings), build)
