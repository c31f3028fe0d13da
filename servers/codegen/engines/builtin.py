"""The builtin engine: programs put together by rule. The same request gives the same program; nothing is downloaded."""

from __future__ import annotations

from loupe.codegen.v1 import codegen_pb2 as pb
from loupe.type.v1.engine_pb2 import Engine, EngineState, EngineStatus
from servers.codegen.checking import check_analysis
from servers.codegen.engines.base import Written
from servers.codegen.programs.assemble import assemble
from servers.codegen.programs.library import Library
from servers.codegen.repair import repair

REVISION = "2"
IDENTITY = Engine(name="builtin", revision=REVISION)


class BuiltinCodeEngine:
    """A `CodeEngine` that puts programs together from `servers.codegen.programs.parts`."""

    def __init__(self, library: Library) -> None:
        self._library = library

    async def start(self) -> None:
        """Return at once: the library was read."""

    async def write(self, request: pb.GenerateCodeRequest) -> Written:
        """Return the program of an analysis."""
        check_analysis(request.analysis, request.figures)
        return Written(assemble(list(request.figures), request.analysis, self._library), IDENTITY)

    async def repair(self, request: pb.RepairCodeRequest) -> Written:
        """Return the next program to try."""
        check_analysis(request.analysis, request.figures)
        return Written(repair(request, self._library), IDENTITY)

    async def status(self) -> EngineStatus:
        """Return that it answers."""
        return EngineStatus(engine=IDENTITY, state=EngineState.ENGINE_STATE_READY)

    async def close(self) -> None:
        """Return at once: it holds nothing."""
