"""A machine that has no means for a required limit serves nothing, and says what helps."""

from __future__ import annotations

import json
import os
from pathlib import Path

import grpc
import pytest
from pydantic import ValidationError

from loupe.sandbox.v1.sandbox_pb2 import GetCapabilitiesRequest
from loupe.sandbox.v1.sandbox_service_pb2_grpc import SandboxServiceStub
from sandbox import policy, runtime
from sandbox.runners import choice
from sandbox.uids import UidPool
from servers.kit.errors import NotReady
from tests.running import running

SHIPPED = Path(policy.__file__).with_name("policy.json")


def requiring(folder: Path, *names: str) -> Path:
    chosen = json.loads(SHIPPED.read_text()) | {"required": names}
    (folder / "policy.json").write_text(json.dumps(chosen))
    return folder / "policy.json"


async def test_a_required_limit_without_means_keeps_it_from_serving_with_the_remedy(home):
    file = requiring(home, "inode_count", "memory_mib")  # gVisor bounds no inodes
    environment = {"LOUPE_SANDBOX_RUNNER": "runsc", "LOUPE_SANDBOX_POLICY_FILE": str(file)}
    async with running("sandbox", home, environment, serving=False) as server, server.channel() as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await SandboxServiceStub(channel).GetCapabilities(GetCapabilitiesRequest())
    assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
    told = str(caught.value.details())
    assert told.startswith(
        "nothing here enforces inode_count for runsc: start the service as root, or in a control group"
    )
    assert "LOUPE_SANDBOX_POLICY_FILE" in told


async def test_without_control_groups_namespaces_have_means_for_all_and_gvisor_lacks_a_bound_on_processes():
    built = runtime.find(Path(os.environ.get("LOUPE_SANDBOX_RUNTIME_DIR") or runtime.default_directory()))
    every = policy.load().model_copy(update={"required": (*policy.load().limits, "network")})
    chosen = await choice.choose("auto", every, built, None, UidPool(60706, 256), 0)
    assert chosen.name == "namespaces"
    await chosen.close()
    with pytest.raises(NotReady, match="nothing here enforces process_count for runsc"):
        await choice.choose("runsc", policy.load(), built, None, UidPool(60706, 256), 0)


def test_a_required_limit_that_is_none_is_refused_by_name(tmp_path):
    with pytest.raises(ValidationError, match="required names no limit: patience"):
        policy.load(requiring(tmp_path, "patience"))
