"""What the kit promises of every server, asked of one of them."""

from __future__ import annotations

import asyncio
import json
import stat

import grpc
import pytest
import pytest_asyncio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from loupe.critic.v1.critic_pb2 import AuthorizeRunRequest
from loupe.critic.v1.critic_service_pb2_grpc import CriticServiceStub
from loupe.files.v1 import files_pb2
from loupe.files.v1.files_service_pb2_grpc import FilesServiceStub
from loupe.type.v1.access_pb2 import Role
from servers.kit.keys import KeyFolder
from servers.kit.tokens import ServiceClaims, sign_service_token
from tests.running import channel_with_key, running

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(module_home):
    async with running("files", module_home) as up:
        yield up


async def code_of(address: str, key: str) -> grpc.StatusCode:
    async with channel_with_key(address, key) as channel:
        try:
            await FilesServiceStub(channel).ListFiles(files_pb2.ListFilesRequest())
        except grpc.aio.AioRpcError as error:
            return error.code()
    return grpc.StatusCode.OK


async def test_only_the_valid_key_gets_in(server):
    assert await code_of(server.address, server.key) == grpc.StatusCode.OK
    for wrong in ("", "lk_wrong", "garbage", "a.b.c"):
        assert await code_of(server.address, wrong) == grpc.StatusCode.UNAUTHENTICATED


async def test_health_needs_no_key(server):
    async with grpc.aio.insecure_channel(server.address) as channel:
        for service in ("", "loupe.files.v1.FilesService"):
            answer = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service=service))
            assert answer.status == health_pb2.HealthCheckResponse.SERVING


async def test_the_key_is_readable_by_its_owner_only(server, module_home):
    assert stat.S_IMODE((module_home / "keys").stat().st_mode) == 0o700
    assert stat.S_IMODE((module_home / "keys" / "api.key").stat().st_mode) == 0o600


async def test_a_service_token_opens_only_the_server_it_names_and_only_its_owners_files(server, module_home):
    keys = KeyFolder(module_home / "keys")

    def token(audience: str, signer: str = "vision", role: Role.ValueType = Role.ROLE_ANALYST) -> str:
        return sign_service_token(keys.private(signer), ServiceClaims("vision", audience, "someone", role))

    assert await code_of(server.address, token("files")) == grpc.StatusCode.OK
    assert await code_of(server.address, token("critic")) == grpc.StatusCode.UNAUTHENTICATED
    assert await code_of(server.address, token("files", signer="critic")) == grpc.StatusCode.UNAUTHENTICATED
    assert (
        await code_of(server.address, token("files", role=Role.ROLE_UNSPECIFIED)) == grpc.StatusCode.PERMISSION_DENIED
    )


async def test_an_operators_key_does_not_reach_what_only_servers_may_ask(module_home):
    async with running("critic", module_home) as critic, critic.channel() as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await CriticServiceStub(channel).AuthorizeRun(AuthorizeRunRequest(source="1", job_id="j"))
    assert caught.value.code() == grpc.StatusCode.PERMISSION_DENIED


async def test_reflection_lists_the_whole_mesh(server):
    async with server.channel() as channel:
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        request = reflection_pb2.ServerReflectionRequest(list_services="")
        answers = [answer async for answer in stub.ServerReflectionInfo(iter([request]))]
    names = {service.name for service in answers[0].list_services_response.service}
    assert {"loupe.files.v1.FilesService", "loupe.orchestrator.v1.OrchestratorService"} <= names


async def test_every_call_is_logged_once_with_its_request_id_and_no_secret(server):
    async with server.channel() as channel:
        call = FilesServiceStub(channel).ListFiles(files_pb2.ListFilesRequest(), metadata=[("x-request-id", "find-me")])
        await call
    text = server.log.read_text()
    entries = [json.loads(line) for line in text.splitlines()]
    mine = [entry for entry in entries if entry.get("request_id") == "find-me"]
    assert [(entry["message"], entry["method"], entry["code"]) for entry in mine] == [
        ("rpc", "/loupe.files.v1.FilesService/ListFiles", "OK")
    ]
    assert server.key not in text


async def test_a_server_on_a_socket_lets_only_its_owner_connect_and_takes_a_dead_servers_place(home):
    async with running("files", home, listen=f"unix:{home}/run/files.sock") as first:
        mode = (home / "run" / "files.sock").stat().st_mode
        assert stat.S_IMODE(mode) == 0o600
        first.process.kill()
        await first.process.wait()
    async with running("files", home, listen=f"unix:{home}/run/files.sock") as second:
        assert await code_of(second.address, second.key) == grpc.StatusCode.OK


async def test_a_signal_ends_the_server_with_code_0(home):
    async with running("files", home) as up:
        up.process.terminate()
        async with asyncio.timeout(20):
            assert await up.process.wait() == 0


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("LOUPE_FILES_MAX_UPLOAD_MIB", "lots", "LOUPE_FILES_MAX_UPLOAD_MIB: Input should be a valid integer"),
        ("LOUPE_HOME", "/tmp/" + "x" * 90, "LOUPE_HOME: /tmp/xxx"),
    ],
)
async def test_a_wrong_setting_stops_the_start_and_names_its_variable(home, variable, value, said):
    with pytest.raises(AssertionError, match=said):
        async with running("files", home, {variable: value}):
            pass
