"""Streams through a real Envoy: each message as it comes, over NDJSON, server-sent events and raw bytes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.contract.gateway_servers import (
    FILE_ID,
    JOB_ID,
    MISSING_JOB_ID,
    PNG_PIECES,
    Upstreams,
    gateway_to,
    thought,
    upstreams,
)

EVENTS = {"accept": "text/event-stream"}
WATCH = f"/v1/jobs/{JOB_ID}:watch"
MIB = 1024 * 1024


@pytest.fixture
async def servers() -> AsyncIterator[Upstreams]:
    async with upstreams() as running:
        yield running


@pytest.fixture
async def rest(servers: Upstreams, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with (
        gateway_to(tmp_path, servers.address) as gateway,
        httpx.AsyncClient(base_url=gateway.base_url, timeout=20) as client,
    ):
        yield client


def step(sequence: int) -> dict[str, Any]:
    body = {"sequence": sequence, "attempt": 0, "job_state": "JOB_STATE_RUNNING"}
    return {"step": {**body, "thought": {"text": f"thought {sequence}"}}}


async def test_each_message_is_a_line_of_json_before_the_next_one_exists(
    rest: httpx.AsyncClient, servers: Upstreams
) -> None:
    steps = servers.orchestrator.next_step
    steps.put_nowait(thought(1))
    async with rest.stream("GET", WATCH) as answer:
        lines = answer.aiter_lines()
        assert json.loads(await anext(lines)) == step(1)
        steps.put_nowait(thought(2))
        assert json.loads(await anext(lines)) == step(2)
        steps.put_nowait(None)
        assert [line async for line in lines] == []

    assert answer.status_code == 200


async def test_each_message_is_an_event_for_who_accepts_an_event_stream(
    rest: httpx.AsyncClient, servers: Upstreams
) -> None:
    steps = servers.orchestrator.next_step
    steps.put_nowait(thought(1))
    async with rest.stream("GET", WATCH, headers=EVENTS) as answer:
        lines = answer.aiter_lines()
        assert await anext(lines) == f"data: {json.dumps(step(1), separators=(',', ':'))}"
        assert await anext(lines) == ""
        steps.put_nowait(thought(2))
        assert await anext(lines) == f"data: {json.dumps(step(2), separators=(',', ':'))}"
        steps.put_nowait(None)

    assert answer.headers["content-type"] == "text/event-stream"


async def test_a_stream_can_begin_with_a_post(rest: httpx.AsyncClient, servers: Upstreams) -> None:
    servers.orchestrator.next_step.put_nowait(None)
    answer = await rest.post("/v1/jobs:run", json={"spec": {"question": "why?"}}, headers=EVENTS)

    (event, *_) = answer.text.splitlines()
    assert json.loads(event.removeprefix("data: "))["job"]["spec"]["question"] == "why?"


async def test_a_query_parameter_reaches_the_stream(rest: httpx.AsyncClient, servers: Upstreams) -> None:
    for message in (thought(1), thought(2), thought(3), None):
        servers.orchestrator.next_step.put_nowait(message)
    answer = await rest.get(WATCH, params={"after_sequence": 2})

    assert [json.loads(line) for line in answer.text.splitlines()] == [step(3)]


@pytest.mark.parametrize("headers", [{}, EVENTS])
async def test_an_error_before_the_first_message_is_an_ordinary_error(
    rest: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    answer = await rest.get(f"/v1/jobs/{MISSING_JOB_ID}:watch", headers=headers)

    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["message"] == "there is no such job"


async def test_an_error_after_the_first_message_is_invisible_over_http_1(
    rest: httpx.AsyncClient, servers: Upstreams
) -> None:
    """The reason why every stream of ours ends with an explicit last message."""
    for message in (thought(1), RuntimeError("the server broke")):
        servers.orchestrator.next_step.put_nowait(message)
    answer = await rest.get(WATCH)

    assert answer.status_code == 200
    assert [json.loads(line) for line in answer.text.splitlines()] == [step(1)]


async def test_a_caller_that_leaves_cancels_the_servers_call(rest: httpx.AsyncClient, servers: Upstreams) -> None:
    servers.orchestrator.next_step.put_nowait(thought(1))
    async with rest.stream("GET", WATCH) as answer:
        await anext(answer.aiter_lines())

    async with asyncio.timeout(10):
        await servers.orchestrator.cancelled.wait()


async def test_a_watched_job_outlives_the_time_limit_of_unary_calls(servers: Upstreams, tmp_path: Path) -> None:
    servers.orchestrator.next_step.put_nowait(thought(1))
    async with (
        gateway_to(tmp_path, servers.address, unary_timeout_s=0.2) as gateway,
        httpx.AsyncClient(base_url=gateway.base_url, timeout=20) as rest,
        rest.stream("GET", WATCH) as answer,
    ):
        # Made while the stream is open, and cut at the limit: the time of a unary call is over now.
        assert (await rest.post("/v1/critic:reviewCode", json={"source": "1"})).status_code == 504
        servers.orchestrator.next_step.put_nowait(thought(2))
        servers.orchestrator.next_step.put_nowait(None)
        assert [json.loads(line) async for line in answer.aiter_lines()] == [step(1), step(2)]


async def test_an_upload_streams_to_the_server_in_pieces_of_at_most_a_mebibyte(
    rest: httpx.AsyncClient, servers: Upstreams
) -> None:
    content = bytes(range(256)) * 4096 * 5

    async def body() -> AsyncIterator[bytes]:
        yield content[:1000]
        # The rest is not even sent before the server has the beginning.
        await servers.files.first_piece.wait()
        yield content[1000:]

    answer = await rest.post(
        "/v1/files",
        params={"request_id": "r1", "file_name": "chart 1.png"},
        content=body(),
        headers={"content-type": "image/png"},
    )

    first, *later = servers.files.uploads
    assert answer.json()["file"] == {"file_id": FILE_ID, "sha256": "", "size_bytes": 5 * MIB, "media_type": ""}
    assert (first.request_id, first.file_name, first.content.content_type) == ("r1", "chart 1.png", "image/png")
    assert {(message.request_id, message.file_name) for message in later} == {("", "")}
    assert b"".join(message.content.data for message in servers.files.uploads) == content
    assert max(len(message.content.data) for message in servers.files.uploads) <= MIB


async def test_an_empty_upload_is_one_message_without_bytes(rest: httpx.AsyncClient, servers: Upstreams) -> None:
    answer = await rest.post("/v1/files", params={"file_name": "empty.png"})

    assert answer.status_code == 200
    (only,) = servers.files.uploads
    assert (only.file_name, only.content.data) == ("empty.png", b"")


async def test_a_download_is_the_bytes_with_their_media_type(rest: httpx.AsyncClient) -> None:
    answer = await rest.get(f"/v1/files/{FILE_ID}/content")

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "image/png"
    assert answer.content == b"".join(PNG_PIECES)
