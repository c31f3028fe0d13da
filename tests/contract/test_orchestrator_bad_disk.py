"""A disk whose syncs fail, under the records and under the bytes: nothing unsafe is promised, and all goes on after."""

from __future__ import annotations

import asyncio
import io
import json
from pathlib import Path

import grpc
import pytest
from PIL import Image

from loupe.files.v1.files_pb2 import ListFilesRequest
from loupe.files.v1.files_service_pb2_grpc import FilesServiceStub
from loupe.orchestrator.v1 import orchestrator_pb2
from loupe.type.v1.error_reason_pb2 import ErrorReason
from servers.kit.errors import StorageUnavailable
from servers.kit.status import from_rpc_error
from tests.contract.orchestrator_world import kinds, world
from tests.contract.scripted_peers import Script
from tests.failing_disk import failing_syncs


def conditions(log: Path) -> list[str]:
    """What a server told of its disk."""
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    return [line["message"] for line in lines if line.get("condition") == "disk_refuses"]


async def ended(log: Path) -> None:
    while conditions(log) != ["condition began", "condition ended"]:  # noqa: ASYNC110 - a file
        await asyncio.sleep(0.05)


async def test_a_job_in_work_waits_for_a_disk_that_fails_and_nothing_unsafe_is_told(home):
    script = Script(hang=asyncio.Event())
    async with asyncio.timeout(100), world(home, script) as it:
        job = (await it.jobs.CreateJob(orchestrator_pb2.CreateJobRequest(spec=it.spec()))).job
        await script.run_began.wait()
        request = orchestrator_pb2.GetJobRequest(job_id=job.job_id)
        before = (await it.jobs.GetJob(request)).job
        async with failing_syncs(it.server.process.pid, "fdatasync", "fsync"):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await it.jobs.CreateJob(orchestrator_pb2.CreateJobRequest(spec=it.spec()))
            refusal = from_rpc_error(caught.value)
            assert refusal.reason == ErrorReason.ERROR_REASON_STORAGE_UNAVAILABLE
            assert refusal.message == "the database refused: disk I/O error"
            assert refusal.retry_after_s == 5.0
            assert script.hang is not None
            script.hang.set()
            while b"step not stored, will try again" not in it.server.log.read_bytes():  # noqa: ASYNC110 - a file
                await asyncio.sleep(0.05)
            assert (await it.jobs.GetJob(request)).job == before
            assert conditions(it.server.log) == ["condition began"]
        watch = orchestrator_pb2.WatchJobRequest(job_id=job.job_id)
        steps = [event.step async for event in it.jobs.WatchJob(watch) if event.HasField("step")]
        await ended(it.server.log)
        jobs = (await it.jobs.ListJobs(orchestrator_pb2.ListJobsRequest())).jobs
    assert kinds(steps) == [
        *("thought", "read_figures", "seen"),
        *("thought", "write_code", "seen", "review_code", "seen", "run_code", "seen"),
        *("thought", "finish", "draw_overlay", "seen", "answer"),
    ]
    assert [step.sequence for step in steps] == list(range(1, 16))
    assert {step.attempt for step in steps} == {1}
    assert len(script.runs) == 1
    assert [listed.job_id for listed in jobs] == [job.job_id]


async def test_a_file_on_a_disk_that_fails_is_refused_and_leaves_nothing_under_its_digest(home):
    async with asyncio.timeout(100), world(home, Script()) as it, it.file_server.channel() as channel:
        records, log, pid = FilesServiceStub(channel), it.file_server.log, it.file_server.process.pid
        content = picture()

        def stored() -> set[Path]:
            return {path for path in (home / "files").rglob("*") if path.is_file()}

        before = stored()
        async with failing_syncs(pid, "fsync"):
            with pytest.raises(StorageUnavailable, match="the file store refused: Input/output error") as refused:
                await it.files.write(content, "another.png", request_id="once")
            assert refused.value.retry_after_s == 5.0
            assert stored() == before
            # What is there can still be read.
            assert await it.files.read(it.picture)
            assert len((await records.ListFiles(ListFilesRequest())).files) == 1
            assert conditions(log) == ["condition began"]
        await ended(log)
        assert await it.files.read(await it.files.write(content, "another.png", request_id="once")) == content
        async with failing_syncs(pid, "fdatasync"):  # its records
            with pytest.raises(StorageUnavailable, match="the database refused: disk I/O error"):
                await it.files.write(picture("blue"), "third.png")
            assert len(stored()) == len(before) + 1
        assert len((await records.ListFiles(ListFilesRequest())).files) == 2


def picture(colour: str = "red") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), colour).save(buffer, "PNG")
    return buffer.getvalue()
