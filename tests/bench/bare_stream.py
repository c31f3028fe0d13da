"""A gRPC stream that answers at once and does nothing else: what the transport alone takes. `python -m ... ADDRESS`."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc

METHOD = "/bench.Bare/Echo"


async def _serve(address: str) -> None:
    async def echo(messages: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
        async for message in messages:
            yield message

    service, _, name = METHOD[1:].partition("/")
    handler: grpc.RpcMethodHandler[bytes, bytes] = grpc.stream_stream_rpc_method_handler(echo)
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {name: handler}),))
    server.add_insecure_port(address)
    await server.start()
    await server.wait_for_termination()


@asynccontextmanager
async def bare_stream(folder: Path) -> AsyncIterator[Any]:
    """Serve it in a process of its own; yield a function of a program that returns seconds to the first byte, twice."""
    address = f"unix:{folder}/bare.sock"
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "tests.bench.bare_stream", address)
    try:
        async with grpc.aio.insecure_channel(address) as channel:
            await channel.channel_ready()
            call: Any = channel.stream_stream(METHOD)

            async def run(source: str) -> tuple[float, float]:
                began = time.perf_counter()
                async for _ in call(iter([source.encode()])):
                    break
                first_s = time.perf_counter() - began
                return first_s, first_s

            yield run
    finally:
        process.terminate()
        await process.wait()


if __name__ == "__main__":
    import uvloop

    uvloop.run(_serve(sys.argv[1]))
