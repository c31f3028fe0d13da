"""loupe.codegen.v1 over an engine."""

from __future__ import annotations

import hashlib
from typing import Any

from loupe.codegen.v1.codegen_pb2 import (
    GenerateCodeRequest,
    GenerateCodeResponse,
    GetEngineRequest,
    GetEngineResponse,
    Program,
    RepairCodeRequest,
    RepairCodeResponse,
)
from loupe.codegen.v1.codegen_service_pb2_grpc import CodegenServiceServicer
from servers.codegen.engines.base import CodeEngine
from servers.kit import spending


class CodegenServicer(CodegenServiceServicer):
    """Answers with what its engine writes."""

    def __init__(self, engine: CodeEngine) -> None:
        self._engine = engine

    async def GenerateCode(self, request: GenerateCodeRequest, context: Any) -> GenerateCodeResponse:
        """Return a program for an analysis."""
        written = await self._engine.write(request)
        return GenerateCodeResponse(program=_program(written.source), engine=written.engine, cost=spending.spent())

    async def RepairCode(self, request: RepairCodeRequest, context: Any) -> RepairCodeResponse:
        """Return the program changed after a failure."""
        written = await self._engine.repair(request)
        return RepairCodeResponse(program=_program(written.source), engine=written.engine, cost=spending.spent())

    async def GetEngine(self, request: GetEngineRequest, context: Any) -> GetEngineResponse:
        """Return what the engine is and how it is."""
        return GetEngineResponse(engine=await self._engine.status())


def _program(source: str) -> Program:
    return Program(source=source, sha256=hashlib.sha256(source.encode()).hexdigest())
