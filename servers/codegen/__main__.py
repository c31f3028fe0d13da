"""Starts the codegen server: `python -m servers.codegen`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from loupe.codegen.v1.codegen_service_pb2_grpc import add_CodegenServiceServicer_to_server
from servers.codegen.config import Settings
from servers.codegen.engines.base import CodeEngine
from servers.codegen.engines.builtin import BuiltinCodeEngine
from servers.codegen.engines.model import ModelCodeEngine
from servers.codegen.programs.library import read_library
from servers.codegen.servicer import CodegenServicer
from servers.kit import config, serve
from servers.kit.mesh import Mesh
from servers.kit.models.opening import open_model


@asynccontextmanager
async def build(settings: Settings, mesh: Mesh) -> AsyncIterator[serve.Registration]:
    """Read the parts that programs are made of, and start the model where one is to write them."""
    by_rule = BuiltinCodeEngine(read_library())
    model = open_model(settings, mesh)
    engine: CodeEngine = by_rule
    if model is not None:
        engine = ModelCodeEngine(model, settings.limits, by_rule, falls_back=settings.fallback == "builtin")
    try:
        await engine.start()
        yield serve.Registration(add_CodegenServiceServicer_to_server, CodegenServicer(engine))
    finally:
        await engine.close()


if __name__ == "__main__":
    serve.run("codegen", config.load(Settings), build)
