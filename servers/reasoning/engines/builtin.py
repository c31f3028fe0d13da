"""The builtin engine: a planner by rule. The same request gives the same action; nothing is downloaded."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from loupe.reasoning.v1 import reasoning_pb2 as pb
from loupe.type.v1.engine_pb2 import Engine, EngineState, EngineStatus
from servers.reasoning.planner import next_step

REVISION = "3"
IDENTITY = Engine(name="builtin", revision=REVISION)


class BuiltinReasoningEngine:
    """A `ReasoningEngine` over `servers.reasoning.planner`."""

    async def start(self) -> None:
        """Return at once: it needs nothing."""

    async def decide(self, goal: pb.Goal, turns: Sequence[pb.Turn]) -> pb.DecideNextActionResponse:
        """Return why and what to do next."""
        # A long question against a large figure takes up to a second: the server goes on answering others.
        thought, action = await asyncio.to_thread(next_step, goal, turns)
        return pb.DecideNextActionResponse(thought=thought, action=action, engine=IDENTITY)

    async def status(self) -> EngineStatus:
        """Return that it answers."""
        return EngineStatus(engine=IDENTITY, state=EngineState.ENGINE_STATE_READY)

    async def close(self) -> None:
        """Return at once: it holds nothing."""
