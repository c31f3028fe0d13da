"""An orchestrator whose workers are processes of their own, over PostgreSQL and Redis, with scripted peers."""

from __future__ import annotations

import asyncio
import io
import itertools
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from loupe.orchestrator.v1 import orchestrator_pb2
from loupe.orchestrator.v1.orchestrator_service_pb2_grpc import OrchestratorServiceStub
from loupe.type.v1.file_ref_pb2 import FileRef
from servers.kit.database import open_database, transaction
from servers.kit.files_client import FilesClient
from servers.orchestrator import journal
from servers.orchestrator.tables import JOBS
from tests.contract.scripted_peers import Script, scripted
from tests.postgres import schema
from tests.running import Running, running

MIGRATIONS = Path(journal.__file__).parent / "migrations"


@dataclass
class Cluster:
    """Servers that answer for jobs, and workers that do them."""

    script: Script
    picture: FileRef
    files: Running
    environment: Mapping[str, str]
    records: AsyncEngine
    home: Path
    servers: list[Running] = field(default_factory=list)
    stubs: list[Any] = field(default_factory=list)
    workers: dict[int, asyncio.subprocess.Process] = field(default_factory=dict)
    """By process id."""
    logs: dict[int, Path] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def spec(self, question: str = "What is the total?", **more: Any) -> orchestrator_pb2.JobSpec:
        return orchestrator_pb2.JobSpec(question=question, inputs=[FileRef(file_id=self.picture.file_id)], **more)

    async def create(self, **more: Any) -> orchestrator_pb2.Job:
        request = orchestrator_pb2.CreateJobRequest(spec=self.spec(**more))
        job: orchestrator_pb2.Job = (await self.stubs[0].CreateJob(request)).job
        return job

    async def watch(self, job_id: str, server: int = 0) -> AsyncIterator[orchestrator_pb2.Step]:
        """The steps as they come, seen at a server."""
        async for event in self.stubs[server].WatchJob(orchestrator_pb2.WatchJobRequest(job_id=job_id)):
            if event.HasField("step"):
                yield event.step

    async def ended(self, job_id: str) -> tuple[orchestrator_pb2.Job, list[orchestrator_pb2.Step]]:
        steps = [step async for step in self.watch(job_id)]
        return (await self.stubs[0].GetJob(orchestrator_pb2.GetJobRequest(job_id=job_id))).job, steps

    async def add_worker(self, *entering: str, **variables: str) -> int:
        """Start a worker, behind a command and with variables of its own; return its process id."""
        command = (*entering, sys.executable, "-W", "error", "-m", "servers.orchestrator.worker")
        log = self.home / f"worker-{next(self._numbers)}.log"
        with log.open("wb") as stderr:
            process = await asyncio.create_subprocess_exec(
                *command, env={**os.environ, **self.environment, **variables}, stderr=stderr
            )
        self.workers[process.pid], self.logs[process.pid] = process, log
        async with asyncio.timeout(60):
            while b'"working"' not in log.read_bytes():
                assert process.returncode is None, log.read_text()[-4000:]
                await asyncio.sleep(0.02)
        return process.pid

    async def worker_of(self, job_id: str) -> int:
        """The process id of the worker that has a job."""
        async with transaction(self.records) as connection:
            worker = await connection.scalar(select(JOBS.c.worker).where(JOBS.c.job_id == job_id))
        return int(str(worker).split("-")[-2])

    async def end(self, pid: int) -> None:
        """Ask a worker to end, and wait until it has."""
        process = self.workers.pop(pid)
        process.terminate()
        await process.wait()

    async def kill(self, pid: int) -> None:
        """End a worker without a word."""
        process = self.workers.pop(pid)
        process.send_signal(signal.SIGKILL)
        await process.wait()


@asynccontextmanager
async def cluster(
    home: Path,
    script: Script,
    database_url: str,
    redis_url: str,
    *,
    servers: int = 1,
    workers: int = 2,
    host: str = "127.0.0.1",
    storage: Mapping[str, str] | None = None,
) -> AsyncIterator[Cluster]:
    """Run servers and workers until the block ends.

    Args:
      host: at which those listen that workers call.
      storage: variables that say where the files server keeps what it has; by default a file and a folder.
    """
    async with AsyncExitStack() as stack:
        file_server = await stack.enter_async_context(running("files", home, storage, listen=f"{host}:0"))
        files = FilesClient(await stack.enter_async_context(file_server.channel()))
        buffer = io.BytesIO()
        Image.new("RGB", (8, 8)).save(buffer, "PNG")
        picture = await files.write(buffer.getvalue(), "picture.png", request_id="picture")
        address = await stack.enter_async_context(scripted(script, files, host))
        names = ("VISION", "REASONING", "CODEGEN", "CRITIC", "SANDBOX")
        environment = {f"LOUPE_{name}_ADDRESS": address for name in names} | {
            "LOUPE_HOME": str(home),
            "LOUPE_FILES_ADDRESS": file_server.address,
            "LOUPE_DATABASE_URL": database_url,
            "LOUPE_REDIS_URL": redis_url,
            "LOUPE_ORCHESTRATOR_LEASE_S": "2",
        }
        records = await stack.enter_async_context(open_database(schema(database_url, "orchestrator"), MIGRATIONS))
        made = Cluster(script, picture, file_server, environment, records, home)
        alone = {"LOUPE_ORCHESTRATOR_WORKER_COUNT": "0"}
        for _ in range(servers):
            server = await stack.enter_async_context(running("orchestrator", home, environment | alone))
            made.servers.append(server)
            channel = await stack.enter_async_context(server.channel())
            made.stubs.append(OrchestratorServiceStub(channel))
        try:
            for _ in range(workers):
                await made.add_worker()
            yield made
        finally:
            for process in made.workers.values():
                process.send_signal(signal.SIGCONT)
                process.terminate()
            for process in made.workers.values():
                try:
                    async with asyncio.timeout(15):
                        await process.wait()
                except TimeoutError:
                    process.kill()
                    await process.wait()
