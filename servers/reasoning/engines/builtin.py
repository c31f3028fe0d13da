"""The builtin engine: a planner by rule. The same request gives the same action; nothing is downloaded."""

from __future__ import annotations

import asyncio

from loupe.reasoning.v1 import reasoning_pb2 as pb
from loupe.type.v1.engine_pb2 import Engine
from servers.reasoning.planner import next_step

REVISION = "3"


class BuiltinReasoningEngine:
    """A `ReasoningEngine` over `servers.reasoning.planner`."""

    @property
    def identity(self) -> Engine:
        """The builtin engine and the revision of its rules."""
        return Engine(name="builtin", revision=REVISION)

    async def decide(self, goal: pb.Goal, turns: list[pb.Turn]) -> tuple[str, pb.Action]:
        """Return why and what to do next."""
        # A long question against a large figure takes up to a second: the server goes on answering others.
        return await asyncio.to_thread(next_step, goal, turns)
