"""The critic's server, asked as clients and as the orchestrator ask it."""

from __future__ import annotations

import hashlib
import os
import signal
from pathlib import Path

import grpc
import jwt
import psutil
import pytest
import pytest_asyncio
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from loupe.critic.v1.critic_pb2 import AuthorizeRunRequest, ReviewCodeRequest, Tool
from loupe.critic.v1.critic_service_pb2_grpc import CriticServiceStub
from loupe.type.v1.access_pb2 import Role
from servers.kit.errors import CodeNotAuthorized
from servers.kit.keys import KeyFolder
from servers.kit.tokens import ServiceClaims, sign_service_token, verify_code_token
from tests.running import Running, running
from tests.unit.critic_programs import CHART_ANALYSIS

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(module_home):
    async with running("critic", module_home) as up:
        yield up


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def person(server: Running):
    async with server.channel() as channel:
        yield CriticServiceStub(channel)


@pytest.fixture(scope="module")
def keys(server: Running, module_home: Path) -> KeyFolder:
    return KeyFolder(module_home / "keys")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def orchestrator(server: Running, keys: KeyFolder):
    claims = ServiceClaims("orchestrator", "critic", "local", Role.ROLE_SERVICE)
    token = sign_service_token(keys.private("orchestrator"), claims)
    async with server.channel(key=token) as channel:
        yield CriticServiceStub(channel)


def reason_of(error: grpc.aio.AioRpcError) -> str:
    status = rpc_status.from_call(error)
    assert status is not None
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    return str(info.reason)


def run_of(source: str) -> AuthorizeRunRequest:
    return AuthorizeRunRequest(source=source, job_id="job_1", step=7, attempt=2)


async def test_an_honest_analysis_is_approved(person):
    verdict = (await person.ReviewCode(ReviewCodeRequest(source=CHART_ANALYSIS))).verdict
    assert verdict.is_approved
    assert verdict.code_sha256 == hashlib.sha256(CHART_ANALYSIS.encode()).hexdigest()


async def test_code_that_does_not_parse_is_a_denied_verdict(person):
    verdict = (await person.ReviewCode(ReviewCodeRequest(source="x = ("))).verdict
    assert not verdict.is_approved
    (finding,) = verdict.findings
    assert (finding.tool, finding.rule, finding.line, finding.column) == (Tool.TOOL_PARSER, "syntax-error", 1, 5)


@pytest.mark.parametrize("source", ["", "#" * 262_145], ids=["empty", "too large"])
async def test_a_source_of_the_wrong_size_is_an_invalid_field(person, source):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await person.ReviewCode(ReviewCodeRequest(source=source))
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert reason_of(caught.value) == "INVALID_FIELD"


async def test_the_largest_source_is_reviewed(person):
    verdict = (await person.ReviewCode(ReviewCodeRequest(source="#" * 262_144))).verdict
    assert verdict.is_approved


async def test_the_same_source_gets_the_same_bytes_from_two_servers(person, home):
    source = ReviewCodeRequest(source="import os\nprint(nothing, eval('1'))\n")
    first = await person.ReviewCode(source)
    async with running("critic", home) as other, other.channel() as channel:
        second = await CriticServiceStub(channel).ReviewCode(source)
    assert first.SerializeToString(deterministic=True) == second.SerializeToString(deterministic=True)


async def test_an_approved_run_gets_a_token_for_exactly_that_run(orchestrator, keys):
    answer = await orchestrator.AuthorizeRun(run_of("print(1)\n"))
    digest = hashlib.sha256(b"print(1)\n").hexdigest()
    assert answer.verdict.is_approved
    claims = verify_code_token(answer.token, keys.public("critic"), code_sha256=digest, issuer="critic")
    assert (claims.job_id, claims.step, claims.attempt) == ("job_1", 7, 2)
    assert claims.policy_version == answer.verdict.policy_version
    payload = jwt.decode(answer.token, options={"verify_signature": False})
    assert payload["exp"] - payload["iat"] == 60
    assert (payload["aud"], payload["iss"]) == ("sandbox", "critic")
    with pytest.raises(CodeNotAuthorized, match="for other code"):
        other = hashlib.sha256(b"print(2)\n").hexdigest()
        verify_code_token(answer.token, keys.public("critic"), code_sha256=other, issuer="critic")


async def test_each_token_is_another_one(orchestrator):
    tokens = [(await orchestrator.AuthorizeRun(run_of("print(1)\n"))).token for _ in range(2)]
    names = {jwt.decode(token, options={"verify_signature": False})["jti"] for token in tokens}
    assert len(names) == 2


async def test_a_denied_run_gets_its_verdict_and_no_token(orchestrator):
    answer = await orchestrator.AuthorizeRun(run_of("import os\n"))
    assert not answer.verdict.is_approved
    assert answer.token == ""


async def test_a_person_can_not_authorize_a_run(person):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await person.AuthorizeRun(run_of("print(1)\n"))
    assert caught.value.code() == grpc.StatusCode.PERMISSION_DENIED
    assert reason_of(caught.value) == "ROLE_TOO_LOW"


async def test_a_killed_ruff_costs_no_review(server, person):
    children = psutil.Process(server.process.pid).children()
    (ruff,) = [child for child in children if "ruff" in child.name()]
    os.kill(ruff.pid, signal.SIGKILL)
    verdict = (await person.ReviewCode(ReviewCodeRequest(source="print(no_such_name)\n"))).verdict
    assert [finding.rule for finding in verdict.findings] == ["F821"]


async def test_a_stopped_server_leaves_no_ruff_behind(home):
    async with running("critic", home) as up:
        children = psutil.Process(up.process.pid).children()
        assert len(children) == 1
    gone, alive = psutil.wait_procs(children, timeout=10)
    assert not alive
    assert len(gone) == 1
