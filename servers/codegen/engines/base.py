"""What an engine of the codegen server does."""

from __future__ import annotations

from typing import Protocol

from loupe.codegen.v1 import codegen_pb2 as pb
from loupe.type.v1.engine_pb2 import Engine


class CodeEngine(Protocol):
    """Writes programs.

    Not promised: that the critic approves the program, or that two calls give the same one. Only the builtin engine
    promises that.
    """

    @property
    def identity(self) -> Engine:
        """What the engine is."""
        ...

    async def write(self, request: pb.GenerateCodeRequest) -> str:
        """Return the source of a program.

        Raises:
          InvalidField: the analysis names what the figures don't have.
        """
        ...

    async def repair(self, request: pb.RepairCodeRequest) -> str:
        """Return the source, changed with the failure in mind.

        Raises:
          InvalidField: the analysis names what the figures don't have.
        """
        ...
