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
from sandbox.lifetimes import Relays
from sandbox.service import Sandbox


class SandboxServicer(SandboxServiceServicer):
    """Answers RunCode and GetCapabilities."""

    def __init__(self, sandbox: Sandbox, relays: Relays[RunCodeResponse]) -> None:
        self._sandbox = sandbox
        self._relays = relays

    async def RunCode(
        self, request_iterator: AsyncIterator[RunCodeRequest], context: Any
    ) -> AsyncIterator[RunCodeResponse]:
        """Run one program; see the proto."""
        async for response in self._relays.relay(self._sandbox.run(request_iterator), context.add_done_callback):
            yield response

    async def GetCapabilities(self, request: GetCapabilitiesRequest, context: Any) -> GetCapabilitiesResponse:
        """Return what is enforced here; see the proto."""
        return self._sandbox.capabilities()
