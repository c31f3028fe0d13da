"""The sandbox over gRPC: protobuf in, protobuf out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from loupe.sandbox.v1.sandbox_pb2 import (
    GetCapabilitiesRequest,
    GetCapabilitiesResponse,
    RunCodeRequest,
    RunCodeResponse,
)
from loupe.sandbox.v1.sandbox_service_pb2_grpc import SandboxServiceServicer
from loupe.sandbox.v1.session_pb2 import (
    CloseSessionRequest,
    CloseSessionResponse,
    OpenSessionRequest,
    OpenSessionResponse,
)
from sandbox.lifetimes import Relays
from sandbox.service import Sandbox
from servers.kit import identity


class SandboxServicer(SandboxServiceServicer):
    """Answers for one sandbox."""

    def __init__(self, sandbox: Sandbox, relays: Relays[RunCodeResponse]) -> None:
        self._sandbox = sandbox
        self._relays = relays

    async def RunCode(
        self, request_iterator: AsyncIterator[RunCodeRequest], context: Any
    ) -> AsyncIterator[RunCodeResponse]:
        """Run one program; see the proto."""
        responses = self._sandbox.run(identity.caller().subject, request_iterator)
        async for response in self._relays.relay(responses, context.add_done_callback):
            yield response

    async def GetCapabilities(self, request: GetCapabilitiesRequest, context: Any) -> GetCapabilitiesResponse:
        """Return what is enforced here; see the proto."""
        return self._sandbox.capabilities()

    async def OpenSession(self, request: OpenSessionRequest, context: Any) -> OpenSessionResponse:
        """Open a session; see the proto."""
        session = await self._sandbox.sessions.open(identity.caller().subject, request)
        return OpenSessionResponse(session=session.message())

    async def CloseSession(self, request: CloseSessionRequest, context: Any) -> CloseSessionResponse:
        """End a session; see the proto."""
        await self._sandbox.sessions.close(identity.caller().subject, request.session_id)
        return CloseSessionResponse()
