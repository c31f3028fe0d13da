"""Jobs go: an owner's with proof, old ones with the files they made, and nobody is left waiting for them."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2_grpc
from PIL import Image

from loupe.files.v1.files_pb2 import GetFileRequest, ListFilesRequest
from loupe.files.v1.files_service_pb2_grpc import FilesServiceStub
from loupe.orchestrator.v1 import control_pb2, orchestrator_pb2
from loupe.orchestrator.v1.orchestrator_pb2 import CreateJobRequest, ListJobsRequest
from loupe.type.v1.access_pb2 import Role
from servers.kit import identity
from servers.kit.config import ServerSettings
from servers.kit.mesh import Mesh
from servers.orchestrator.naming import made_files
from tests.contract.orchestrator_world import World, world
from tests.contract.scripted_peers import Script
from tests.contract.test_sandbox_load import Collector
from tests.running import running


async def erased(it: World, owner: str) -> list[control_pb2.ErasedJob]:
    messages = [message async for message in it.jobs.EraseOwner(control_pb2.EraseOwnerRequest(owner=owner))]
    proofs = [proof for message in messages for proof in message.jobs.jobs]
    assert messages[-1].total.job_count == len(proofs)
    return proofs


async def test_an_erased_owner_leaves_proofs_and_no_job_not_even_one_in_work(home):
    script = Script()
    async with asyncio.timeout(60), world(home, script) as it:
        steps = await it.run()
        job_id = (await it.jobs.ListJobs(ListJobsRequest())).jobs[0].job_id
        script.hang = asyncio.Event()
        script.run_began.clear()
        in_work = (await it.jobs.CreateJob(CreateJobRequest(spec=it.spec()))).job.job_id
        await script.run_began.wait()
        assert await erased(it, "somebody else") == []
        proofs = await erased(it, "local")
        await script.run_cancelled.wait()
        assert {proof.job_id for proof in proofs} == {job_id, in_work}
        assert next(proof for proof in proofs if proof.job_id == job_id).step_count == len(steps)
        assert len((await it.jobs.ListJobs(ListJobsRequest())).jobs) == 0
        assert await erased(it, "local") == proofs
        with pytest.raises(grpc.aio.AioRpcError) as gone:
            await it.jobs.GetJob(orchestrator_pb2.GetJobRequest(job_id=in_work))
        assert gone.value.code() == grpc.StatusCode.NOT_FOUND
        script.hang = None
        assert (await it.run())[-1].HasField("answer")


async def test_who_watches_a_job_that_is_erased_is_told(home):
    script = Script(hang=asyncio.Event())
    async with asyncio.timeout(60), world(home, script, LOUPE_ORCHESTRATOR_HEARTBEAT_S="0.2") as it:
        job_id = (await it.jobs.CreateJob(CreateJobRequest(spec=it.spec()))).job.job_id
        await script.run_began.wait()
        watching = it.jobs.WatchJob(orchestrator_pb2.WatchJobRequest(job_id=job_id))
        await watching.read()
        await erased(it, "local")
        with pytest.raises(grpc.aio.AioRpcError) as told:
            async for _ in watching:
                pass
        assert told.value.code() == grpc.StatusCode.NOT_FOUND


async def test_old_jobs_go_with_the_files_they_made_and_leave_what_others_use(home):
    script = Script()
    async with asyncio.timeout(60), world(home, script) as it:
        steps = await it.run()
        parent = (await it.jobs.ListJobs(ListJobsRequest())).jobs[0]
        retried = await it.jobs.RetryJob(
            control_pb2.RetryJobRequest(job_id=parent.job_id, after_sequence=len(steps) - 4)
        )
        watching = orchestrator_pb2.WatchJobRequest(job_id=retried.job.job_id)
        child_steps = [event.step async for event in it.jobs.WatchJob(watching) if event.HasField("step")]
        assert child_steps[-1].HasField("answer")
        picture = it.picture.file_id
    assert picture not in made_files(steps)
    assert made_files(child_steps).isdisjoint(made_files(steps))
    # At its start it removes what is old: the child first, in the same round its parent.
    async with asyncio.timeout(60), world(home, Script(), LOUPE_ORCHESTRATOR_KEEP_DAYS="0.000001") as it:
        while (await it.jobs.ListJobs(ListJobsRequest())).jobs:  # noqa: ASYNC110 - another process's work
            await asyncio.sleep(0.1)
    async with asyncio.timeout(60), running("files", home) as file_server, file_server.channel() as channel:
        stub = FilesServiceStub(channel)
        left = (await stub.ListFiles(ListFilesRequest(page_size=200))).files
        assert [file.ref.file_id for file in left] == [picture]
        assert (await stub.GetFile(GetFileRequest(file_id=picture))).file.file_name == "picture.png"


async def test_old_uploads_go_that_no_job_names_any_more_or_ever_did_where_that_is_the_policy(home):
    script = Script(hang=asyncio.Event())
    async with asyncio.timeout(90), world(home, script) as it:
        named, never_named = [await it.files.write(png(colour), f"{colour}.png") for colour in ("red", "blue")]
        spec = it.spec()
        spec.inputs[0].file_id = named.file_id
        in_work = (await it.jobs.CreateJob(CreateJobRequest(spec=spec))).job.job_id
        await script.run_began.wait()
        script.hang = None
        assert (await it.run())[-1].HasField("answer")
        other = it.jobs.RunJob(orchestrator_pb2.RunJobRequest(spec=spec))
        assert [event.step async for event in other if event.HasField("step")][-1].HasField("answer")
    keeps = {f"LOUPE_ORCHESTRATOR_{name}_DAYS": "0.000001" for name in ("KEEP", "KEEP_UPLOADS")}
    async with (
        asyncio.timeout(90),
        collecting_metrics() as (metrics, endpoint),
        world(home, Script(hang=asyncio.Event()), LOUPE_OTLP_ENDPOINT=endpoint, **keeps) as it,
        it.file_server.channel() as channel,
    ):
        files = FilesServiceStub(channel)

        async def left() -> set[str]:
            return {file.ref.file_id for file in (await files.ListFiles(ListFilesRequest(page_size=200))).files}

        # The first picture's one job goes, and then it; the second's other job is in work.
        while await left() != {named.file_id}:  # noqa: ASYNC110 - another process's work
            await asyncio.sleep(0.1)
        assert [job.job_id for job in (await it.jobs.ListJobs(ListJobsRequest())).jobs] == [in_work]
        # Who looked at one before it went makes no job of it, also for a while after it has gone.
        spec.inputs[0].file_id = never_named.file_id
        with pytest.raises(grpc.aio.AioRpcError) as gone:
            await it.jobs.CreateJob(CreateJobRequest(spec=spec))
        assert gone.value.code() == grpc.StatusCode.NOT_FOUND
        it.server.process.terminate()  # what is still held back is sent at the end
        await it.server.process.wait()
        # The first picture, the one that no job named, and of the job that went what it had made.
        assert metrics == {
            ("loupe.orchestrator.removed", "job"): 2,
            ("loupe.orchestrator.removed", "upload"): 2,
            ("loupe.orchestrator.removed", "file"): 16,
        }


@asynccontextmanager
async def collecting_metrics() -> AsyncIterator[tuple[dict[tuple[str, str], float], str]]:
    """What an OTLP collector has been told, by metric and attributes, and its address."""
    collector, server = Collector(), grpc.aio.server()
    metrics_service_pb2_grpc.add_MetricsServiceServicer_to_server(collector, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield collector.values, f"http://127.0.0.1:{port}"
    await server.stop(None)


def png(colour: str) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), colour).save(buffer, "PNG")
    return buffer.getvalue()


async def test_what_a_cut_attempt_stored_goes_and_nothing_that_a_step_names(home):
    """One ends between a run's files and their step; what it stored is on no record of the job."""
    script = Script(hang=asyncio.Event())
    settings = {"LOUPE_ORCHESTRATOR_TIDY_AFTER_S": "0.5"}
    async with asyncio.timeout(90), world(home, script, **settings) as it, it.file_server.channel() as channel:
        records = FilesServiceStub(channel)

        async def stored(job_id: str = "") -> set[str]:
            found = await records.ListFiles(ListFilesRequest(job_id=job_id, page_size=200))
            return {file.ref.file_id for file in found.files}

        job_id = (await it.jobs.CreateJob(CreateJobRequest(spec=it.spec()))).job.job_id
        await script.run_began.wait()
        stray = await in_the_course_of(home, it, job_id)
        other = await in_the_course_of(home, it, "req_" + "0" * 26)
        assert await stored(job_id) == {stray}
        assert script.hang is not None
        script.hang.set()
        watching = orchestrator_pb2.WatchJobRequest(job_id=job_id)
        steps = [event.step async for event in it.jobs.WatchJob(watching) if event.HasField("step")]
        made = made_files(steps)
        assert len(made) == 8  # the ninth, its overlay, is the picture here
        while await stored(job_id) != made:  # noqa: ASYNC110 - another process's work
            await asyncio.sleep(0.1)
        assert await stored() == made | {other, it.picture.file_id}
        while b"files of cut attempts removed" not in it.server.log.read_bytes():  # noqa: ASYNC110 - a file
            await asyncio.sleep(0.05)


async def in_the_course_of(home: Path, it: World, request_id: str) -> str:
    """Store a file as the orchestrator does in the course of a job, and return its id."""
    addresses: dict[str, Any] = {"LOUPE_HOME": str(home), "LOUPE_FILES_ADDRESS": it.file_server.address}
    settings = ServerSettings(**addresses)
    mesh = Mesh("orchestrator", settings)

    async def store() -> str:
        identity.act_for(identity.Caller("local", Role.ROLE_ANALYST), request_id=request_id)
        return (await mesh.files.write(b"left behind", "chart.png", request_id=f"{request_id}.9.chart")).file_id

    try:
        return await asyncio.create_task(store())
    finally:
        await mesh.close()
