"""Servers on several machines: mutual TLS between them, with certificates from files; health beside it."""

from __future__ import annotations

import asyncio
import json
import ssl
from contextlib import asynccontextmanager

import grpc
import httpx
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from cli.certificates import issue, make_authority
from gateway.envoy.config import GatewaySettings
from gateway.envoy.process import running as gateway
from loupe.critic.v1 import critic_pb2
from loupe.critic.v1.critic_service_pb2_grpc import CriticServiceStub
from loupe.type.v1.access_pb2 import Role
from servers.kit import identity, probe
from servers.kit.channels import ServiceTokens, open_channel
from servers.kit.config import ServerSettings
from servers.kit.keys import KeyFolder
from servers.kit.tls import TlsFolder
from tests.running import channel_with_key, running

CODE = critic_pb2.ReviewCodeRequest(source="print(1)\n")


def certified(folder, authority, *hosts):
    issued = issue(authority, hosts)
    folder.mkdir()
    (folder / "ca.crt").write_bytes(authority.certificate)
    (folder / "tls.crt").write_bytes(issued.certificate)
    (folder / "tls.key").write_bytes(issued.key)
    return TlsFolder(folder)


@pytest.fixture(scope="module")
def authority():
    return make_authority()


@asynccontextmanager
async def critic_at(home, tls):
    environment = {"LOUPE_TLS_DIR": str(tls.path), "LOUPE_HEALTH_LISTEN": f"unix:{home}/health.sock"}
    async with running("critic", home, environment, listen="localhost:0") as server:
        yield server


async def review(server, home, tls):
    identity.act_for(identity.Caller("local", Role.ROLE_ANALYST))
    tokens = ServiceTokens("orchestrator", KeyFolder(home / "keys"))
    async with open_channel(server.address, "critic", tokens, tls=tls) as channel:
        return await CriticServiceStub(channel).ReviewCode(CODE, timeout=10)


async def test_servers_of_one_mesh_call_each_other_and_nobody_else_does(home, tmp_path, authority):
    own = certified(tmp_path / "critic", authority, "localhost")
    caller = certified(tmp_path / "caller", authority, "orchestrator")
    stranger = certified(tmp_path / "stranger", make_authority(), "orchestrator")
    # Believes the mesh's authority, but can show only what another one signed.
    stranger.authority.write_bytes(authority.certificate)
    async with critic_at(home, own) as server:
        assert (await review(server, home, caller)).verdict.is_approved
        for refused in (stranger, None):
            with pytest.raises(grpc.aio.AioRpcError) as error:
                await review(server, home, refused)
            assert error.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_a_server_under_another_hosts_name_is_not_called(home, tmp_path, authority):
    own = certified(tmp_path / "critic", authority, "loupe-vision")
    caller = certified(tmp_path / "caller", authority, "orchestrator")
    async with critic_at(home, own) as server:
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await review(server, home, caller)
        assert error.value.code() is grpc.StatusCode.UNAVAILABLE
        assert "Hostname Verification Check failed" in str(error.value.details())


async def test_health_is_answered_beside_tls_and_nothing_else_is(home, tmp_path, authority, monkeypatch):
    own = certified(tmp_path / "critic", authority, "localhost")
    async with critic_at(home, own):
        async with grpc.aio.insecure_channel(f"unix:{home}/health.sock") as channel:
            state = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
            assert state.status == health_pb2.HealthCheckResponse.SERVING
            with pytest.raises(grpc.aio.AioRpcError) as error:
                await CriticServiceStub(channel).ReviewCode(CODE)
            assert error.value.code() is grpc.StatusCode.UNIMPLEMENTED
        monkeypatch.setenv("LOUPE_HEALTH_LISTEN", f"unix:{home}/health.sock")
        assert await asyncio.to_thread(probe.main, ["critic"]) == 0


