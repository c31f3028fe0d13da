"""The builtin engine: programs put together by rule. The same request gives the same program; nothing is downloaded."""

from __future__ import annotations

from loupe.codegen.v1 import codegen_pb2 as pb
from loupe.type.v1.engine_pb2 import Engine
from servers.codegen.checking import check_analysis
from servers.codegen.programs.assemble import assemble
from servers.codegen.programs.library import Library
from servers.codegen.repair import repair

REVISION = "2"


class BuiltinCodeEngine:
    """A `CodeEngine` that puts programs together from `servers.codegen.programs.parts`."""

    def __init__(self, library: Library) -> None:
        self._library = library

    @property
    def identity(self) -> Engine:
        """The builtin engine and the revision of its rules."""
        return Engine(name="builtin", revision=REVISION)

    async def write(self, request: pb.GenerateCodeRequest) -> str:
        """Return the source of a program."""
        check_analysis(request.analysis, request.figures)
        return assemble(list(request.figures), request.analysis, self._library)

    async def repair(self, request: pb.RepairCodeRequest) -> str:
        """Return the next program to try."""
        check_analysis(request.analysis, request.figures)
        return repair(request, self._library)
