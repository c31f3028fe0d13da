"""Jobs that are refused before there is one."""

from __future__ import annotations

import grpc
import pytest
import pytest_asyncio
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from loupe.orchestrator.v1 import orchestrator_pb2
from loupe.type.v1.file_ref_pb2 import FileRef
from tests.contract.orchestrator_world import world
from tests.contract.scripted_peers import Script
from tests.recordings import wav

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def it(module_home):
    async with world(module_home, Script()) as made:
        yield made


@pytest.mark.parametrize(
    ("change", "code", "field"),
    [
        ({"question": ""}, "INVALID_ARGUMENT", "spec.question"),
        ({"question": "x" * 20_000}, "INVALID_ARGUMENT", "spec.question"),
        ({"inputs": []}, "INVALID_ARGUMENT", "spec.inputs"),
        ({"inputs": [FileRef(file_id="file_nonsense")]}, "INVALID_ARGUMENT", "spec.inputs[0].file_id"),
        ({"inputs": [FileRef(file_id="file_" + "0" * 26)]}, "NOT_FOUND", ""),
    ],
)
async def test_a_bad_job_is_refused_with_its_field(it, change, code, field):
    spec = orchestrator_pb2.JobSpec(**({"inputs": it.spec().inputs} | change))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await it.jobs.CreateJob(orchestrator_pb2.CreateJobRequest(spec=spec))
    assert caught.value.code() == grpc.StatusCode[code]
    if field:
        bad = error_details_pb2.BadRequest()
        status = rpc_status.from_call(caught.value)
        assert status is not None and status.details[1].Unpack(bad)
        assert bad.field_violations[0].field == field


async def test_a_recording_is_refused_before_there_is_a_job(it):
    recording = await it.files.write(wav(0.2), "memo.wav", request_id="memo")
    spec = orchestrator_pb2.JobSpec(question="How many?", inputs=[recording])
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await it.jobs.CreateJob(orchestrator_pb2.CreateJobRequest(spec=spec))
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert caught.value.details() == f"{recording.file_id} is audio/wav; jobs take images: PNG, JPEG, GIF, WEBP and BMP"
