"""loupe.reasoning.v1 over an engine."""

from __future__ import annotations

from typing import Any

from loupe.reasoning.v1.reasoning_pb2 import (
    DecideNextActionRequest,
    DecideNextActionResponse,
    GetEngineRequest,
    GetEngineResponse,
)
from loupe.reasoning.v1.reasoning_service_pb2_grpc import ReasoningServiceServicer
from servers.kit import spending
from servers.reasoning.engines.base import ReasoningEngine


class ReasoningServicer(ReasoningServiceServicer):
    """Answers with what its engine decides."""

    def __init__(self, engine: ReasoningEngine) -> None:
        self._engine = engine

    async def DecideNextAction(self, request: DecideNextActionRequest, context: Any) -> DecideNextActionResponse:
        """Return the next action."""
        decided = await self._engine.decide(request.goal, request.turns)
        decided.cost.CopyFrom(spending.spent())
        return decided

    async def GetEngine(self, request: GetEngineRequest, context: Any) -> GetEngineResponse:
        """Return what the engine is and how it is."""
        return GetEngineResponse(engine=await self._engine.status())
