"""The critic's gRPC surface."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from loupe.critic.v1 import critic_pb2, critic_service_pb2_grpc
from loupe.type.v1.engine_pb2 import EngineStatus
from servers.kit import spending
from servers.kit.tokens import CodeClaims


class Judge(Protocol):
    """Comes to verdicts; the same program under the same policy version gets the same one."""

    async def review(self, source: str) -> critic_pb2.Verdict:
        """Return the verdict on a program. Raises NotReady where it can't be judged."""
        ...

    async def status(self) -> EngineStatus:
        """Return what judges beside the tools, and how it is."""
        ...


class CriticServicer(critic_service_pb2_grpc.CriticServiceServicer):
    """Answers loupe.critic.v1.CriticService."""

    def __init__(self, reviewer: Judge, sign: Callable[[CodeClaims], str]) -> None:
        self._reviewer = reviewer
        self._sign = sign

    async def ReviewCode(self, request: critic_pb2.ReviewCodeRequest, context: Any) -> critic_pb2.ReviewCodeResponse:
        """Return the verdict on a program."""
        verdict = await self._reviewer.review(request.source)
        return critic_pb2.ReviewCodeResponse(verdict=verdict, cost=spending.spent())

    async def AuthorizeRun(
        self, request: critic_pb2.AuthorizeRunRequest, context: Any
    ) -> critic_pb2.AuthorizeRunResponse:
        """Return the verdict on a program and, if it is approved, a token that lets it run once."""
        verdict = await self._reviewer.review(request.source)
        if not verdict.is_approved:
            return critic_pb2.AuthorizeRunResponse(verdict=verdict, cost=spending.spent())
        claims = CodeClaims(
            code_sha256=verdict.code_sha256,
            policy_version=verdict.policy_version,
            job_id=request.job_id,
            step=request.step,
            attempt=request.attempt,
            needs_approval=request.needs_approval,
        )
        return critic_pb2.AuthorizeRunResponse(verdict=verdict, token=self._sign(claims), cost=spending.spent())

    async def GetEngine(self, request: critic_pb2.GetEngineRequest, context: Any) -> critic_pb2.GetEngineResponse:
        """Return what judges beside the tools, and how it is."""
        return critic_pb2.GetEngineResponse(engine=await self._reviewer.status())
