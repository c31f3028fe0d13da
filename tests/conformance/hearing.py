"""Models of transcription as the suite sees them: a server behind a proxy that can break it, behind the router."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc

from loupe.router.v1.router_pb2 import Audio, GetUsageRequest, Switches, TranscribeRequest, TranscribeResponse, UsageRow
from loupe.router.v1.router_service_pb2_grpc import RouterServiceStub
from servers.kit.channels import ServiceTokens, open_channel
from servers.kit.keys import KeyFolder
from servers.kit.status import from_rpc_error
from tests.conformance.fault_proxy import FaultProxy, fault_proxy
from tests.conformance.rigs import STALL_S, act
from tests.conformance.servers import ModelServer, triton_server, vllm_listening_server, word_server
from tests.recordings import wav
from tests.running import running

if TYPE_CHECKING:  # the asynchronous stubs are types only
    from loupe.router.v1.router_service_pb2_grpc import RouterServiceAsyncStub

_LISTENED = r"^listened_total (\S+)"
_LISTENING = r"^vllm:num_requests_running\{[^}]*\} (\S+)"
MAX_AUDIO_S = 60
LONG_S = 50.0
"""Of a recording that takes long enough to be disturbed."""


def ear_at(channel: grpc.aio.Channel, model: str) -> Callable[..., Awaitable[TranscribeResponse]]:
    """Return what asks a model of the router for what is said in a recording; it raises LoupeError."""
    router: RouterServiceAsyncStub = RouterServiceStub(channel)

    async def hears(content: bytes, **more: Any) -> TranscribeResponse:
        audio = Audio(content=content)
        call = router.Transcribe(TranscribeRequest(model=model, audio=audio, switches=Switches(retry=False), **more))
        try:
            return await call
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error) from error
        finally:
            call.cancel()

    return hears


@dataclass
class Ear:
    """A model that writes down speech."""

    name: str
    server: ModelServer
    proxy: FaultProxy
    router: RouterServiceAsyncStub
    hears: Callable[..., Awaitable[TranscribeResponse]]

    async def used(self, call_id: str) -> UsageRow:
        """Return what the ledger holds of a call."""
        (row,) = (await self.router.GetUsage(GetUsageRequest(call_id=call_id))).rows
        return row

    async def begins(self, content: bytes) -> asyncio.Future[TranscribeResponse]:
        """Ask, and return once the server itself says that it listens."""
        pattern = _LISTENING if self.name == "vllm" else _LISTENED
        before = await self.server.count(pattern)
        waiting = asyncio.ensure_future(self.hears(content))
        async with asyncio.timeout(10):
            while await self.server.count(pattern) <= before:  # noqa: ASYNC110 - another process counts
                await asyncio.sleep(0.01)
        return waiting


@asynccontextmanager
async def listening(name: str, home: Path) -> AsyncIterator[Ear]:
    """Run an engine of transcription until the block ends; this task acts for an owner."""
    act()
    server = {"openai": word_server, "triton": triton_server, "vllm": vllm_listening_server}[name](home)
    if name != "vllm":
        server = replace(server, aborted=r"^deserted_total (\S+)")
    async with AsyncExitStack() as stack:
        stack.push_async_callback(server.kill)
        await server.start()
        proxy = await stack.enter_async_context(fault_proxy("127.0.0.1", server.port))
        scheme = f'kind = "triton"\nbase_url = "grpc://127.0.0.1:{proxy.port}"\nmodel_control = "load"'
        if name != "triton":
            scheme = f'kind = "openai"\nbase_url = "http://127.0.0.1:{proxy.port}/v1"'
        (home / "router.toml").write_text(
            f'[[providers]]\nname = "up"\n{scheme}\nfirst_token_timeout_s = 30\nstall_timeout_s = {STALL_S}\n'
            "breaker_failures = 1000\n"
            f'[[providers.models]]\nname = "hear"\ntranscription = true\nmax_audio_s = {MAX_AUDIO_S}\n'
            'audio_usd_per_minute = "0.006"\n'
        )
        router = await stack.enter_async_context(running("router", home))
        channel = open_channel(router.address, "router", ServiceTokens("speech", KeyFolder(home / "keys")))
        stack.push_async_callback(channel.close)
        yield Ear(name, server, proxy, RouterServiceStub(channel), ear_at(channel, "hear"))


SHORT = wav(2.5)
LONG = wav(LONG_S)
TOO_LONG = wav(MAX_AUDIO_S + 1.0)
