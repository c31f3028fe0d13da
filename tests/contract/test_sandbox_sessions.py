"""Sessions as a client uses them: what stays between runs, what ends them, and who may use which."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import pytest_asyncio
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from loupe.sandbox.v1.sandbox_pb2 import (
    GetCapabilitiesRequest,
    InputChunk,
    LimitKind,
    Limits,
    Outcome,
    RunSpec,
)
from loupe.sandbox.v1.sandbox_service_pb2_grpc import SandboxServiceStub
from loupe.sandbox.v1.session_pb2 import CloseSessionRequest, OpenSessionRequest
from loupe.type.v1.access_pb2 import Role
from servers.kit.keys import KeyFolder
from servers.kit.tokens import ServiceClaims, sign_service_token
from tests.contract.sandbox_client import Answer, Client, refusal
from tests.running import running

pytestmark = pytest.mark.asyncio(loop_scope="module")
NOT_FOUND = ("NOT_FOUND", "NOT_FOUND")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(module_home) -> AsyncIterator[Client]:
    environment = {"LOUPE_SANDBOX_RUNNER": "namespaces", "LOUPE_SANDBOX_SESSIONS": "2"}
    async with running("sandbox", module_home, environment) as server, server.channel() as channel:
        yield Client(SandboxServiceStub(channel), KeyFolder(module_home / "keys"), server)


@pytest_asyncio.fixture(loop_scope="module")
async def session(client) -> AsyncIterator[str]:
    """A session of its own for a test."""
    opened = (await client.stub.OpenSession(OpenSessionRequest())).session
    yield opened.session_id
    with contextlib.suppress(grpc.aio.AioRpcError):
        await client.stub.CloseSession(CloseSessionRequest(session_id=opened.session_id))


async def run(client: Client, session: str, source: str, *chunks: InputChunk, **spec: Any) -> Answer:
    told = RunSpec(source=source, critic_token=client.token(source), session_id=session, **spec)
    for chunk in chunks:
        told.inputs.add(name=chunk.name, size_bytes=len(chunk.data), sha256=sha256(chunk.data))
    return await client.send(told, *chunks)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


async def ends(client: Client, session: str) -> None:
    """Return once a run in it is refused because it is gone."""
    async with asyncio.timeout(30):
        while await refusal(run(client, session, "1")) != NOT_FOUND:  # noqa: ASYNC110 - another process's doing
            await asyncio.sleep(0.01)


async def test_variables_and_files_stay_and_each_file_comes_back_when_it_is_new_or_changed(client, session):
    first = await run(client, session, "x = 20\nopen('a.txt', 'w').write('one')\nopen('b.txt', 'w').write('two')")
    assert first.artifacts == {"a.txt": b"one", "b.txt": b"two"}
    second = await run(client, session, "open('b.txt', 'a').write(open('a.txt').read())\nx + 1")
    assert second.artifacts == {"b.txt": b"twoone"}
    assert (second.result.value.type, second.result.value.text) == ("int", "21")
    assert second.result.session.session_id == session
    assert second.result.session.expire_time.ToSeconds() > first.result.session.expire_time.ToSeconds() - 1


async def test_an_exception_keeps_the_session_and_names_the_line_of_its_own_run(client, session):
    await run(client, session, "\n\ndef divide(a):\n    return a / 0")
    failed = await run(client, session, "y = 1\ndivide(2)")
    assert (failed.result.outcome, failed.result.error.line) == (Outcome.OUTCOME_FAILED, 2)
    assert b"return a / 0" in failed.stderr  # of a program two runs ago
    assert not failed.result.session.has_ended
    assert (await run(client, session, "y")).result.value.text == "1"


async def test_an_exit_code_keeps_the_session_and_the_end_of_its_process_ends_it(client, session):
    left = await run(client, session, "z = 5\nraise SystemExit(3)")
    assert (left.result.exit_code, left.result.session.has_ended) == (3, False)
    killed = await run(client, session, "print(z, flush=True)\nimport os; os._exit(4)")
    assert (killed.stdout, killed.result.exit_code, killed.result.session.has_ended) == (b"5\n", 4, True)
    assert await refusal(run(client, session, "1")) == NOT_FOUND


@pytest.mark.parametrize(
    ("source", "limits", "exceeded"),
    [
        ("import time\nprint('hi', flush=True)\ntime.sleep(60)", {"wall_time_s": 1}, "WALL_TIME"),
        ("print('hi' * 99999)", {"output_kib": 8}, "OUTPUT"),
    ],
)
async def test_a_limit_ends_the_session_says_so_and_keeps_what_was_written(client, session, source, limits, exceeded):
    ended = await run(client, session, source, limits=Limits(**limits))
    assert ended.stdout.startswith(b"hi")
    assert ended.result.exceeded == LimitKind.Value(f"LIMIT_KIND_{exceeded}")
    assert ended.result.session.has_ended
    assert await refusal(run(client, session, "1")) == NOT_FOUND


async def test_a_cancelled_run_ends_the_session(client, session):
    call = await client.begin("print('here', flush=True)\nwhile True: pass", session_id=session)
    assert await refusal(run(client, session, "1")) == ("FAILED_PRECONDITION", "WRONG_STATE")  # one at a time
    call.cancel()
    await ends(client, session)


async def test_closing_ends_also_a_program_that_runs(client, session):
    source = "print('here', flush=True)\nwhile True: pass"
    running_one = asyncio.create_task(run(client, session, source))
    async with asyncio.timeout(30):
        while (await client.stub.GetCapabilities(GetCapabilitiesRequest())).load.running_count == 0:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    await client.stub.CloseSession(CloseSessionRequest(session_id=session))
    ended = await running_one
    assert (ended.result.signal, ended.result.session.has_ended) == (9, True)
    assert await refusal(client.stub.CloseSession(CloseSessionRequest(session_id=session))) == NOT_FOUND


async def test_a_lease_that_runs_out_ends_the_session_and_all_its_processes(client):
    lease = Duration(seconds=2)
    opened = (await client.stub.OpenSession(OpenSessionRequest(lease=lease))).session
    assert opened.lease == lease
    source = "import subprocess\nsubprocess.Popen(['/usr/bin/sleep', '98765']).pid"
    assert (await run(client, opened.session_id, source)).result.value.type == "int"
    assert len(sleepers()) == 1
    async with asyncio.timeout(30):
        while sleepers():  # noqa: ASYNC110 - a process of another
            await asyncio.sleep(0.01)
    assert await refusal(run(client, opened.session_id, "1")) == NOT_FOUND


def sleepers() -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if path.read_bytes() == b"/usr/bin/sleep\x0098765\x00":
                found.append(path.parent.name)
    return found


async def test_a_session_is_its_owners_alone(client, session):
    async def attempt(subject: str) -> tuple[str, str]:
        claims = ServiceClaims("orchestrator", "sandbox", subject, Role.ROLE_ANALYST)
        token = sign_service_token(client.keys.private("orchestrator"), claims)
        async with client.server.channel(key=token) as channel:
            other = Client(SandboxServiceStub(channel), client.keys, client.server)
            refused = await refusal(run(other, session, "x"))
            assert await refusal(other.stub.CloseSession(CloseSessionRequest(session_id=session))) == refused
            return refused

    await run(client, session, "x = 'mine'")
    assert await attempt("somebody else") == NOT_FOUND
    assert (await run(client, session, "x")).result.value.text == "'mine'"


async def test_two_sessions_share_nothing(client, session):
    await run(
        client, session, "import os\nx = os.environ['L'] = '1'\nopen('/tmp/l', 'w').close()\nopen('l', 'w').close()"
    )
    other = (await client.stub.OpenSession(OpenSessionRequest())).session.session_id
    look = "import os\n('x' in globals(), os.path.exists('/tmp/l'), os.listdir(), 'L' in os.environ)"
    assert (await run(client, other, look)).result.value.text == "(False, False, [], False)"
    assert (await client.run(look)).result.value.text == "(False, False, [], False)"
    await client.stub.CloseSession(CloseSessionRequest(session_id=other))


async def test_the_same_request_opens_one_session_and_too_many_are_told_when_to_come_back(client):
    request = OpenSessionRequest(request_id="once", lease=Duration(seconds=60))
    first, again = await client.stub.OpenSession(request), await client.stub.OpenSession(request)
    assert first == again
    changed = OpenSessionRequest(request_id="once", lease=Duration(seconds=61))
    assert await refusal(client.stub.OpenSession(changed)) == ("ALREADY_EXISTS", "REQUEST_ID_REUSED")
    second = await client.stub.OpenSession(OpenSessionRequest(lease=Duration(seconds=30)))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await client.stub.OpenSession(OpenSessionRequest())
    status = rpc_status.from_call(caught.value)
    assert (caught.value.code().name, caught.value.details()) == (
        "RESOURCE_EXHAUSTED",
        "2 sessions are open, at most 2",
    )
    retry = error_details_pb2.RetryInfo()
    assert status is not None
    assert any(detail.Unpack(retry) for detail in status.details)
    assert 25 <= retry.retry_delay.ToSeconds() <= 30
    load = (await client.stub.GetCapabilities(GetCapabilitiesRequest())).load
    assert load.open_session_count == 2
    for opened in (first, second):
        await client.stub.CloseSession(CloseSessionRequest(session_id=opened.session.session_id))


async def test_limits_of_the_sandbox_belong_to_the_session_and_the_others_to_each_run(client):
    refused = await refusal(client.stub.OpenSession(OpenSessionRequest(limits=Limits(wall_time_s=1))))
    assert refused == ("INVALID_ARGUMENT", "INVALID_FIELD")
    refused = await refusal(client.stub.OpenSession(OpenSessionRequest(limits=Limits(memory_mib=9999))))
    assert refused == ("INVALID_ARGUMENT", "LIMIT_TOO_HIGH")
    refused = await refusal(client.stub.OpenSession(OpenSessionRequest(lease=Duration(seconds=86400))))
    assert refused == ("INVALID_ARGUMENT", "INVALID_FIELD")
    opened = (await client.stub.OpenSession(OpenSessionRequest(limits=Limits(disk_mib=5)))).session.session_id
    assert await refusal(run(client, opened, "1", limits=Limits(disk_mib=6))) == ("INVALID_ARGUMENT", "INVALID_FIELD")
    full = await run(client, opened, "open('big', 'wb').write(bytes(10 << 20))")
    assert (full.result.exceeded, full.result.session.has_ended) == (LimitKind.LIMIT_KIND_DISK, False)
    await client.stub.CloseSession(CloseSessionRequest(session_id=opened))


async def test_inputs_come_with_each_run_and_never_back(client, session):
    first = await run(client, session, "open('in.csv').read()", InputChunk(name="in.csv", data=b"1,2"))
    assert (first.result.value.text, first.artifacts) == ("'1,2'", {})
    second = await run(client, session, "open('in.csv').read()", InputChunk(name="in.csv", data=b"3"))
    assert (second.result.value.text, second.artifacts) == ("'3'", {})


async def test_a_run_in_a_session_needs_a_token_of_its_own(client, session):
    token = client.token("counter = 1")
    spec = RunSpec(source="counter = 1", critic_token=token, session_id=session)
    await client.send(spec)
    assert await refusal(client.send(spec)) == ("PERMISSION_DENIED", "TOKEN_REPLAYED")
    assert await refusal(client.send(RunSpec(source="counter", session_id=session))) == (
        *("PERMISSION_DENIED", "CODE_NOT_AUTHORIZED"),
    )
    assert (await run(client, session, "counter")).result.value.text == "1"


async def test_each_run_captures_its_own_figures(client, session):
    first = await run(client, session, "import matplotlib.pyplot as plt\nplt.plot([1, 2], label='a')")
    second = await run(client, session, "plt.plot([3, 4], label='b')")
    third = await run(client, session, "1")
    names = [[one.name for one in answer.result.artifacts] for answer in (first, second, third)]
    assert names == [["figure-1.png"], ["figure-2.png"], []]
    series = [answer.result.figures[0].axes[0].series[0] for answer in (first, second)]
    assert [(one.name, list(one.y)) for one in series] == [("a", [1, 2]), ("b", [3, 4])]
    assert [list(one.lines) for one in series] == [[2], [1]]


@pytest.mark.parametrize("runner", ["runsc"])
async def test_a_runner_without_sessions_says_so(home, runner):
    async with running("sandbox", home, {"LOUPE_SANDBOX_RUNNER": runner}) as server, server.channel() as channel:
        stub = SandboxServiceStub(channel)
        assert (await stub.GetCapabilities(GetCapabilitiesRequest())).session_count == 0
        assert await refusal(stub.OpenSession(OpenSessionRequest())) == ("FAILED_PRECONDITION", "WRONG_STATE")
