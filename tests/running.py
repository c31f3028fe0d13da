"""Starts real servers for tests, each on a free port, and ends them."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from servers.kit.keys import KeyFolder
from servers.kit.services import BY_NAME, SERVICES

START_TIMEOUT_S = 60


@dataclass(frozen=True)
class Running:
    """A server that answers."""

    name: str
    address: str
    process: asyncio.subprocess.Process
    log: Path
    key: str

    def channel(self, *, key: str | None = None) -> grpc.aio.Channel:
        """A channel that sends the local key, or another, or none for the empty string."""
        return channel_with_key(self.address, self.key if key is None else key)


def make_keys(home: Path) -> str:
    """Make the installation's keys and return the local one."""
    home.mkdir(mode=0o700, exist_ok=True)
    folder = KeyFolder(home / "keys")
    folder.ensure(service.name for service in SERVICES)
    return folder.api_key()


@asynccontextmanager
async def running(
    name: str,
    home: Path,
    environment: Mapping[str, str] | None = None,
    *,
    serving: bool = True,
    listen: str = "127.0.0.1:0",
    entering: Sequence[str] = (),
) -> AsyncIterator[Running]:
    """Run `python -m <module>` until the block ends; waits until health says what `serving` expects.

    Args:
      entering: what to put before the command, as where it is to run.
    """
    key = make_keys(home)
    log = home / f"{name}.log"
    env = {
        **os.environ,
        "LOUPE_HOME": str(home),
        f"LOUPE_{name.upper()}_LISTEN": listen,
        **(environment or {}),
    }
    command = (*entering, sys.executable, "-W", "error", "-m", BY_NAME[name].module)
    process = await asyncio.create_subprocess_exec(*command, env=env, stderr=asyncio.subprocess.PIPE)
    listening: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    following = asyncio.create_task(_follow(process, log, listening))
    try:
        async with asyncio.timeout(START_TIMEOUT_S):
            address = await listening
            # A server that speaks TLS answers health beside it, too.
            await _wait_for_health(env.get("LOUPE_HEALTH_LISTEN", address), serving)
        yield Running(name, address, process, log, key)
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
            try:
                async with asyncio.timeout(15):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()
        await following


async def _follow(process: asyncio.subprocess.Process, log: Path, listening: asyncio.Future[str]) -> None:
    """Copy a server's log to its file, and learn its address from it."""
    assert process.stderr is not None
    with log.open("ab") as copy:
        async for line in process.stderr:
            copy.write(line)
            copy.flush()
            if not listening.done() and b'"listening"' in line:
                listening.set_result(json.loads(line)["address"])
    if not listening.done():
        listening.set_exception(AssertionError(f"the server ended:\n{log.read_text()[-4000:]}"))


async def _wait_for_health(address: str, serving: bool) -> None:
    wanted = health_pb2.HealthCheckResponse.SERVING if serving else health_pb2.HealthCheckResponse.NOT_SERVING
    async with grpc.aio.insecure_channel(address) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        async for state in stub.Watch(health_pb2.HealthCheckRequest(), wait_for_ready=True):
            if state.status == wanted:
                return


def channel_with_key(address: str, key: str) -> grpc.aio.Channel:
    """A channel that sends a key with every call."""

    class UnaryUnary(grpc.aio.UnaryUnaryClientInterceptor):
        async def intercept_unary_unary(self, continuation, client_call_details, request):
            return await continuation(_with_key(client_call_details, key), request)

    class UnaryStream(grpc.aio.UnaryStreamClientInterceptor):
        async def intercept_unary_stream(self, continuation, client_call_details, request):
            return await continuation(_with_key(client_call_details, key), request)

    class StreamUnary(grpc.aio.StreamUnaryClientInterceptor):
        async def intercept_stream_unary(self, continuation, client_call_details, request_iterator):
            return await continuation(_with_key(client_call_details, key), request_iterator)

    class StreamStream(grpc.aio.StreamStreamClientInterceptor):
        async def intercept_stream_stream(self, continuation, client_call_details, request_iterator):
            return await continuation(_with_key(client_call_details, key), request_iterator)

    interceptors = [UnaryUnary(), UnaryStream(), StreamUnary(), StreamStream()] if key else []
    return grpc.aio.insecure_channel(address, interceptors=interceptors)


def _with_key(details: grpc.aio.ClientCallDetails, key: str) -> grpc.aio.ClientCallDetails:
    metadata = grpc.aio.Metadata(*(details.metadata or ()))
    metadata.add("authorization", f"Bearer {key}")
    return grpc.aio.ClientCallDetails(
        details.method, details.timeout, metadata, details.credentials, details.wait_for_ready
    )
