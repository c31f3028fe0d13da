"""Cancelling a call kills everything that its program started, by whatever means it hides."""

from __future__ import annotations

import asyncio
import os
import select
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from loupe.sandbox.v1.sandbox_service_pb2_grpc import SandboxServiceStub
from servers.kit.keys import KeyFolder
from tests.contract.sandbox_client import Client
from tests.running import running

pytestmark = pytest.mark.asyncio(loop_scope="module")

# A tree of processes that ignore every signal they can, in sessions of their own, some stopped, some computing.
HIDING = """
import os, signal, time
for number in range(1, 65):
    try:
        signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError):
        pass
for kind in range(4):
    if os.fork() == 0:
        os.setsid()
        if os.fork() and kind == 0:
            os._exit(0)  # an orphan is left
        if kind == 1:
            os.kill(os.getpid(), signal.SIGSTOP)
        while kind == 2:
            pass
        time.sleep(1000)
time.sleep(0.2)
print("here", flush=True)
time.sleep(1000)
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["namespaces", "runsc"])
async def client(module_home, request) -> AsyncIterator[Client]:
    environment = {"LOUPE_SANDBOX_RUNNER": request.param, "LOUPE_SANDBOX_WARM_SANDBOXES": "0"}
    async with running("sandbox", module_home, environment) as server, server.channel() as channel:
        yield Client(SandboxServiceStub(channel), KeyFolder(module_home / "keys"), server)


def descendants(pid: int) -> set[int]:
    """Every process that a process started, and those that these did."""
    found: set[int] = set()
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, path.read_text().split()):
            found |= {child} | descendants(child)
    return found


async def test_a_cancelled_run_leaves_no_process(client):
    before = descendants(client.server.process.pid)
    call = await client.begin(HIDING)
    started = descendants(client.server.process.pid) - before
    assert len(started) >= 5
    pidfds = [os.pidfd_open(pid) for pid in started]
    call.cancel()
    try:
        for pidfd in pidfds:
            # Readable once its process has ended. Generous: the machine may be busy.
            assert select.select([pidfd], [], [], 30)[0]
    finally:
        for pidfd in pidfds:
            os.close(pidfd)
    async with asyncio.timeout(30):
        assert (await client.run("print('next')")).stdout == b"next\n"
