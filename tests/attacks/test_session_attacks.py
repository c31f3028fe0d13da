"""Hostile programs in sessions, where something outlives each of them: nothing may cross, hang, or be believed."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import pytest_asyncio

from loupe.sandbox.v1.sandbox_pb2 import GetCapabilitiesRequest, Limits, Outcome, RunSpec
from loupe.sandbox.v1.sandbox_service_pb2_grpc import SandboxServiceStub
from loupe.sandbox.v1.session_pb2 import CloseSessionRequest, OpenSessionRequest
from servers.kit.keys import KeyFolder
from tests.attacks.test_attacks import _machine
from tests.contract.sandbox_client import Answer, Client, refusal
from tests.running import running

pytestmark = pytest.mark.asyncio(loop_scope="module")
NOT_FOUND = ("NOT_FOUND", "NOT_FOUND")
_LONGEST_S = 60

# The end of the control socket that a session's interpreter hears its orders on.
CONTROL = """
import json, os, socket
def sockets():
    for name in os.listdir('/proc/self/fd'):
        path = f'/proc/self/fd/{name}'
        if os.path.lexists(path) and os.readlink(path).startswith('socket:'):
            yield socket.socket(fileno=os.dup(int(name)))
control = next(sockets())
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(module_home) -> AsyncIterator[Client]:
    environment = {"LOUPE_SANDBOX_RUNNER": "namespaces", "LOUPE_SANDBOX_SESSIONS": "8"}
    before = _machine()
    async with running("sandbox", module_home, environment) as server, server.channel() as channel:
        yield Client(SandboxServiceStub(channel), KeyFolder(module_home / "keys"), server)
        assert server.process.returncode is None
    assert _machine() == before


@pytest_asyncio.fixture(loop_scope="module")
async def session(client) -> AsyncIterator[str]:
    opened = (await client.stub.OpenSession(OpenSessionRequest())).session.session_id
    yield opened
    with contextlib.suppress(grpc.aio.AioRpcError):
        await client.stub.CloseSession(CloseSessionRequest(session_id=opened))


async def run(client: Client, session: str, source: str, **limits: Any) -> Answer:
    spec = RunSpec(source=source, critic_token=client.token(source), session_id=session, limits=Limits(**limits))
    async with asyncio.timeout(_LONGEST_S):
        return await client.send(spec)


async def ended_or_sound(client: Client, session: str) -> None:
    """The session is gone, or its next run is answered as a run of its own; either way the service serves others."""
    try:
        answer = await run(client, session, "print('mine')", wall_time_s=5)
        assert answer.stdout in (b"mine\n", b"")
    except grpc.aio.AioRpcError as error:
        assert error.code() in (grpc.StatusCode.NOT_FOUND, grpc.StatusCode.INTERNAL)
    assert (await client.run("print('alive')")).stdout == b"alive\n"


@pytest.mark.parametrize(
    "message",
    [
        "json.dumps({'done': 1, 'code': 0})",
        "json.dumps({'done': 1, 'code': 99999})",
        "json.dumps({'done': 'x'})",
        "json.dumps({'exit': {'status': -5, 'peak_memory_kib': -1}})",
        "json.dumps({'exit': {'status': 0x7f, 'peak_memory_kib': 1}})",
        "json.dumps({'exit': {'status': 10**30, 'peak_memory_kib': 1}})",
        "'[' * 4000",
        "'\\x00'",
    ],
)
async def test_a_program_that_speaks_for_the_interpreter_ends_no_more_than_itself(client, session, message):
    answer = await run(client, session, f"{CONTROL}\ncontrol.send({message}.encode())\nwhile True: pass", wall_time_s=5)
    assert answer.result.session.session_id == session
    await ended_or_sound(client, session)


async def test_an_end_announced_before_its_run_began_counts_for_none(client, session):
    source = f"{CONTROL}\nfor n in range(1, 9): control.send(json.dumps({{'done': n, 'code': 0}}).encode())"
    await run(client, session, source)
    await ended_or_sound(client, session)


async def test_an_interpreter_that_hangs_up_ends_its_session(client, session):
    answer = await run(client, session, f"{CONTROL}\ncontrol.shutdown(2)")
    assert answer.result.session.has_ended or answer.result.outcome == Outcome.OUTCOME_COMPLETED
    await ended_or_sound(client, session)


