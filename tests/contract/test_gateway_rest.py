"""REST through a real Envoy: JSON both ways, and every refusal in one shape."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.envoy.process import running
from tests.contract.gateway_servers import JOB_ID, MISSING_JOB_ID, Upstreams, gateway_to, settings_for, upstreams


@pytest.fixture
async def servers() -> AsyncIterator[Upstreams]:
    async with upstreams() as started:
        yield started


@pytest.fixture
async def rest(servers: Upstreams, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with (
        gateway_to(tmp_path, servers.address) as gateway,
        httpx.AsyncClient(base_url=gateway.base_url, timeout=20) as client,
    ):
        yield client


def refusal(code: int, reason: str, message: str) -> dict[str, Any]:
    info = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason, "domain": "loupe", "metadata": {}}
    return {"code": code, "message": message, "details": [info]}


async def test_json_is_snake_case_with_zeros_and_enum_names(rest: httpx.AsyncClient) -> None:
    answer = await rest.post("/v1/jobs", json={"spec": {"question": "why?", "inputs": [{"file_id": "file_1"}]}})

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == {
        "job": {
            "job_id": JOB_ID,
            "state": "JOB_STATE_PENDING",
            "spec": {
                "question": "why?",
                "inputs": [{"file_id": "file_1", "sha256": "", "size_bytes": 0, "media_type": ""}],
                "may_ask": False,
                "consents": [],
                "webhook_url": "",
                "priority": "JOB_PRIORITY_UNSPECIFIED",
            },
            "attempt": 0,
            "last_sequence": 0,
        }
    }


async def test_a_servers_error_is_its_status_with_details(rest: httpx.AsyncClient) -> None:
    answer = await rest.get(f"/v1/jobs/{MISSING_JOB_ID}")

    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == refusal(5, "NOT_FOUND", "there is no such job")


async def test_malformed_json_is_refused_in_the_servers_shape(rest: httpx.AsyncClient) -> None:
    answer = await rest.post("/v1/jobs", content=b'{"spec": {"question": }')

    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/json"
    body = answer.json()
    assert body["code"] == 3
    assert body["details"] == refusal(3, "INVALID_FIELD", "")["details"]
    assert body["message"].startswith("Unexpected token.")


async def test_a_value_of_the_wrong_type_is_refused(rest: httpx.AsyncClient) -> None:
    answer = await rest.post("/v1/jobs", json={"spec": {"inputs": [{"size_bytes": "many"}]}})

    assert answer.status_code == 400
    assert answer.json()["code"] == 3


async def test_an_unknown_query_parameter_is_refused_and_named(rest: httpx.AsyncClient) -> None:
    answer = await rest.get("/v1/jobs", params={"page_sise": 5})

    assert answer.status_code == 400
    assert "page_sise" in answer.json()["message"]


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/nothing", "/v1/jobs/a/b", "/v1/jobs:nothing", "/v1%2fjobs"])
async def test_an_unknown_path_is_not_found(rest: httpx.AsyncClient, path: str) -> None:
    answer = await rest.get(path)

    assert answer.status_code == 404
    assert answer.json() == refusal(5, "NOT_FOUND", "nothing is served at this path")


@pytest.mark.parametrize(
    ("verb", "path", "allowed"),
    [
        ("PUT", "/v1/jobs", "GET, POST"),
        ("POST", f"/v1/jobs/{JOB_ID}:watch", "GET"),
        ("PATCH", "/v1/files/file_1", "DELETE, GET"),
        ("GET", "/v1/vision:analyzeImage", "POST"),
        ("GET", "/v1/vision:recalibrateChart", "POST"),
    ],
)
async def test_a_wrong_verb_is_told_the_right_ones(rest: httpx.AsyncClient, verb: str, path: str, allowed: str) -> None:
    answer = await rest.request(verb, path)

    assert answer.status_code == 405
    assert answer.headers["allow"] == allowed
    assert answer.json() == refusal(12, "INVALID_FIELD", f"this path takes {allowed.replace(', ', ' and ')}")


async def test_a_grpc_path_takes_no_json(rest: httpx.AsyncClient) -> None:
    answer = await rest.post("/loupe.orchestrator.v1.OrchestratorService/CreateJob", json={})

    assert answer.status_code == 404


async def test_a_body_at_the_limit_passes_and_one_beyond_it_is_too_large(rest: httpx.AsyncClient) -> None:
    frame = len('{"spec":{"question":""}}')
    at_limit = '{"spec":{"question":"' + "q" * (1024 * 1024 - frame) + '"}}'

    passed = await rest.post("/v1/jobs", content=at_limit)
    refused = await rest.post("/v1/jobs", content=at_limit + " ")

    assert passed.status_code == 200
    assert refused.status_code == 413
    assert refused.json() == refusal(8, "TOO_LARGE", "the request's body is larger than the gateway allows")


async def test_large_headers_are_refused(rest: httpx.AsyncClient) -> None:
    answer = await rest.get("/v1/jobs", headers={"x-large": "a" * 40_000})

    assert answer.status_code == 431
    assert answer.json() == refusal(8, "TOO_LARGE", "the request's headers are larger than the gateway allows")


async def test_bytes_that_are_not_http_are_refused_in_the_same_shape(rest: httpx.AsyncClient) -> None:
    reader, writer = await asyncio.open_connection(rest.base_url.host, rest.base_url.port)
    writer.write(b"GET / HTTP/9.9 what\r\n\r\n")
    answer = await reader.readuntil(b"}\n")
    writer.close()
    await writer.wait_closed()

    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b'"code":3' in answer


async def test_a_protocol_upgrade_is_refused_in_the_same_shape(rest: httpx.AsyncClient) -> None:
    answer = await rest.get("/v1/jobs", headers={"connection": "upgrade", "upgrade": "websocket"})

    assert answer.status_code == 403
    assert answer.json() == refusal(3, "INVALID_FIELD", "upgrade_failed")


async def test_an_answer_of_four_megabytes_arrives_whole(rest: httpx.AsyncClient) -> None:
    answer = await rest.get("/v1/jobs", params={"page_size": 1000})

    assert answer.status_code == 200
    assert len(answer.json()["jobs"]) == 1000


async def test_an_answer_beyond_the_limit_is_an_error_that_says_so(servers: Upstreams, tmp_path: Path) -> None:
    async with (
        gateway_to(tmp_path, servers.address, max_response_kib=256) as gateway,
        httpx.AsyncClient(base_url=gateway.base_url) as rest,
    ):
        answer = await rest.get("/v1/jobs", params={"page_size": 500})

    assert answer.status_code == 500
    assert answer.json()["code"] == 13
    assert "limit" in answer.json()["message"]


async def test_a_call_without_a_deadline_ends_at_the_gateways_and_is_cancelled_at_the_server(
    servers: Upstreams, tmp_path: Path
) -> None:
    async with (
        gateway_to(tmp_path, servers.address, unary_timeout_s=0.2) as gateway,
        httpx.AsyncClient(base_url=gateway.base_url) as rest,
    ):
        answer = await rest.post("/v1/critic:reviewCode", json={"source": "1"})
        async with asyncio.timeout(10):
            await servers.critic.cancelled.wait()

    assert answer.status_code == 504
    assert answer.json()["code"] == 4
    assert servers.critic.seconds_left is not None
    assert servers.critic.seconds_left <= 0.2


async def test_a_gateway_short_of_memory_asks_callers_to_come_again(servers: Upstreams, tmp_path: Path) -> None:
    # Less than the settings allow, and less than Envoy needs to start.
    settings = settings_for(tmp_path, servers.address).model_copy(update={"max_heap_mib": 4})
    async with (
        running(settings) as gateway,
        httpx.AsyncClient(base_url=gateway.base_url) as rest,
        asyncio.timeout(20),
    ):
        while (answer := await rest.get("/v1/jobs")).status_code == 200:
            pass

    expected = refusal(8, "OVERLOADED", "the gateway is short of memory")
    retry_info = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retry_delay": "1s"}
    assert answer.status_code == 429
    assert answer.json() == {**expected, "details": [*expected["details"], retry_info]}


async def test_the_key_and_a_fresh_request_id_reach_the_server_and_orders_to_envoy_do_not(
    rest: httpx.AsyncClient, servers: Upstreams
) -> None:
    headers = {
        "authorization": "Bearer lk_secret",
        "x-request-id": "chosen by the caller",
        "x-envoy-upstream-rq-timeout-ms": "1",
        "x-envoy-retry-on": "5xx",
        "x-envoy-original-path": "/elsewhere",
    }
    answer = await rest.post("/v1/jobs", json={}, headers=headers)

    seen = servers.orchestrator.metadata
    assert answer.status_code == 200
    assert seen["authorization"] == "Bearer lk_secret"
    assert seen["x-request-id"] == answer.headers["x-request-id"]
    assert uuid.UUID(seen["x-request-id"]).version == 4
    assert seen["x-envoy-original-path"] == "/v1/jobs"
    assert "x-envoy-retry-on" not in seen
    assert "x-envoy-upstream-rq-timeout-ms" not in seen
