"""What an engine of the codegen server does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from loupe.codegen.v1 import codegen_pb2 as pb
from loupe.type.v1.engine_pb2 import Engine, EngineStatus


@dataclass(frozen=True, slots=True)
class Written:
    """A program's source, and what wrote it."""

    source: str
    engine: Engine


class CodeEngine(Protocol):
    """Writes programs.

    Not promised: that the critic approves the program, or that two calls give the same one. Only the builtin engine
    promises that.
    """

    async def start(self) -> None:
        """Make ready.

        Raises:
          NotReady: something has to be installed or fetched first; the message says what.
        """
        ...

    async def write(self, request: pb.GenerateCodeRequest) -> Written:
        """Return a program.

        Raises:
          InvalidField: the analysis names what the figures don't have.
          LoupeError: a model behind the engine could not answer.
        """
        ...

    async def repair(self, request: pb.RepairCodeRequest) -> Written:
        """Return a program changed with the failure in mind. Raises as `write`."""
        ...

    async def status(self) -> EngineStatus:
        """Return what the engine is and how it is."""
        ...

    async def close(self) -> None:
        """Release everything."""
        ...
