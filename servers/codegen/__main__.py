"""Starts the codegen server: `python -m servers.codegen`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from loupe.codegen.v1.codegen_service_pb2_grpc import add_CodegenServiceServicer_to_server
from servers.codegen.config import Settings
from servers.codegen.engines.builtin import BuiltinCodeEngine
from servers.codegen.programs.library import read_library
from servers.codegen.servicer import CodegenServicer
from servers.kit import config, serve
from servers.kit.mesh import Mesh


@asynccontextmanager
async def build(settings: Settings, mesh: Mesh) -> AsyncIterator[serve.Registration]:
    """Read the parts that programs are made of."""
    yield serve.Registration(add_CodegenServiceServicer_to_server, CodegenServicer(BuiltinCodeEngine(read_library())))


if __name__ == "__main__":
    serve.run("codegen", config.load(Settings), build)
