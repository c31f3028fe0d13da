"""How a server starts, refuses to, and stops."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import sys

import grpc
import pytest

from loupe.files.v1 import files_pb2
from loupe.files.v1.files_service_pb2_grpc import FilesServiceStub
from loupe.orchestrator.v1 import orchestrator_pb2
from loupe.orchestrator.v1.orchestrator_service_pb2_grpc import OrchestratorServiceStub
from loupe.type.v1.file_ref_pb2 import FileRef
from tests.contract.test_files_server import reason_of
from tests.running import running

LOADS_FOR_EVER = """
import asyncio
from contextlib import asynccontextmanager
from servers.kit import config, serve

@asynccontextmanager
async def build(settings, mesh):
    try:
        print("loading", flush=True)
        await asyncio.Event().wait()
    finally:
        print("released", flush=True)
    yield

serve.run("files", config.load(config.ServerSettings), build)
"""


async def test_a_second_server_leaves_a_living_one_alone(home):
    socket = f"unix:{home}/run/files.sock"
    async with running("files", home, listen=socket) as first, first.channel() as channel:
        with pytest.raises(AssertionError, match="another files server listens at unix:"):
            async with running("files", home, listen=socket):
                pass
        with pytest.raises(AssertionError, match=r"another process works with .*files\.sqlite"):
            async with running("files", home):
                pass
        assert (await FilesServiceStub(channel).ListFiles(files_pb2.ListFilesRequest())).files == []


async def test_a_taken_port_stops_the_start_in_one_line(home):
    async with running("critic", home) as first:
        with pytest.raises(AssertionError, match=f"can't listen at {first.address}"):
            async with running("critic", home, listen=first.address):
                pass


async def test_a_signal_while_loading_releases_what_was_begun(home):
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "error", "-c", LOADS_FOR_EVER),
        env={**os.environ, "LOUPE_HOME": str(home)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    async with asyncio.timeout(60):
        assert await process.stdout.readline() == b"loading\n"
        process.terminate()
        out, log = await process.communicate()
    assert (process.returncode, out) == (0, b"released\n"), log.decode()
    assert b"Traceback" not in log


@pytest.mark.parametrize("damage", ["no database", "a newer one"])
async def test_records_that_cannot_be_opened_are_named_by_every_call(home, damage):
    path = home / "files.sqlite"
    if damage == "no database":
        path.write_bytes(b"this is no database" * 100)
    else:
        async with running("files", home):
            pass
        with sqlite3.connect(path) as database:
            database.execute("UPDATE alembic_version SET version_num = '9999'")
        database.close()
    async with running("files", home, serving=False) as server, server.channel() as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await FilesServiceStub(channel).ListFiles(files_pb2.ListFilesRequest())
    assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
    assert reason_of(caught.value) == "NOT_READY"
    assert str(path) in (caught.value.details() or "")


async def test_an_orchestrator_alone_serves_and_says_soon_that_files_are_away(home):
    async with running("orchestrator", home) as server, server.channel() as channel:
        jobs = OrchestratorServiceStub(channel)
        assert (await jobs.ListJobs(orchestrator_pb2.ListJobsRequest())).jobs == []
        spec = orchestrator_pb2.JobSpec(inputs=[FileRef(file_id="file_" + "0" * 26)])
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await jobs.CreateJob(orchestrator_pb2.CreateJobRequest(spec=spec), timeout=10)
    assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
    assert reason_of(caught.value) == "UPSTREAM_UNAVAILABLE"