async def test_what_an_earlier_run_left_running_can_neither_write_nor_be_seen_in_a_later_one(client, session):
    left = (
        "import os, threading, time\n"
        "out = os.dup(1)\n"
        "def write():\n"
        "    while True:\n"
        "        try: os.write(out, b'LEFT')\n"
        "        except OSError: time.sleep(0.01)\n"
        "threading.Thread(target=write, daemon=True).start()\n"
        "if os.fork() == 0:\n"
        "    write()\n"
    )
    await run(client, session, left, output_kib=1024)
    for _ in range(3):
        with contextlib.suppress(grpc.aio.AioRpcError):
            assert b"LEFT" not in (await run(client, session, "print('mine')")).stdout
    assert (await client.run("print('alive')")).stdout == b"alive\n"


async def test_links_put_in_the_place_of_files_while_they_are_collected_lead_nowhere(client, session, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("SECRET OF THE MACHINE")
    secret.chmod(0o600)
    swap = (
        "import os, threading\n"
        "def swap():\n"
        "    n = 0\n"
        "    while True:\n"
        "        n += 1\n"
        "        for i in range(20):\n"
        "            try:\n"
        "                os.unlink(f'f{i}')\n"
        f"                if n % 2: os.symlink({str(secret)!r}, f'f{{i}}')\n"
        "                else:\n"
        "                    open(f'f{i}', 'w').write('x' * 5000)\n"
        "                    os.chmod(f'f{i}', 0)\n"
        "            except OSError: pass\n"
        "for i in range(20): open(f'f{i}', 'w').write('x')\n"
        "for _ in range(3): threading.Thread(target=swap, daemon=True).start()\n"
    )
    answers = [await run(client, session, swap)]
    for _ in range(5):
        answers.append(await run(client, session, "import time; time.sleep(0.05)"))
    for answer in answers:
        assert all(b"SECRET" not in content for content in answer.artifacts.values())
    assert secret.stat().st_mode & 0o777 == 0o600


async def test_a_session_can_be_neither_guessed_nor_used_once_its_lease_is_over(client, session):
    for guess in (session[:-1], session.upper(), "session_" + "0" * 26, "../" + session, session + "\x00", "x"):
        assert await refusal(run(client, guess, "1")) == NOT_FOUND
    await client.stub.CloseSession(CloseSessionRequest(session_id=session))
    assert await refusal(run(client, session, "1")) == NOT_FOUND


async def test_a_bomb_in_a_session_ends_with_it_and_takes_nobody_along(client, session):
    other = (await client.stub.OpenSession(OpenSessionRequest())).session.session_id
    await run(client, other, "x = 'kept'")
    bomb = "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass"
    assert (await run(client, session, bomb, wall_time_s=2)).result.session.has_ended
    assert (await run(client, other, "x")).result.value.text == "'kept'"
    await client.stub.CloseSession(CloseSessionRequest(session_id=other))


async def test_a_session_neither_sees_nor_signals_another(client, session):
    other = (await client.stub.OpenSession(OpenSessionRequest())).session.session_id
    await run(client, other, "x = 'kept'\nopen('/dev/shm/mine', 'w').write('x')")
    look = (
        "import os, signal\n"
        "seen = [pid for pid in os.listdir('/proc') if pid.isdecimal()]\n"
        "for pid in range(3, 5000):\n"
        "    try: os.kill(pid, signal.SIGKILL)\n"
        "    except OSError: pass\n"
        "(sorted(seen), os.listdir('/dev/shm'))"
    )
    assert (await run(client, session, look)).result.value.text == "(['1', '2'], [])"
    assert (await run(client, other, "x")).result.value.text == "'kept'"
    await client.stub.CloseSession(CloseSessionRequest(session_id=other))


async def test_after_all_of_them_no_session_and_no_group_is_left(client):
    load = (await client.stub.GetCapabilities(GetCapabilitiesRequest())).load
    assert load.open_session_count == 0
    async with asyncio.timeout(30):
        # Those of the sandboxes that wait ready.
        while len(groups(client)) > load.pool_size:  # noqa: ASYNC110 - another process's doing
            await asyncio.sleep(0.05)


def groups(client: Client) -> set[str]:
    return {path.name for path in Path("/sys/fs/cgroup").rglob(f"loupe-sandbox-{client.server.process.pid}-*")}
