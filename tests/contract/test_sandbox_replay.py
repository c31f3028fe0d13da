"""A used token runs nothing a second time: not after a restart, not on another replica."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import grpc

from loupe.sandbox.v1.sandbox_pb2 import GetCapabilitiesRequest, RunSpec
from loupe.sandbox.v1.sandbox_service_pb2_grpc import SandboxServiceStub
from servers.kit.keys import KeyFolder
from tests.contract.sandbox_client import Client, reason_of, refusal
from tests.running import Running, running

REPLAYED = ("PERMISSION_DENIED", "TOKEN_REPLAYED")


def client(home: Path, server: Running, channel: grpc.aio.Channel) -> Client:
    return Client(SandboxServiceStub(channel), KeyFolder(home / "keys"), server)


async def attempt(one: Client, spec: RunSpec) -> str:
    try:
        return (await one.send(spec)).result.value.text
    except grpc.aio.AioRpcError as error:
        return reason_of(error)


async def test_a_token_used_before_a_restart_or_on_another_replica_runs_nothing(home):
    environment = {"LOUPE_SANDBOX_USED_TOKENS_DIR": str(home / "used"), "LOUPE_SANDBOX_WARM_SANDBOXES": "0"}
    async with running("sandbox", home, environment) as server, server.channel() as channel:
        one = client(home, server, channel)
        spec = RunSpec(source="6 * 7", critic_token=one.token("6 * 7"))
        assert await attempt(one, spec) == "42"
        unused = RunSpec(source="6 * 7", critic_token=one.token("6 * 7"))
        async with running("sandbox", home, environment) as replica, replica.channel() as to_replica:
            other = client(home, replica, to_replica)
            assert (await other.stub.GetCapabilities(GetCapabilitiesRequest())).shares_used_tokens
            assert await refusal(other.send(spec)) == REPLAYED
            both = RunSpec(source="6 * 7", critic_token=one.token("6 * 7"))
            outcomes = await asyncio.gather(attempt(one, both), attempt(other, both))
            assert sorted(outcomes) == ["42", "TOKEN_REPLAYED"]
    async with running("sandbox", home, environment) as server, server.channel() as channel:
        restarted = client(home, server, channel)
        assert await refusal(restarted.send(spec)) == REPLAYED
        assert await attempt(restarted, unused) == "42"  # signed before the restart, and not used


async def test_without_a_folder_a_restarted_sandbox_refuses_whatever_may_have_run(home):
    environment = {"LOUPE_SANDBOX_WARM_SANDBOXES": "0"}
    async with running("sandbox", home, environment) as server, server.channel() as channel:
        one = client(home, server, channel)
        assert not (await one.stub.GetCapabilities(GetCapabilitiesRequest())).shares_used_tokens
        spec = RunSpec(source="1", critic_token=one.token("1"))
        await one.send(spec)
    async with running("sandbox", home, environment) as server, server.channel() as channel:
        assert await refusal(client(home, server, channel).send(spec)) == REPLAYED


async def test_where_used_tokens_can_no_longer_be_remembered_nothing_runs(home):
    environment = {"LOUPE_SANDBOX_USED_TOKENS_DIR": str(home / "used"), "LOUPE_SANDBOX_WARM_SANDBOXES": "0"}
    async with running("sandbox", home, environment) as server, server.channel() as channel:
        one = client(home, server, channel)
        shutil.rmtree(home / "used")
        assert await attempt(one, RunSpec(source="1", critic_token=one.token("1"))) == "STORAGE_UNAVAILABLE"


async def test_a_folder_that_cant_be_written_keeps_it_from_serving_and_is_named(home):
    (home / "file").touch()
    environment = {"LOUPE_SANDBOX_USED_TOKENS_DIR": str(home / "file" / "used")}
    async with running("sandbox", home, environment, serving=False) as server, server.channel() as channel:
        with_reason = SandboxServiceStub(channel).GetCapabilities(GetCapabilitiesRequest())
        try:
            await with_reason
        except grpc.aio.AioRpcError as error:
            assert error.code() == grpc.StatusCode.UNAVAILABLE
            assert "LOUPE_SANDBOX_USED_TOKENS_DIR" in str(error.details())
        else:
            raise AssertionError
