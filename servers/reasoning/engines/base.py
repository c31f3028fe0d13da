"""What an engine of the reasoning server does."""

from __future__ import annotations

from typing import Protocol

from loupe.reasoning.v1 import reasoning_pb2 as pb
from loupe.type.v1.engine_pb2 import Engine


class ReasoningEngine(Protocol):
    """Decides what to do next.

    Not promised: that the same request gives the same action; only the builtin engine promises that.
    """

    @property
    def identity(self) -> Engine:
        """What the engine is."""
        ...

    async def decide(self, goal: pb.Goal, turns: list[pb.Turn]) -> tuple[str, pb.Action]:
        """Return why, for a person, and what to do next."""
        ...
