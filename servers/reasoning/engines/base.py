"""What an engine of the reasoning server does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from loupe.reasoning.v1 import reasoning_pb2 as pb
from loupe.type.v1.engine_pb2 import EngineStatus


class ReasoningEngine(Protocol):
    """Decides what to do next.

    Not promised: that the same request gives the same action; only the builtin engine promises that.
    """

    async def start(self) -> None:
        """Make ready.

        Raises:
          NotReady: something has to be installed or fetched first; the message says what.
        """
        ...

    async def decide(self, goal: pb.Goal, turns: Sequence[pb.Turn]) -> pb.DecideNextActionResponse:
        """Return why, for a person, what to do next, and which engine decided it.

        Raises:
          LoupeError: a model behind the engine could not answer.
        """
        ...

    async def status(self) -> EngineStatus:
        """Return what the engine is and how it is."""
        ...

    async def close(self) -> None:
        """Release everything."""
        ...
