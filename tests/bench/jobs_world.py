"""An orchestrator as it runs on one machine, or past it; each of its processes can be killed and started again."""

from __future__ import annotations

import asyncio
import io
import itertools
import os
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import grpc
from PIL import Image

from loupe.orchestrator.v1.orchestrator_pb2 import JobSpec
from loupe.orchestrator.v1.orchestrator_service_pb2_grpc import OrchestratorServiceStub
from loupe.type.v1.file_ref_pb2 import FileRef
from servers.kit.files_client import FilesClient
from tests.object_store import ObjectStore
from tests.postgres import PostgresServer
from tests.redis_server import RedisServer
from tests.running import Running, running

_PEERS = ("VISION", "REASONING", "CODEGEN", "CRITIC", "SANDBOX")
_START_WITHIN_S = 120.0
_STOP_WITHIN_S = 30.0


@dataclass(frozen=True)
class Backing:
    """What keeps the records past one machine."""

    postgres: PostgresServer
    redis: RedisServer
    objects: ObjectStore | None = None
    """Where the bytes are; without one, in a folder."""


@dataclass
class Site:
    """A server for jobs and who works on them: the server itself, or with PostgreSQL processes of their own."""

    home: Path
    files: Running
    picture: FileRef
    environment: Mapping[str, str]
    backing: Backing | None
    listen: str
    _files_stack: AsyncExitStack
    server: Running | None = None
    stub: Any = None
    workers: dict[int, asyncio.subprocess.Process] = field(default_factory=dict)
    """By process id, those that start included."""
    working: list[int] = field(default_factory=list)
    """Process ids of workers that have started."""
    _server_stack: AsyncExitStack = field(default_factory=AsyncExitStack)
    _channels: list[grpc.aio.Channel] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def spec(self, **more: Any) -> JobSpec:
        """A job that ends well."""
        return JobSpec(question="What is the total?", inputs=[FileRef(file_id=self.picture.file_id)], **more)

    async def start_server(self, **settings: str) -> None:
        """Start the server, at the same address each time; with PostgreSQL it works on no jobs itself."""
        environment = {**self.environment, **({"LOUPE_ORCHESTRATOR_WORKER_COUNT": "0"} if self.backing else {})}
        environment |= _variables(settings)
        stack = AsyncExitStack()
        self.server = await stack.enter_async_context(
            running("orchestrator", self.home, environment, listen=self.listen)
        )
        # A call on an earlier one hears that its server is gone, not that its channel is closed.
        self._channels.append(self.server.channel())
        self.stub, self._server_stack = OrchestratorServiceStub(self._channels[-1]), stack

    async def stop_server(self) -> None:
        """Ask the server to end, and wait until it has."""
        await self._server_stack.aclose()
        self.server = None

    async def kill_server(self) -> None:
        """End the server without a word."""
        assert self.server is not None
        self.server.process.kill()
        await self.server.process.wait()
        await self.stop_server()

    async def kill_files(self) -> None:
        """End the files server without a word."""
        self.files.process.kill()
        await self.files.process.wait()
        await self._files_stack.aclose()

    async def start_files(self) -> None:
        """Start it again, at the same address."""
        self._files_stack = AsyncExitStack()
        again = running("files", self.home, self.environment, listen=self.files.address)
        self.files = await self._files_stack.enter_async_context(again)

    async def drop_old_channels(self) -> None:
        """Close the channels to servers that were killed, which would connect again by and by. Nobody calls now."""
        for channel in self._channels[:-1]:
            await channel.close()
        del self._channels[:-1]

    async def add_worker(self, **settings: str) -> int:
        """Start a worker; return its process id once it works."""
        log = self.home / f"worker-{next(self._numbers)}.log"
        with log.open("wb") as stderr:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "servers.orchestrator.worker"),
                env={**os.environ, **self.environment, **_variables(settings)},
                stderr=stderr,
            )
        self.workers[process.pid] = process
        async with asyncio.timeout(_START_WITHIN_S):
            while b'"working"' not in log.read_bytes():
                if process.returncode is not None:
                    # No SystemExit: out of a task it would end everything, and hide what ended the worker.
                    raise RuntimeError(f"a worker ended ({process.returncode}): {log.read_text()[-4000:]}")
                await asyncio.sleep(0.02)
        self.working.append(process.pid)
        return process.pid

    async def worker_of(self, job_id: str) -> int:
        """The process id of the worker that has a job."""
        connection = await asyncpg.connect(self.environment["LOUPE_DATABASE_URL"])
        try:
            worker = await connection.fetchval("SELECT worker FROM orchestrator.jobs WHERE job_id = $1", job_id)
        finally:
            await connection.close()
        return int(worker.split("-")[-2])

    async def kill_worker(self, pid: int) -> None:
        """End a worker without a word."""
        process = self.workers.pop(pid)
        self.working.remove(pid)
        process.kill()
        await process.wait()

    async def close(self) -> None:
        """End everything of this site."""
        for process in self.workers.values():
            process.send_signal(signal.SIGCONT)
            process.terminate()
        for process in self.workers.values():
            try:
                async with asyncio.timeout(_STOP_WITHIN_S):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()
        await self.stop_server()
        await self._files_stack.aclose()
        for channel in self._channels:
            await channel.close()


@asynccontextmanager
async def site(home: Path, peers_address: str, backing: Backing | None = None, **settings: str) -> AsyncIterator[Site]:
    """Start a files server and name an orchestrator; what is not started yet is started by who asks.

    Args:
      settings: of the orchestrator and its workers, by the ends of their names: `lease_s="2"`.
    """
    environment = {f"LOUPE_{name}_ADDRESS": peers_address for name in _PEERS} | {"LOUPE_HOME": str(home)}
    if backing is not None:
        environment |= {"LOUPE_DATABASE_URL": backing.postgres.new_database(), "LOUPE_REDIS_URL": backing.redis.url}
        if backing.objects is not None:
            environment |= backing.objects.environment()
    stack = AsyncExitStack()
    files = await stack.enter_async_context(running("files", home, environment))
    environment |= {"LOUPE_FILES_ADDRESS": files.address, **_variables(settings)}
    made = Site(home, files, FileRef(), environment, backing, f"127.0.0.1:{_free_port()}", stack)
    try:
        buffer = io.BytesIO()
        Image.new("RGB", (8, 8)).save(buffer, "PNG")
        async with files.channel() as channel:
            made.picture = await FilesClient(channel).write(buffer.getvalue(), "picture.png", request_id="picture")
        yield made
    finally:
        await made.close()


@asynccontextmanager
async def backings(*, with_objects: bool = False) -> AsyncIterator[Backing]:
    """Run PostgreSQL, which syncs what it commits, Redis, and an S3 server if wanted, until the block ends."""
    postgres, redis = await asyncio.to_thread(PostgresServer, is_durable=True), RedisServer()
    objects = ObjectStore() if with_objects else None
    try:
        await asyncio.to_thread(postgres.start)
        redis.start()
        if objects is not None:
            objects.start()
        yield Backing(postgres, redis, objects)
    finally:
        if objects is not None and objects.is_running:
            objects.stop()
        redis.remove()
        await asyncio.to_thread(postgres.remove)


@asynccontextmanager
async def fresh_home() -> AsyncIterator[Path]:
    """A folder with a path short enough for sockets."""
    home = Path(tempfile.mkdtemp(prefix="loupe-jobs-"))
    try:
        yield home
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _variables(settings: Mapping[str, str]) -> dict[str, str]:
    return {f"LOUPE_ORCHESTRATOR_{name.upper()}": value for name, value in settings.items()}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
