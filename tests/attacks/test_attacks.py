"""Hostile programs against each runner: nothing may breach, hang, or harm the service or the machine."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from loupe.sandbox.v1.sandbox_pb2 import Outcome
from loupe.sandbox.v1.sandbox_service_pb2_grpc import SandboxServiceStub
from sandbox.config import Settings
from servers.kit.keys import KeyFolder
from tests.attacks.attack import Attack, load
from tests.contract.sandbox_client import Client
from tests.running import running

pytestmark = pytest.mark.asyncio(loop_scope="module")
ATTACKS = load()
_LONGEST_S = 90


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["namespaces", "runsc"])
async def client(module_home, request) -> AsyncIterator[Client]:
    environment = {"LOUPE_SANDBOX_RUNNER": request.param}
    async with running("sandbox", module_home, environment) as server, server.channel() as channel:
        yield Client(SandboxServiceStub(channel), KeyFolder(module_home / "keys"), server)


@pytest.fixture(scope="module")
def machine() -> dict[str, str]:
    """What no program may change, as it was before the first."""
    return _machine()


def _machine() -> dict[str, str]:
    watched = ("kernel/core_pattern", "kernel/hostname", "vm/overcommit_memory", "user/max_user_namespaces")
    state = {name: Path("/proc/sys", name).read_text() for name in watched}
    return state | {"mounts": str(len(Path("/proc/mounts").read_text().splitlines()))}


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
async def test_an_attack_is_held(client, machine, attack: Attack, request):
    runner = request.node.callspec.params["client"]
    async with asyncio.timeout(_LONGEST_S):
        answer = await client.run(attack.source, inputs=attack.inputs, **attack.limits)
    assert attack.objections(answer, runner) == []
    assert client.server.process.returncode is None
    assert _machine() == machine


async def test_after_all_attacks_the_service_runs_programs_and_nothing_of_theirs_is_left(client):
    async with asyncio.timeout(_LONGEST_S):
        answer = await client.run("print('alive')")
    assert (answer.stdout, answer.result.outcome) == (b"alive\n", Outcome.OUTCOME_COMPLETED)
    if os.geteuid() == 0:
        first = Settings().first_uid
        ours = [
            path.name
            for path in Path("/proc").glob("[0-9]*")
            if _uid(path) in range(first, first + Settings().uid_count) and _descends(path, client.server.process.pid)
        ]
        # bubblewrap, the zygote, and two processes of each sandbox that waits
        assert len(ours) <= 2 + 2 * Settings().warm_sandboxes


async def test_there_are_attacks_of_every_family():
    families = {attack.name.split("/")[0] for attack in ATTACKS}
    assert families == {
        *("calls", "disk", "files", "harness", "memory", "namespaces", "network", "processes", "users"),
    }
    assert len(ATTACKS) >= 80
    assert all("expect" in attack.headers for attack in ATTACKS)


def _uid(path: Path) -> int:
    try:
        return path.stat().st_uid
    except OSError:
        return -1


def _descends(path: Path, ancestor: int) -> bool:
    """Tell whether a process belongs to this server: others on the machine may use the same uids."""
    pid = int(path.name)
    while pid > 1:
        if pid == ancestor:
            return True
        try:
            pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            return False
    return False
