"""A generated Node client runs a job through a real Envoy and sees each step as it happens."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Literal

import pytest

from gateway.envoy.process import Gateway
from loupe.orchestrator.v1 import orchestrator_pb2
from loupe.type.v1.answer_pb2 import ANSWER_STATUS_ANSWERED, Answer
from tests.contract.gateway_servers import FILE_ID, JOB_ID, Upstreams, gateway_to, thought, upstreams
from tests.mesh import node_client

ANSWER = orchestrator_pb2.Step(
    sequence=2,
    job_state=orchestrator_pb2.JOB_STATE_SUCCEEDED,
    answer=orchestrator_pb2.FinalAnswer(answer=Answer(status=ANSWER_STATUS_ANSWERED, text="May")),
)


@pytest.fixture(scope="module", autouse=True)
def installed() -> None:
    node_client.install()


@pytest.fixture
async def servers() -> AsyncIterator[Upstreams]:
    async with upstreams() as running:
        yield running


@pytest.fixture
async def gateway(servers: Upstreams, tmp_path: Path) -> AsyncIterator[Gateway]:
    async with gateway_to(tmp_path, servers.address) as running:
        yield running


@pytest.mark.parametrize("protocol", ["grpc", "grpc-web"])
async def test_each_step_is_printed_before_the_next_one_exists(
    gateway: Gateway, servers: Upstreams, protocol: Literal["grpc", "grpc-web"]
) -> None:
    lines = node_client.run_job(gateway.base_url, FILE_ID, "Which month?", key="lk_1", protocol=protocol)
    servers.orchestrator.next_step.put_nowait(thought(1))
    first = await anext(lines)
    servers.orchestrator.next_step.put_nowait(ANSWER)
    servers.orchestrator.next_step.put_nowait(None)
    second, job = [line async for line in lines]

    assert first == {
        "sequence": 1,
        "attempt": 0,
        "job_state": "JOB_STATE_RUNNING",
        "thought": {"text": "thought 1"},
    }
    assert second["answer"]["answer"]["text"] == "May"
    assert job["job_id"] == JOB_ID
    assert servers.orchestrator.metadata["authorization"] == "Bearer lk_1"


async def test_the_image_is_uploaded_in_chunks(gateway: Gateway, servers: Upstreams, tmp_path: Path) -> None:
    image = tmp_path / "chart.png"
    image.write_bytes(bytes(range(256)) * 2048)
    for step in (ANSWER, None):
        servers.orchestrator.next_step.put_nowait(step)
    lines = [line async for line in node_client.run_job(gateway.base_url, str(image), "Which month?", key="lk_1")]

    assert len(lines) == 2
    assert servers.files.uploads[0].file_name == "chart.png"
    assert [len(message.content.data) for message in servers.files.uploads] == [262144, 262144]
    assert b"".join(message.content.data for message in servers.files.uploads) == image.read_bytes()
