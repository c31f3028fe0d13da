"""The whole mesh for tests: every server a process of its own on its socket, behind a real Envoy on a free port."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc

from gateway.envoy.config import GatewaySettings
from gateway.envoy.process import Gateway
from gateway.envoy.process import running as running_gateway
from servers.kit.services import SERVICES
from tests.running import Running, channel_with_key, make_keys, running


@dataclass(frozen=True)
class WholeMesh:
    """A mesh that answers."""

    home: Path
    key: str
    gateway: Gateway
    servers: Mapping[str, Running]

    @property
    def headers(self) -> dict[str, str]:
        """What a REST call must send."""
        return {"authorization": f"Bearer {self.key}"}

    def channel(self) -> grpc.aio.Channel:
        """gRPC through Envoy, with the key."""
        return channel_with_key(self.gateway.address, self.key)


@asynccontextmanager
async def whole_mesh(home: Path, environment: Mapping[str, str] | None = None) -> AsyncIterator[WholeMesh]:
    """Start everything at once, wait until all serve, and end it all."""
    key = make_keys(home)
    async with AsyncExitStack() as stack:

        async def start(name: str) -> Running:
            server = running(name, home, environment, listen=f"unix:{home}/run/{name}.sock")
            return await stack.enter_async_context(server)

        started = await asyncio.gather(*(start(service.name) for service in SERVICES), return_exceptions=True)
        for outcome in started:
            if isinstance(outcome, BaseException):
                raise outcome
        settings = GatewaySettings(home=home, port=0)
        gateway = await stack.enter_async_context(running_gateway(settings))
        yield WholeMesh(home, key, gateway, {server.name: server for server in started if isinstance(server, Running)})