async def test_a_probe_tells_a_server_that_does_not_serve(home, monkeypatch, capsys):
    (home / "files.sqlite").write_text("this is no database" * 100)
    monkeypatch.setenv("LOUPE_HOME", str(home))
    monkeypatch.setenv("LOUPE_HEALTH_LISTEN", f"unix:{home}/health.sock")
    async with running("files", home, serving=False, listen=f"unix:{home}/run/files.sock"):
        assert await asyncio.to_thread(probe.main, ["files"]) == 1
        # It lives all the same: what it lacks would not come by starting it again.
        async with grpc.aio.insecure_channel(f"unix:{home}/health.sock") as channel:
            live = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service="live"))
            assert live.status == health_pb2.HealthCheckResponse.SERVING
    assert capsys.readouterr().err == "files: NOT_SERVING\n"


def test_a_probe_asks_where_the_server_listens_and_never_where_only_tls_is_spoken(monkeypatch, capsys, tmp_path):
    for listen, asked in {"0.0.0.0:50051": "127.0.0.1:50051", "[::]:1": "127.0.0.1:1", "unix:/s": "unix:/s"}.items():
        assert probe.address_of("critic", ServerSettings(listen=listen)) == asked
    monkeypatch.setenv("LOUPE_TLS_DIR", str(tmp_path))
    monkeypatch.setenv("LOUPE_CRITIC_LISTEN", "0.0.0.0:50051")
    assert probe.main(["critic"]) == 1
    assert capsys.readouterr().err == "critic: critic speaks TLS only: set LOUPE_HEALTH_LISTEN\n"


async def test_the_gateway_calls_servers_by_mutual_tls_and_by_the_name_in_their_certificate(home, tmp_path, authority):
    own = certified(tmp_path / "critic", authority, "localhost")
    gateways = certified(tmp_path / "gateway", authority, "gateway")
    async with critic_at(home, own) as server:
        settings = GatewaySettings(home=tmp_path, port=0, critic_address=server.address, tls_dir=gateways.path)
        async with gateway(settings) as through, channel_with_key(through.address, server.key) as channel:
            response = await CriticServiceStub(channel).ReviewCode(CODE, timeout=10, wait_for_ready=True)
        assert response.verdict.is_approved
        named_otherwise = server.address.replace("localhost", "127.0.0.1")
        settings = GatewaySettings(home=tmp_path, port=0, critic_address=named_otherwise, tls_dir=gateways.path)
        async with gateway(settings) as through, channel_with_key(through.address, server.key) as channel:
            with pytest.raises(grpc.aio.AioRpcError) as error:
                await CriticServiceStub(channel).ReviewCode(CODE, timeout=10)
            assert error.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_a_missing_certificate_stops_the_start_in_one_line(home, tmp_path):
    with pytest.raises(AssertionError, match=r"LOUPE_TLS_DIR: .*tls\.key"):
        async with running("critic", home, {"LOUPE_TLS_DIR": str(tmp_path)}):
            pass


async def test_the_routers_listener_for_openai_asks_for_a_certificate_too(home, tmp_path, authority):
    own = certified(tmp_path / "router", authority, "localhost")
    caller = certified(tmp_path / "gateway", authority, "gateway")
    environment = {
        "LOUPE_TLS_DIR": str(own.path),
        "LOUPE_HEALTH_LISTEN": f"unix:{home}/health.sock",
        "LOUPE_OPENAI_ADDRESS": "localhost:0",
    }
    async with running("router", home, environment, listen="localhost:0") as server:
        lines = [json.loads(line) for line in server.log.read_text().splitlines()]
        (address,) = (line["openai_address"] for line in lines if "openai_address" in line)
        url = f"https://{address}/v1/models"
        trusting = ssl.create_default_context(cafile=str(caller.authority))
        async with httpx.AsyncClient(verify=trusting) as stranger:
            with pytest.raises(httpx.TransportError):  # closed, or without an answer
                await stranger.get(url)
        trusting.load_cert_chain(caller.certificate, caller.key)
        async with httpx.AsyncClient(verify=trusting) as gateways:
            answer = await gateways.get(url, headers={"authorization": f"Bearer {server.key}"})
        assert (answer.status_code, answer.json()["data"]) == (200, [])
